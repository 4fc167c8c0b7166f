"""Clean-up: constants folded, batch norms folded into convolutions, what is dead or doubled taken out.

Law: what comes out answers as the model did, and is never larger; else the model stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
from onnx import ModelProto

from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials
from lepton_edge.core.results import Array
from partitioner.errors import ModelError
from partitioner.onnx_io import load, optimise, scope
from partitioner.onnx_io.hoist import replace_nodes

GROWTH = 1.001
"""Names and a few shape constants may add this much; weights may not."""


class Clean:
    """onnxslim, then the engine's own device-independent folding, each kept only where the answers stay."""

    name = "clean"
    choices: Mapping[str, tuple[Value, ...]] = {"slim": (True, False)}
    needs_data = True
    extra = ""

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Never refuse."""
        return ""

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return the simpler model, or an equal one."""
        feeds = first_feeds(materials)
        made = plain(model)
        if options["slim"]:
            made = _better(made, _slimmed(made), feeds, materials.scratch)
        return _better(made, folded(made, materials.scratch, feeds), feeds, materials.scratch)


def first_feeds(materials: Materials) -> dict[str, Array]:
    """Return the inputs of the first calibration sample (empty where there is none)."""
    for sample in materials.calibration:
        return dict(sample.feeds)
    return {}


def ready(model: ModelProto, materials: Materials) -> ModelProto:
    """Return a copy of `model` with batch norms and constants folded: what quantization starts from."""
    return folded(plain(model), materials.scratch, first_feeds(materials))


def folded(model: ModelProto, scratch: Path, feeds: Mapping[str, Array]) -> ModelProto:
    """Return `model` after the engine's device-independent folding, with embedded weights; itself where that fails."""
    if not feeds:
        return model  # nothing to see with that the answers stay
    made = optimise.optimise(model, scratch, feeds)
    if made is not model:
        onnx.load_external_data_for_model(made, str(scratch))
    return made


def plain(model: ModelProto) -> ModelProto:
    """Return a copy of `model` in the plain form: named nodes, constants as initializers, nothing dead."""
    made = ModelProto()
    made.CopyFrom(model)
    load.normalise(made)
    _drop_dead(made)
    return made


def _drop_dead(model: ModelProto) -> None:
    """Take out the nodes whose results nobody reads."""
    read = {one.name for one in model.graph.output}
    alive = []
    for node in reversed(model.graph.node):
        if not read.isdisjoint(node.output):
            alive.append(node)
            read.update(scope.reads(node))
    replace_nodes(model.graph, alive[::-1])


def _slimmed(model: ModelProto) -> ModelProto | None:
    """Return what onnxslim makes of `model`; None where it is not installed or cannot."""
    try:
        import onnxslim
    except ImportError:
        return None
    copy = ModelProto()
    copy.CopyFrom(model)
    try:
        made = onnxslim.slim(copy)
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError):
        return None  # a simplifier that gives up on a graph is no reason to give up on the model
    return plain(made) if isinstance(made, ModelProto) else None


def _better(old: ModelProto, new: ModelProto | None, feeds: Mapping[str, Array], scratch: Path) -> ModelProto:
    if not feeds or new is None or new is old or new.ByteSize() > GROWTH * old.ByteSize():
        return old
    try:
        wanted, found = (optimise.answers(one, scratch, feeds) for one in (old, new))
    except ModelError:
        return old
    return new if optimise.agree(wanted, found, optimise.TOLERANCE) else old


TECHNIQUE = Clean()
