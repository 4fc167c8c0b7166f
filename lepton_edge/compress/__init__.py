"""Compression under an accuracy budget: the smallest or fastest model that still answers right.

Law: a library below the command line. It knows no device and no coordinator: whoever calls it hands it a `measure`
callable. It reads and writes ONNX and runs it through `partitioner.onnx_io`; torch is imported by the techniques that
need it, and by nothing else. The room is its own face: `lepton_edge.compress(model, data)` calls `face.compress`, and
nothing heavy is imported before, because a command line and a board import the package for its name only.

    recipe, technique, errors     the nouns                 sources      models in, whatever wrote them
    samples (rows, folder,        data in, checked          evaluate     scores (metrics)
        fitting, pictures)                                  measure      times, in a process of its own
    techniques/                   what can be done          space        which recipes are worth trying
    search, trying, judging       which recipe, and whether it may be used
    workspace, disk               what is kept, whole       report, manifest, plots   what is told
    store/                        a model in few bytes      adaptation, changes, signs, bundle   for a platform
    weights, masks, grid, moments, settle, tolerance        what becomes of weights
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import partitioner as partitioner  # first: it tells the engine to keep to itself

if TYPE_CHECKING:
    from lepton_edge.compress.adaptation import adapt
    from lepton_edge.compress.bundle import Bundle
    from lepton_edge.compress.changes import Wanted
    from lepton_edge.compress.coding import Coding, bottleneck
    from lepton_edge.compress.face import compress
    from lepton_edge.compress.recipe import Budget, Candidate, Recipe, Step, Target
    from lepton_edge.compress.report import Report

_HOMES = {
    "Bundle": "bundle",
    "Wanted": "changes",
    "adapt": "adaptation",
    "Coding": "coding",
    "bottleneck": "coding",
    "Budget": "recipe",
    "Candidate": "recipe",
    "Recipe": "recipe",
    "Report": "report",
    "Step": "recipe",
    "Target": "recipe",
    "compress": "face",
}

_PACKAGES = ("onnx", "onnxslim", "scipy", "optuna")
"""What the extra `compress` brings; the command line looks for the same ones."""

__all__ = [
    "Budget",
    "Bundle",
    "Candidate",
    "Coding",
    "Recipe",
    "Report",
    "Step",
    "Target",
    "Wanted",
    "adapt",
    "bottleneck",
    "compress",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _require()
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def _require() -> None:
    """Return where the extra's packages are installed; else raise CompressionRefused, which says how to get them."""
    missing = [one for one in _PACKAGES if find_spec(one) is None]
    if missing:
        from lepton_edge.compress.errors import (
            CompressionRefused,  # only where it is needed: the face stays lazy
        )

        raise CompressionRefused(
            f"compression needs {', '.join(missing)}, which the base installation leaves out",
            "pip install 'lepton-edge[compress]'",
        )


class _Room(ModuleType):
    """A package that can be called: `lepton_edge.compress(...)` is the call that the documentation shows."""

    def __call__(self, *arguments: Any, **options: Any) -> Report:
        """Call `face.compress`."""
        _require()
        from lepton_edge.compress.face import compress  # onnx and the engine, which an import must not cost

        return compress(*arguments, **options)


sys.modules[__name__].__class__ = _Room
