"""Distillation: a smaller model learns to answer as the original does, with or without labels.

Law: the student is the model as it comes, the teacher the original; their inputs have the same names and shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onnx import ModelProto

from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.techniques import training


@dataclass(frozen=True)
class Distill:
    """Trains the model by the original's logits at a temperature.

    Options: `epochs`, `batch`, `rate` (the highest), `temperature`, `labels` (their share of the loss), `focal` (an
    exponent by which what is answered well weighs less), `features` (weight of the attention inside the graph).
    """

    name: str = "distill"
    choices: Mapping[str, tuple[Value, ...]] = field(
        default_factory=lambda: {
            **training.LENGTH,
            "rate": (3e-3, 1e-3),
            "temperature": (4.0, 2.0),
            "labels": (0.3, 0.0),
            "focal": (0.0, 2.0),
            "features": (0.0, 1.0),
        }
    )
    needs_data: bool = True
    extra: str = training.EXTRA

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return which operator cannot be trained, or that torch is missing."""
        return training.refusal(model)

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return `model` taught by the original.

        Raises:
            TooLittleData, CompressionRefused, CompressionFailed: as `torch.recover.recover` does.
        """
        return training.trained(model, materials, options, decay=1e-4)


DISTILL = Distill()
"""The technique."""
