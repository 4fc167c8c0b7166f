"""Which layers a model cannot lose bits in: signal to quantization noise, layer by layer.

Law: runs models and compares what they say; changes none. Noise is given in decibels of signal over error (SQNR): 30 is
hardly seen in an answer, below 10 an answer is mostly noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from onnx import ModelProto, NodeProto

from lepton_edge.compress import calibrate, equalize, layers, qdq
from lepton_edge.compress.bias import Quantized
from lepton_edge.compress.errors import TooLittleData
from lepton_edge.compress.layers import Graph
from lepton_edge.compress.recipe import Value
from lepton_edge.compress.technique import Materials, Progress, Sample, Samples
from lepton_edge.compress.techniques import static_int8
from lepton_edge.core.results import Array
from partitioner.onnx_io import runtime

PERFECT = 120.0
"""Decibels of no error at all."""
UNSEEN = 30.0
"""More decibels than this do no harm; a layer is not blamed for falling to it."""
SAMPLES = 8
MOST_LAYERS = 256
_MOST_TENSORS = 512


@dataclass(frozen=True)
class LayerError:
    """What quantizing one layer does: its name, its operator, signal over error in decibels."""

    layer: str
    operator: str
    sqnr: float

    def __str__(self) -> str:
        return f"layer {self.layer} ({self.operator}): {self.sqnr:.1f} dB of signal over error"


@dataclass(frozen=True)
class First:
    """The first samples of many."""

    whole: Samples
    count: int = SAMPLES

    def __iter__(self) -> Iterator[Sample]:
        return islice(iter(self.whole), self.count)

    def __len__(self) -> int:
        return min(self.count, len(self.whole))


@dataclass
class Noise:
    """Power of a signal and of its error, summed over what was compared."""

    signal: float = 0.0
    error: float = 0.0
    broken: bool = field(default=False)

    def add(self, wanted: Array, found: Array) -> None:
        """Compare two arrays; shapes that differ, and NaN, are nothing but noise."""
        if wanted.shape != found.shape or not np.isfinite(found).all():
            self.broken = True
            return
        one = wanted.astype(np.float64)
        self.signal += float(np.square(one).sum())
        self.error += float(np.square(one - found.astype(np.float64)).sum())

    @property
    def sqnr(self) -> float:
        """Signal over error, decibels."""
        if self.broken:
            return -PERFECT
        if self.error == 0.0:
            return PERFECT
        if self.signal == 0.0:
            return -PERFECT
        return max(-PERFECT, min(PERFECT, 10.0 * math.log10(self.signal / self.error)))


class ChannelNoise:
    """What is lost of a tensor's channels, each for itself: one loud channel does not hide that the others are gone.

    `scaled` allows each channel a factor of its own, as equalisation multiplies them.
    """

    def __init__(self, scaled: bool) -> None:
        self._scaled = scaled
        self._sums: Array = np.zeros(0)  # [3, channels]: wanted squared, wanted times found, found squared
        self._broken = False

    def add(self, wanted: Array, found: Array) -> None:
        """Compare two arrays; shapes that differ, and NaN, are nothing but noise."""
        if wanted.shape != found.shape or not np.isfinite(found).all():
            self._broken = True
            return
        one, other = _by_channel(wanted), _by_channel(found)
        sums = np.stack([(one * one).sum(axis=1), (one * other).sum(axis=1), (other * other).sum(axis=1)])
        if self._sums.size and self._sums.shape != sums.shape:  # sentences have lengths of their own
            self._sums, sums = (each.sum(axis=1, keepdims=True) for each in (self._sums, sums))
        self._sums = sums if not self._sums.size else self._sums + sums

    @property
    def sqnr(self) -> float:
        """Signal over error, the mean of the channels that have a signal, decibels."""
        if self._broken:
            return -PERFECT
        wanted, product, found = self._sums
        gain = product / np.where(found > 0, found, 1.0) if self._scaled else 1.0
        errors = np.maximum(wanted - 2 * gain * product + gain * gain * found, 0.0)
        heard = wanted > 0
        lost = float(np.minimum(errors[heard] / wanted[heard], 1.0).mean()) if heard.any() else 0.0
        return min(PERFECT, -10.0 * math.log10(lost)) if lost > 0 else PERFECT


def _by_channel(values: Array) -> Array:
    """Return float64 [channels, others]: pictures have their channels second, all else last."""
    whole = values.astype(np.float64)
    if whole.ndim < 1:
        return whole.reshape(1, 1)
    axis = 1 if whole.ndim > 3 else whole.ndim - 1
    return np.moveaxis(whole, axis, 0).reshape(whole.shape[axis], -1)


def per_layer(
    model: ModelProto,
    materials: Materials,
    options: Mapping[str, Value] | None = None,
    most: int = MOST_LAYERS,
) -> tuple[LayerError, ...]:
    """Return what the answers lose when one layer alone is quantized, for each layer; the worst first.

    Args:
        model: float32.
        materials: calibration samples (the first `SAMPLES` are used) and target.
        options: of the technique "static_int8"; its defaults where left out.
        most: layers tried at most, from the first on.

    Raises:
        TooLittleData, UnusableData, CompressionRefused: see `static_int8`.
    """
    few = replace(materials, calibration=First(materials.calibration))
    return of_prepared(static_int8.prepared(model, few), few, options, most)


def of_prepared(
    plain: ModelProto, few: Materials, options: Mapping[str, Value] | None = None, most: int = MOST_LAYERS
) -> tuple[LayerError, ...]:
    """Do what `per_layer` does for a model that `static_int8.prepared` made and few samples."""
    settled = {**{key: values[0] for key, values in static_int8.TECHNIQUE.choices.items()}, **(options or {})}
    graph = Graph(plain)
    whole = static_int8.calibrated(plain, few, settled)
    wanted = answers(plain, few.calibration)
    names = whole.choice.layers[:most]
    found = []
    for index, name in enumerate(names):
        found.append(_alone(plain, graph, name, whole, (few.calibration, wanted)))
        few.progress("sensitivity", index + 1, len(names))
    return tuple(sorted(found, key=lambda one: one.sqnr))


def _alone(
    plain: ModelProto,
    graph: Graph,
    name: str,
    whole: Quantized,
    asked: tuple[Samples, Sequence[Sequence[Array]]],
) -> LayerError:
    choice = layers.choose(graph, [node.name for node in graph.heavy if node.name != name])
    made = qdq.insert(plain, choice, whole.seen, whole.scheme)
    noise = Noise()
    for one, other in zip(asked[1], answers(made, asked[0]), strict=True):
        compare(noise, one, other)
    node = next(one for one in graph.heavy if one.name == name)
    return LayerError(name, node.op_type, noise.sqnr)


def compare(noise: Noise, wanted: Sequence[Array], found: Sequence[Array]) -> None:
    """Add the float outputs of one sample to `noise`."""
    for one, other in zip(wanted, found, strict=True):
        if isinstance(one, np.ndarray) and one.dtype.kind == "f":
            noise.add(one, other)


def answers(model: ModelProto, samples: Samples) -> list[list[Array]]:
    """Return the outputs for each of a few samples, in the order in which the model declares them."""
    session = runtime.open_session(model, runtime.options(None, runtime.FULL))
    names = {one.name for one in session.get_inputs()}
    feeds = ({key: value for key, value in one.feeds.items() if key in names} for one in samples)
    return [list(runtime.run(session, one).values()) for one in feeds]


def blame(
    original: ModelProto, candidate: ModelProto, samples: Samples, told: Progress | None = None
) -> LayerError | None:
    """Return the layer in which `candidate` loses most of the signal; None where none does.

    Every tensor that both models have is compared over the first `SAMPLES` samples, channel by channel; a layer is
    charged with how much worse its result is than the worst that it was given.

    Raises:
        TooLittleData: there is no sample.
    """
    graph = Graph(original)
    called = _called(original, Graph(candidate))
    if not called:
        return None
    noises = _noises(original, candidate, called, First(samples))
    losses = {name: _inherited(graph, name, noises) - _seen(noises[name]) for name in noises}
    worst = max(losses, key=lambda name: losses[name], default="")
    if not worst or losses[worst] <= 0:
        return None
    node = _layer(graph, worst)
    return LayerError(node.name, node.op_type, noises[worst].sqnr)


def _called(original: ModelProto, candidate: Graph) -> dict[str, str]:
    """Return what the candidate calls the original's tensors; what it has no name for is left out."""
    found: dict[str, str] = {}
    for name in (name for node in original.graph.node for name in node.output if name):
        here = name if name in candidate.makers else f"{name}{equalize.RENAMED}"
        if here in candidate.makers and len(found) < _MOST_TENSORS:
            found[name] = here
    return found


