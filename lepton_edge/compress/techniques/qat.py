"""Quantization-aware training: the weights of a quantized model learn to live on their grid.

Law: it places no Q/DQ pair and changes no scale; it follows a technique that did (`static_int8`). Forth it computes
as the quantized model does, back as if nothing were rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onnx import ModelProto

from lepton_edge.compress import layers
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.techniques import training


@dataclass(frozen=True)
class QuantizationAwareTraining:
    """Trains a QDQ graph by the original's answers, and with labels where the user gave some.

    Options: `epochs`, `batch`, `rate` (the highest), `labels` (their share of the loss; the rest is the original's).
    """

    name: str = "qat"
    choices: Mapping[str, tuple[Value, ...]] = field(
        default_factory=lambda: {**training.LENGTH, "rate": (1e-4, 3e-5, 3e-4), "labels": (0.0, 0.5)}
    )
    needs_data: bool = True
    extra: str = training.EXTRA

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return that nothing is quantized yet, which operator cannot be trained, or that torch is missing."""
        converting = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
        if all(node.name.startswith(layers.CODER) for node in converting):
            return "nothing is quantized yet: static_int8 comes before it"
        return training.refusal(model)

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return the quantized `model` with better weights on the same grid.

        Raises:
            TooLittleData, CompressionRefused, CompressionFailed: as `torch.recover.recover` does.
        """
        return training.trained(model, materials, options)


QAT = QuantizationAwareTraining()
"""The technique."""
