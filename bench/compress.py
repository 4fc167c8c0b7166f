"""What compression buys, on real data: the table of the issue, one JSON line a row.

    python -m bench.compress [--only int8 thin photos sentences guard student channels grid narrow scenario] [--plain]

Law: real data, and nothing that judges was ever trained or calibrated with. The first run trains a small ResNet on
Fashion-MNIST (eight minutes of a core, needs torch) and what the learned rows need; all of that is kept, so that later
runs are of minutes. `--plain` leaves out the rows that need torch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.compressing import quantized

PLAIN: dict[str, Callable[[Path], None]] = {
    "int8": quantized.int8,
    "thin": quantized.thin,
    "photos": quantized.photos,
    "sentences": quantized.sentences,
    "guard": quantized.guard,
}
LEARNED = ("student", "channels", "grid", "narrow", "scenario")
"""Rows that need torch: functions of `bench.compressing.learned`."""


def main() -> int:
    """Print the rows that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=[*PLAIN, *LEARNED], default=[*PLAIN, *LEARNED])
    parser.add_argument("--plain", action="store_true", help="without the rows that need torch")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lepton-compress-") as scratch:
        for name in asked.only:
            if name in PLAIN:
                PLAIN[name](Path(scratch))
            elif not asked.plain:
                _learned(name)(Path(scratch))
    return 0


def _learned(name: str) -> Callable[[Path], None]:
    from bench.compressing import learned, scenario

    functions: dict[str, Callable[[Path], None]] = {
        "student": learned.student,
        "channels": learned.channels,
        "grid": learned.grid,
        "narrow": learned.narrow,
        "scenario": scenario.choice,
    }
    return functions[name]


if __name__ == "__main__":
    sys.exit(main())