def _noises(
    original: ModelProto, candidate: ModelProto, called: Mapping[str, str], few: Samples
) -> dict[str, ChannelNoise]:
    one = calibrate.Observer(original, list(called), strict=False)
    other = calibrate.Observer(candidate, list(called.values()), strict=False)
    found: dict[str, ChannelNoise] = {}
    for sample in few:
        for (name, wanted), (_, got) in zip(one.watch(sample), other.watch(sample), strict=True):
            if wanted.dtype.kind == "f":
                found.setdefault(name, ChannelNoise(called[name] != name)).add(wanted, got)
    if not len(few):
        raise TooLittleData("there is no sample to compare with", "give at least one")
    return found


def _seen(noise: ChannelNoise) -> float:
    return min(noise.sqnr, UNSEEN)


def _inherited(graph: Graph, name: str, noises: Mapping[str, ChannelNoise]) -> float:
    """Return the worst of what went into `name`, seen at the nearest tensors that were compared."""
    worst, seen, waiting = UNSEEN, {name}, list(graph.makers[name].input)
    while waiting:
        one = waiting.pop()
        if one in seen or one not in graph.makers:
            continue
        seen.add(one)
        if one in noises:
            worst = min(worst, _seen(noises[one]))
        else:
            waiting += graph.makers[one].input
    return worst


def _layer(graph: Graph, name: str) -> NodeProto:
    """Return the layer with weights that stands just before `name`, else the node that makes it."""
    node = graph.makers[name]
    while node.op_type not in layers.HEAVY and node.input and node.input[0] in graph.makers:
        before = graph.makers[node.input[0]]
        if graph.only_reader(node.input[0]) is None:
            break
        node = before
    return node if node.op_type in layers.HEAVY else graph.makers[name]
