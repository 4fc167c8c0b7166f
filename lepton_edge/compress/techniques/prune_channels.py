"""Structured pruning: whole channels leave the graph, so that it is smaller and really faster.

Law: graph surgery on ONNX, no masks and no torch. What was lost is won back by `finetune` or `distill` after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx
from onnx import ModelProto

from lepton_edge.compress.channels.cut import without
from lepton_edge.compress.channels.follow import follow
from lepton_edge.compress.channels.rank import importance, weakest
from lepton_edge.compress.errors import CompressionFailed
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials

_QUANTIZED = (
    "QuantizeLinear",
    "DequantizeLinear",
    "ConvInteger",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
)


@dataclass(frozen=True)
class PruneChannels:
    """Removes of each group of channels that belong together the least important ones.

    Options: `ratio`, share of a group that goes; `multiple`, what stays is a multiple of it, because kernels compute
    so many channels at once.
    """

    name: str = "prune_channels"
    choices: Mapping[str, tuple[Value, ...]] = field(
        default_factory=lambda: {"ratio": (0.25, 0.125, 0.375, 0.5), "multiple": (8, 4)}
    )
    needs_data: bool = False
    extra: str = ""

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return why no channel can go: the model is quantized, or all of its channels are held."""
        if any(node.op_type in _QUANTIZED for node in model.graph.node):
            return "channels are pruned before a model is quantized"
        if not any(len(group) > 1 for group in follow(model).groups()):
            return "no channel can leave without changing what the model takes or gives"
        return ""

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return `model` without the weakest channels.

        Raises:
            CompressionFailed: the shapes of what is left contradict each other; the message names the layer.
        """
        materials.progress("following channels", 0, 1)
        ties = follow(model)
        scores = importance(model, ties)
        made = without(model, ties, weakest(ties, scores, float(options["ratio"]), int(options["multiple"])))
        try:
            onnx.shape_inference.infer_shapes(made, check_type=True, strict_mode=True)
        except onnx.shape_inference.InferenceError as error:
            raise CompressionFailed(
                f"channels cannot be pruned here: {error}", "leave this step out"
            ) from error
        materials.progress("following channels", 1, 1)
        return made


PRUNE_CHANNELS = PruneChannels()
"""The technique."""
