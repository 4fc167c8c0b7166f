"""What the techniques that train have in common: when they cannot, and how their options become a schedule.

Law: it imports torch only where somebody asks for training; without the extra these techniques are listed and refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from onnx import ModelProto

from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials

EXTRA = "torch"
LENGTH: Mapping[str, tuple[Value, ...]] = {"epochs": (2, 1, 4), "batch": (64, 16, 128)}
"""Options of every technique that trains."""
DECAY = 1e-4
"""Of the weights, where they are no numbers of a grid."""


@dataclass(frozen=True)
class Trainer:
    """A technique that is nothing but training: the model as it comes, with these choices."""

    name: str
    choices: Mapping[str, tuple[Value, ...]]
    needs_data: bool = True
    extra: str = EXTRA

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return which operator cannot be trained, or that torch is missing."""
        return refusal(model)

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return `model` trained.

        Raises:
            TooLittleData, CompressionRefused, CompressionFailed: as `torch.recover.recover` does.
        """
        return trained(model, materials, options, decay=DECAY)


def refusal(model: ModelProto) -> str:
    """Return why `model` cannot be trained here; "" where it can."""
    if find_spec(EXTRA) is None:
        return "training needs torch: pip install 'lepton-edge[torch]'"
    from lepton_edge.compress.torch.module import unsupported

    missing = unsupported(model)
    return f"it cannot be trained: {', '.join(missing[:3])}" if missing else ""


def trained(
    model: ModelProto, materials: Materials, options: Mapping[str, Value], decay: float = 0.0
) -> ModelProto:
    """Return `model` trained as `options` say: epochs, batch, rate, and those of `losses.Weighing` that are there.

    Raises:
        CompressionRefused, CompressionFailed: as `torch.recover.recover` does.
    """
    from lepton_edge.compress.torch.losses import Weighing
    from lepton_edge.compress.torch.recover import Recovery, recover
    from lepton_edge.compress.torch.training import Schedule

    named = ("temperature", "labels", "focal", "features")
    weighing = Weighing(**{name: float(options[name]) for name in named if name in options})
    schedule = Schedule(int(options["epochs"]), int(options["batch"]), float(options["rate"]), decay)
    return recover(model, materials, Recovery(schedule, weighing))
