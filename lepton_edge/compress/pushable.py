"""What lies beside the best model so that its folder is pushed as it is: the manifest, and the labels that it names.

Law: copies what the model came with, and adds one line: whose variant it is, where only the precision differs. What was
trained, or lost channels, is another model; a person may push it as a variant all the same (`model push --variant-of`).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from lepton_edge.compress import disk
from lepton_edge.compress.report import Report
from lepton_edge.core.manifest_text import as_variant
from partitioner.errors import InvalidManifest
from partitioner.manifest import read_manifest

PRECISIONS = frozenset(
    {"clean", "static_int8", "mixed_int8", "dynamic_int8", "weight_only", "half", "share", "prune"}
)  # techniques: what they make has the layers of the original, and tensors that mean the same


def describe(report: Report, given: Path | None) -> None:
    """Write the manifest beside the best model, from the `given` one that the model came with; with its labels."""
    if report.file is None or report.best is None:
        return
    whose = report.name if {step.technique for step in report.best.recipe.steps} <= PRECISIONS else ""
    text = given.read_bytes() if given is not None else b""
    with contextlib.suppress(InvalidManifest, UnicodeDecodeError):  # then it stays as it is
        text = as_variant(text.decode(), whose).encode() if whose else text
    if text:
        disk.write(report.file.with_suffix(".toml"), text)
    if given is not None:
        _copy_labels(given, text, report.file)


def _copy_labels(given: Path, text: bytes, file: Path) -> None:
    with contextlib.suppress(InvalidManifest, UnicodeDecodeError):
        for name in {one.labels for one in read_manifest(text.decode()).outputs if one.labels}:
            labels_file = given.parent / name
            kept = file.with_name(name)
            if labels_file.is_file() and not kept.exists():  # it may be called as a file of the search
                disk.write(kept, labels_file.read_bytes())
