"""Mixed precision: int8 where it does no harm, float where it does.

Law: as a technique it keeps the most sensitive share of the layers in float. `greedy` is for a search that can
measure: it finds how few layers must stay float to keep within a loss, then gives back those whose quantization gains
the most time for the accuracy it costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from onnx import ModelProto

from lepton_edge.compress import layers, sensitivity
from lepton_edge.compress.errors import BudgetNotMet
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.techniques import static_int8
from partitioner.units import Seconds

MOST_TRIES = 24


class MixedInt8:
    """Static quantization of all but the layers that quantize worst."""

    name = "mixed_int8"
    choices: Mapping[str, tuple[Value, ...]] = {
        "kept_share": (0.1, 0.05, 0.2, 0.4),
        **{key: values for key, values in static_int8.TECHNIQUE.choices.items() if key != "keep_float"},
    }
    needs_data = True
    extra = ""

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return why nothing of the model can be computed with integers; "" where something can."""
        return layers.why_not(model)

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return the quantized model with `kept_share` of its layers (at least one) in float.

        Raises:
            CompressionRefused, TooLittleData, UnusableData: see `static_int8`.
        """
        inner = {key: value for key, value in options.items() if key != "kept_share"}
        worst = sensitivity.per_layer(model, materials, inner)
        count = max(1, math.ceil(len(worst) * float(options["kept_share"])))
        return _quantized(model, materials, inner, [one.layer for one in worst[:count]])


def _quantized(
    model: ModelProto, materials: Materials, options: Mapping[str, Value], kept: Sequence[str]
) -> ModelProto:
    return static_int8.TECHNIQUE.apply(
        model, materials, {**options, "keep_float": static_int8.SEPARATOR.join(kept)}
    )


@dataclass(frozen=True)
class Tried:
    """One assignment of precisions: which layers stayed float, what was lost, how long it took."""

    kept: tuple[str, ...]
    loss: float
    latency: Seconds = Seconds(math.inf)


@dataclass(frozen=True)
class Mixed:
    """What `greedy` found, and everything that it tried on the way."""

    model: ModelProto
    chosen: Tried
    trail: tuple[Tried, ...]


@dataclass(frozen=True)
class Judges:
    """How a search tells good from bad.

    Attributes:
        loss: of a model: points of the metric lost to the original.
        measure: of a model: seconds on the device in question.
        max_loss: what may be lost.
    """

    loss: Callable[[ModelProto], float]
    measure: Callable[[ModelProto], Seconds]
    max_loss: float


@dataclass
class _Search:
    model: ModelProto
    materials: Materials
    options: Mapping[str, Value]
    judges: Judges
    left: int
    trail: list[Tried] = field(default_factory=list)
    made: dict[tuple[str, ...], ModelProto] = field(default_factory=dict)

    def loss(self, kept: Sequence[str]) -> float:
        """Return what is lost with `kept` in float; infinite once the tries are used up."""
        known = next((one.loss for one in self.trail if one.kept == tuple(kept)), None)
        if known is not None or self.left <= 0:
            return math.inf if known is None else known
        self.left -= 1
        found = _quantized(self.model, self.materials, self.options, kept)
        self.made = {tuple(kept): found}  # the last one only: models are large
        lost = self.judges.loss(found)
        self.trail.append(Tried(tuple(kept), lost))
        return lost

    def latency(self, kept: Sequence[str]) -> Seconds:
        """Return how long the model with `kept` in float takes."""
        found = self.made.get(tuple(kept)) or _quantized(self.model, self.materials, self.options, kept)
        return self.judges.measure(found)


def greedy(
    model: ModelProto,
    materials: Materials,
    judges: Judges,
    options: Mapping[str, Value] | None = None,
    tries: int = MOST_TRIES,
) -> Mixed:
    """Return the fastest mixture found that loses no more than `judges.max_loss`.

    Layers are put back into float in the order of their sensitivity, as few as will do (by bisection). Then each of
    them is tried in int8 again, the most latency gained for the loss first, as long as the budget holds.

    Args:
        model: float32.
        materials: calibration samples and target.
        judges: of loss and latency.
        options: of the technique "static_int8"; its defaults where left out.
        tries: models made and judged at most.

    Raises:
        BudgetNotMet: even with every layer that helps in float too much is lost; names the worst layer.
    """
    settled = {**{key: values[0] for key, values in static_int8.TECHNIQUE.choices.items()}, **(options or {})}
    worst = sensitivity.per_layer(model, materials, settled)
    search = _Search(model, materials, settled, judges, tries)
    kept = _fewest(search, [one.layer for one in worst])
    if kept is None:
        best = min((one.loss for one in search.trail), default=math.inf)
        raise BudgetNotMet(
            f"the best mixture loses {best:.4g} of {judges.max_loss:.4g}", f"worst: {worst[0]}"
        )
    chosen = _given_back(search, kept)
    return Mixed(_quantized(model, materials, settled, chosen.kept), chosen, tuple(search.trail))


def _fewest(search: _Search, order: Sequence[str]) -> list[str] | None:
    """Return the shortest beginning of `order` that keeps within the loss (every layer but one: still int8)."""
    low, high, found = 0, len(order) - 1, None
    while low <= high:
        middle = low + (high - low) // 4  # mostly a few layers are to blame
        if search.loss(order[:middle]) <= search.judges.max_loss:
            found, high = list(order[:middle]), middle - 1
        else:
            low = middle + 1
    return found


def _given_back(search: _Search, kept: Sequence[str]) -> Tried:
    """Quantize again what gains the most time for the loss, while the budget holds."""
    now = Tried(tuple(kept), search.loss(kept), search.latency(kept))
    offers: list[tuple[float, str]] = []
    for name in kept:
        rest = [one for one in now.kept if one != name]
        lost = search.loss(rest)
        gained = now.latency - search.latency(rest) if lost <= search.judges.max_loss else 0.0
        if gained > 0:
            offers.append((gained / max(lost - now.loss, 1e-9), name))
    for _, name in sorted(offers, reverse=True):
        fewer = tuple(one for one in now.kept if one != name)
        lost = search.loss(fewer)
        if lost <= search.judges.max_loss:
            now = Tried(fewer, lost, search.latency(fewer))
    return now


TECHNIQUE = MixedInt8()
