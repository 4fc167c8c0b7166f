"""Every legal cut of every model that we name, run and compared: `make all-cuts` (takes minutes).

One JSON line a model on stdout; the exit status is 1 when any cut disagrees. `--cuts N` draws N cuts a model
instead; names of models restrict the run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import onnx

from examples.demo import minilm, mobilenet, zoo
from partitioner.onnx_io.check import CheckReport, check_model

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


def as_row(report: CheckReport, seconds: float) -> dict[str, Any]:
    """Return the report as one flat JSON object."""
    rows = report.rows
    return {
        "model": report.model,
        "layers": report.layers,
        "legal_cuts": report.cuts,
        "cuts_run": len(rows),
        "sampled": report.sampled,
        "bit_equal": all(row.against_whole == 0 for row in rows),
        "largest_difference": max(row.against_pushed for row in rows),
        "ok": report.ok,
        "problems": [f"{row.cut}: {row.problem}" for row in rows if row.problem][:5],
        "seconds": round(seconds, 1),
    }


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
        started = time.perf_counter()
        report = check(name, chosen.cuts or "all")
        ok = ok and report.ok
        print(json.dumps(as_row(report, time.perf_counter() - started)), flush=True)
    return 0 if ok else 1


def _progress(name: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(
            f"\r{name}: {done}/{total}  ", end="" if done < total - 1 else "\n", file=sys.stderr, flush=True
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
