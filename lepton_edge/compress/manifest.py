"""What stands beside a compressed model: what was done to which model with which data, and what was measured.

Law: one JSON document beside the ONNX file, versioned; fields are added at the end and never renamed. It repeats
measurements and judges none. It names no path: the file may be moved.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lepton_edge.compress import disk
from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.recipe import Candidate, Target
from lepton_edge.compress.report import Report
from lepton_edge.compress.rows import file_digest
from lepton_edge.core.version import __version__
from partitioner.nouns_json import to_json

SCHEMA = "lepton-edge/compressed/1"
TOOLS = ("onnx", "onnxruntime", "onnxslim", "numpy", "optuna", "torch")


@dataclass(frozen=True)
class Origin:
    """Where a variant comes from, beside what the report says.

    Attributes:
        samples: sha256 of the data.
        calibration: samples that techniques used.
        judged: samples that it was judged with, of other pictures.
        training: sha256 of the training data, "" without any.
        target: the processor that it was made for.
        seed: of everything random.
        apart: samples that only confirmed it.
    """

    samples: str
    calibration: int
    judged: int
    training: str
    target: Target
    seed: int
    apart: int = 0


def document(report: Report, chosen: Candidate, origin: Origin) -> dict[str, Any]:
    """Return the manifest of `chosen`."""
    return {
        "schema": SCHEMA,
        "format": 1,
        "model": report.name,
        "sha256": chosen.sha256,
        "size": chosen.size,
        "stored": chosen.stored,
        "parent": {"sha256": report.original.sha256, "size": report.original.size},
        "recipe": to_json(chosen.recipe)["steps"],
        "samples": _samples(origin),
        "training": origin.training,
        "score": to_json(chosen.score),
        "original_score": to_json(report.original.score),
        "timings": to_json(chosen.timings),
        "original_timings": to_json(chosen.originals),
        "target": to_json(origin.target),
        "seed": origin.seed,
        "versions": versions(),
        "confirmed": to_json(chosen.confirmed),
        "original_confirmed": to_json(report.original.confirmed),
    }


def _samples(origin: Origin) -> dict[str, Any]:
    counts = {"calibration": origin.calibration, "judged": origin.judged, "apart": origin.apart}
    return {"sha256": origin.samples, **counts}


def versions() -> dict[str, str]:
    """Return the versions of the tools that are installed."""
    found = {"lepton-edge": __version__}
    for name in TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # noqa: PERF203 - a handful
            continue
    return found


def beside(model: Path) -> Path:
    """Return where the manifest of the ONNX file `model` lies."""
    return model.with_suffix(".json")


def save(model: Path, told: dict[str, Any]) -> None:
    """Write the manifest beside `model`; raise StorageFull or InvalidInput where it cannot be written."""
    disk.write(beside(model), json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n")


def load(model: Path) -> dict[str, Any]:
    """Return the manifest beside `model`.

    Raises:
        CompressionRefused: there is none, or it is of another format, or of another file than `model`.
    """
    path = beside(model)
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CompressionRefused(f"{path} cannot be read: {error}", "compress the model again") from error
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise CompressionRefused(f"{path} is no manifest of a compressed model", "compress the model again")
    if told.get("sha256") != file_digest(model):
        raise CompressionRefused(
            f"{path} speaks of another file than {model.name}", "compress the model again"
        )
    return told
