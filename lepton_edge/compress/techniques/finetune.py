"""Fine-tuning: a compressed model learns on from where it is, so that it answers as before.

Law: what was pruned stays zero, what is shared stays shared, what is quantized stays on its grid (`torch.forms`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onnx import ModelProto

from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.techniques import training


@dataclass(frozen=True)
class FineTune:
    """Trains with labels where the user gave some, and by the original's answers.

    Options: `epochs`, `batch`, `rate` (the highest), `labels` (their share of the loss; the rest is the original's).
    """

    name: str = "finetune"
    choices: Mapping[str, tuple[Value, ...]] = field(
        default_factory=lambda: {**training.LENGTH, "rate": (1e-3, 3e-4, 3e-3), "labels": (0.5, 0.0, 1.0)}
    )
    needs_data: bool = True
    extra: str = training.EXTRA

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return which operator cannot be trained, or that torch is missing."""
        return training.refusal(model)

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return `model` trained on.

        Raises:
            TooLittleData, CompressionRefused, CompressionFailed: as `torch.recover.recover` does.
        """
        return training.trained(model, materials, options, decay=1e-4)


FINETUNE = FineTune()
"""The technique."""
