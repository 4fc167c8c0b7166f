"""Every legal cut of every model that we name, run and compared: `make all-cuts` (takes minutes).

JSON rows on stdout; the exit status is 1 when any cut disagrees. `--cuts N` draws N cuts a model
instead; names of models restrict the run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import onnx

from bench.rows import Row
from examples.demo import minilm, mobilenet, zoo
from partitioner.onnx_io.check import TOLERANCE, CheckReport, check_model

MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "mobilenetv2": mobilenet.build,
    "minilm": minilm.build,
    **{name: partial(zoo.reseeded, name) for name in zoo.TOPOLOGIES},
}
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {"minilm": {"input_ids": (1, 32)}}


def check(name: str, cuts: Any) -> CheckReport:
    """Build model `name` into a temporary file and check it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        onnx.save(MODELS[name](), str(path))
        return check_model(path, cuts, shapes=SHAPES.get(name), progress=partial(_progress, name))


def rows_of(report: CheckReport) -> list[Row]:
    """Return the report's two comparisons, and its problems if there are any."""
    rows, what = (
        report.rows,
        f"{report.model}: {len(report.rows)} cuts run of {report.cuts} legal and all at once",
    )
    unequal = sum(row.against_whole != 0 for row in rows)
    apart = max(row.against_pushed for row in rows)
    problems = [f"{row.cut}: {row.problem}" for row in rows if row.problem][:5]
    return [
        Row(
            "all_cuts",
            f"{what}; not bit-equal",
            unequal,
            "cuts",
            "the whole, optimisation off",
            0,
            unequal == 0,
        ),
        Row(
            "all_cuts",
            f"{what}; largest difference",
            apart,
            "of the largest output",
            "the file as pushed",
            *_goal(report),
        ),
        *(Row("all_cuts", f"{report.model}: {problem}", 1, "problems", "", 0, False) for problem in problems),
    ]


def _goal(report: CheckReport) -> tuple[float | None, bool]:
    # A quantized model is judged in steps of its output, by the check itself.
    return (None if report.quantized else TOLERANCE), report.ok


def main(arguments: list[str]) -> int:
    """Check what the arguments ask for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--cuts", type=int, default=0, help="draw so many cuts a model instead of running all"
    )
    parser.add_argument("models", nargs="*", choices=[[], *MODELS], metavar="MODEL")
    chosen = parser.parse_args(arguments)
    ok = True
    for name in chosen.models or MODELS:
        report = check(name, chosen.cuts or "all")
        ok = ok and report.ok
        for row in rows_of(report):
            row.print()
    return 0 if ok else 1


def _progress(name: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(
            f"\r{name}: {done}/{total}  ", end="" if done < total - 1 else "\n", file=sys.stderr, flush=True
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
