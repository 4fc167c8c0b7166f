"""A trained bottleneck: a small coder at one frontier, so that what crosses there is far smaller than 8 bits make it.

Law: it inserts a coder and trains that alone, without labels; the original's weights stay as they are. Where it pays
is found by the planner, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onnx import ModelProto

from lepton_edge.compress import bottlenecks
from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.techniques import training

EARLY = 0.4
"""Share of the work that a frontier which was not named may have before it."""


@dataclass(frozen=True)
class Bottleneck:
    """Inserts an encoder (float to uint8) and a decoder, and trains them by the answers of the model without them.

    Options: `at`, the tensor, "" for the smallest with at most 40 % of the work before it; `narrow`, how many times
    fewer bytes the code has than the tensor in uint8; `stride`, side of the patches that are coded as one; `epochs`,
    `batch`, `rate` as in training; 0 epochs keep the principal components as they are.
    """

    name: str = "bottleneck"
    choices: Mapping[str, tuple[Value, ...]] = field(
        default_factory=lambda: {
            "at": ("",),
            "narrow": (8, 4, 16),
            "stride": (1, 2),
            **training.LENGTH,
            "rate": (1e-3, 3e-3),
        }
    )
    needs_data: bool = True
    extra: str = training.EXTRA

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return that nothing can be narrowed, which operator cannot be trained, or that torch is missing."""
        if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
            return "a bottleneck comes before the model is quantized"
        if not bottlenecks.necks(model):
            return "no tensor with pixels and channels has all of the graph pass through it"
        return training.refusal(model)

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return `model` with a trained coder; `bottlenecks.encoder` and `.decoder` give its parts alone.

        Raises:
            CompressionRefused: the graph cannot be narrowed at the tensor that is named, or not in such patches.
            TooLittleData, CompressionFailed: as `torch.coding.train_coder` does.
        """
        neck = chosen(bottlenecks.necks(model), str(options["at"]))
        stride = int(options["stride"])
        if any(side % stride for side in neck.shape[1:]):
            sides = " x ".join(map(str, neck.shape[1:]))
            raise CompressionRefused(
                f"{neck.tensor} has {sides} pixels: no patches of {stride}", "take stride 1"
            )
        channels = max(1, neck.shape[0] * stride * stride // int(options["narrow"]))
        coder = bottlenecks.principal(model, neck, materials.calibration, channels, stride)
        made = bottlenecks.inserted(model, neck, coder)
        if not int(options["epochs"]):
            return made
        from lepton_edge.compress.torch.coding import train_coder
        from lepton_edge.compress.torch.training import Schedule

        schedule = Schedule(int(options["epochs"]), int(options["batch"]), float(options["rate"]))
        return train_coder(made, model, neck, materials, schedule)


def chosen(necks: list[bottlenecks.Neck], at: str) -> bottlenecks.Neck:
    """Return the neck named `at`; without a name the smallest early one (the first, where none is early).

    Raises:
        CompressionRefused: there is none of that name.
    """
    if at:
        for neck in necks:
            if neck.tensor == at:
                return neck
        names = ", ".join(one.tensor for one in necks[:8])
        raise CompressionRefused(f"the graph cannot be narrowed at {at!r}", f"it can at: {names}")
    early = [one for one in necks if one.before <= EARLY] or necks[:1]
    return min(early, key=lambda one: (one.shape[0] * one.shape[1] * one.shape[2], -one.position))


BOTTLENECK = Bottleneck()
"""The technique."""
