"""From a device's profile to the time of any segment, with its uncertainty.

Law: arithmetic over measured nouns; it knows graphs and costs, no solver, no engine, no clock. The
predictor grew out of that of DESIGN D2: the engine's per-node *shares* times a live whole-model time, plus a
term linear in the bytes that enter and leave through a cut, plus a fixed cost for being a segment of its own.
Segments that were timed as sessions of their own tell these terms, and correct the shares (`fit.py`).

`SegmentTime.first` and `.last` are indices into `partitioner.graph.chain(graph)`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from partitioner.costs import DeviceProfile, LayerShare, Measurement
from partitioner.errors import InvalidProblem, ProfileError
from partitioner.graph import CostGraph, CostTensor, chain
from partitioner.predict.fit import Table, fit
from partitioner.units import Seconds

UNFITTED_ERROR = 0.10  # relative; what node times alone err by, when no segment was measured (DESIGN D2)
LEAST_ERROR = 0.01  # relative; two sessions of one graph differ by so much, in memory and caches
SIGMA_PER_HALF_IQR = 1.4826  # of a normal distribution
LEAST_MATCHED_SHARE = 0.5  # below this the profile is of another graph
MEDIAN_PER_MEAN = 1.2533  # how much wider a median scatters than a mean: sqrt(pi / 2)


@dataclass(frozen=True)
class Estimate:
    """A predicted time: its mean, and its one-sigma uncertainty."""

    mean: Seconds
    spread: Seconds


@dataclass(frozen=True)
class StageCosts:
    """What running any part of one model costs on one device: the additive form that solvers need.

    Attributes:
        layers: seconds of each layer, by index.
        entering, leaving: seconds per byte of a tensor that enters, or leaves, a segment through a cut.
        segment: fixed seconds of every segment that is not the whole model.
        overhead: fixed seconds of a request on this device.
        error: relative one-sigma error of the predictor for a segment, as seen on the measured ones.
        noise: relative one-sigma uncertainty of the whole model's (median) time.
        send_message, send_byte: the device's own seconds for each message that it sends, and for each wire byte
            of it (framing, copies, the event loop), codecs apart; receive_message, receive_byte likewise.
        error_floor: one-sigma error of the predictor in seconds for the shortest segment, beside `error`.
    """

    layers: tuple[Seconds, ...]
    entering: float = 0.0
    leaving: float = 0.0
    segment: Seconds = Seconds(0.0)
    overhead: Seconds = Seconds(0.0)
    error: float = 0.0
    noise: float = 0.0
    send_message: Seconds = Seconds(0.0)
    send_byte: float = 0.0
    receive_message: Seconds = Seconds(0.0)
    receive_byte: float = 0.0
    error_floor: Seconds = Seconds(0.0)


def stage_costs(profile: DeviceProfile, graph: CostGraph) -> StageCosts:
    """Turn a profile into additive costs of `graph`'s layers and cuts.

    Raises:
        ProfileError: a time is NaN, negative or infinite, or the profile is of another graph.
    """
    _check_times(profile)
    costs = _fitted(profile, graph, _layer_seconds(profile, graph))
    return replace(
        costs,
        overhead=profile.overhead,
        noise=_doubt(profile.whole),
        send_message=profile.send_message,
        send_byte=profile.send_byte,
        receive_message=profile.receive_message,
        receive_byte=profile.receive_byte,
    )


def _doubt(time: Measurement) -> float:
    """Return the relative sigma of a median; one of a single run, or of no run at all, is told by its spread."""
    sigma = SIGMA_PER_HALF_IQR * time.spread / time.median
    return sigma * MEDIAN_PER_MEAN / math.sqrt(time.runs) if time.runs > 1 else sigma


def segment_time(
    profile: DeviceProfile, graph: CostGraph, first: frozenset[int], last: frozenset[int]
) -> Estimate:
    """Predict the layers of `last` that are not in `first` (down-sets, nested), run as one session.

    Raises:
        ProfileError: as `stage_costs`.
        InvalidProblem: `first` is not a part of `last`.
    """
    return segment_estimate(stage_costs(profile, graph), graph, first, last)


def segment_estimate(
    costs: StageCosts, graph: CostGraph, first: frozenset[int], last: frozenset[int]
) -> Estimate:
    """Predict as `segment_time` does, from costs that were computed before."""
    if not first <= last:
        raise InvalidProblem("a segment lies between two nested down-sets; the first is not part of the last")
    layers = last - first
    mean = float(sum(costs.layers[index] for index in layers))
    spread = costs.noise * mean
    if _is_cut(graph, layers):
        entering, leaving = cut_bytes(graph, layers)
        mean += costs.segment + costs.entering * entering + costs.leaving * leaving
        spread = math.hypot(math.hypot(costs.noise, costs.error) * mean, costs.error_floor)
    return Estimate(Seconds(mean), Seconds(spread))


def cut_bytes(graph: CostGraph, layers: frozenset[int]) -> tuple[int, int]:
    """Return the bytes that enter and that leave these layers through cuts.

    The whole model's own inputs (graph inputs, and what a pseudo-node makes) and outputs do not count: they
    are in the whole model's time.
    """
    entering = leaving = 0
    for tensor in graph.tensors:
        if crosses_door(graph, tensor):
            continue
        made_here = tensor.producer in layers
        needed_here = any(consumer in layers for consumer in tensor.consumers)
        if needed_here and not made_here:
            entering += tensor.size
        elif made_here and any(consumer not in layers for consumer in tensor.consumers):
            leaving += tensor.size
    return entering, leaving


def crosses_door(graph: CostGraph, tensor: CostTensor) -> bool:
    """Return whether `tensor` is an input of the whole model for the engine: given, or made by Pillow."""
    return tensor.producer < 0 or bool(graph.layers[tensor.producer].pseudo)


def engine_layers(graph: CostGraph) -> frozenset[int]:
    """Return the layers that the engine runs: all but the pseudo-nodes."""
    return frozenset(layer.index for layer in graph.layers if not layer.pseudo)


def _is_cut(graph: CostGraph, layers: frozenset[int]) -> bool:
    engine = engine_layers(graph)
    return bool(layers & engine) and not engine <= layers


def _check_times(profile: DeviceProfile) -> None:
    measurements = [("the whole model", profile.whole)]
    measurements += [(f"segment {one.first}..{one.last}", one.time) for one in profile.segments]
    for what, measurement in measurements:
        _check_measurement(profile, what, measurement)
    for what, shares in (("layer share", profile.layers), ("pseudo-node time", profile.pseudo)):
        _check_numbers(profile, what, (share.share for share in shares))
    _check_numbers(profile, "request overhead", [profile.overhead])
    messages = [profile.send_message, profile.send_byte, profile.receive_message, profile.receive_byte]
    _check_numbers(profile, "cost of a message", messages)
    for codec in profile.codecs:
        what = f"time of codec {codec.codec} on {codec.tensor}"
        _check_numbers(profile, what, [codec.encode, codec.decode])


def _check_measurement(profile: DeviceProfile, what: str, measurement: Measurement) -> None:
    _check_numbers(profile, f"time of {what}", [measurement.median, measurement.spread])
    if measurement.median <= 0:
        raise ProfileError(f"{profile.device}: the time of {what} is zero", "profile the model again")


def _check_numbers(profile: DeviceProfile, what: str, numbers: Iterable[float]) -> None:
    for number in numbers:
        if not (math.isfinite(number) and number >= 0):
            raise ProfileError(
                f"{profile.device}: a measured {what} is {number}, which no device can take",
                "profile the model again on this device",
            )


def _layer_seconds(profile: DeviceProfile, graph: CostGraph) -> tuple[Seconds, ...]:
    shares = _sum_by_node(profile.layers)
    pseudo = _sum_by_node(profile.pseudo)
    known = {node for layer in graph.layers for node in layer.nodes if not layer.pseudo}
    matched = sum(share for node, share in shares.items() if node in known)
    if engine_layers(graph) and matched < LEAST_MATCHED_SHARE:
        raise ProfileError(
            f"{profile.device}: only {matched:.0%} of the profiled time belongs to nodes of this model",
            "the profile is of another version of the model; profile it again",
        )
    scale = profile.whole.median / matched if matched else 0.0
    return tuple(
        Seconds(sum(pseudo.get(node, 0.0) for node in {*layer.nodes, layer.name}))
        if layer.pseudo
        else Seconds(scale * sum(shares.get(node, 0.0) for node in layer.nodes))
        for layer in graph.layers
    )


def _sum_by_node(shares: Sequence[LayerShare]) -> dict[str, float]:
    total: dict[str, float] = {}
    for one in shares:
        total[one.node] = total.get(one.node, 0.0) + one.share
    return total


def _fitted(profile: DeviceProfile, graph: CostGraph, layers: Sequence[Seconds]) -> StageCosts:
    """Return layers and cuts as the timed segments correct them."""
    engine = sorted(engine_layers(graph))
    segments = _segments(profile, graph)
    if not segments:
        return StageCosts(tuple(layers), error=UNFITTED_ERROR)
    whole, size = profile.whole.median, max(sum(tensor.size for tensor in graph.tensors), 1)
    found = fit(
        Table(
            np.array([layers[index] for index in engine]) / whole,
            np.array([[float(index in inside) for index in engine] for inside, _ in segments]),
            np.array([cut_bytes(graph, inside) for inside, _ in segments]) / size,
            np.array([seconds for _, seconds in segments]) / whole,
        )
    )
    times = list(layers)
    for index, part in zip(engine, found.layers, strict=True):
        times[index] = Seconds(whole * float(part))
    return StageCosts(
        tuple(times),
        found.entering * whole / size,
        found.leaving * whole / size,
        Seconds(found.cut * whole),
        error=math.hypot(LEAST_ERROR, found.error),
        error_floor=Seconds(found.floor * whole),
    )


def _segments(profile: DeviceProfile, graph: CostGraph) -> list[tuple[frozenset[int], float]]:
    """Return the timed segments that are cut from the whole: their layers and their seconds."""
    cuts = chain(graph)
    engine = engine_layers(graph)
    found: list[tuple[frozenset[int], float]] = []
    for one in profile.segments:
        if not 0 <= one.first < one.last < len(cuts):
            raise ProfileError(
                f"{profile.device}: a measured segment {one.first}..{one.last} is not in this model",
                "the profile is of another version of the model; profile it again",
            )
        inside = (cuts[one.last] - cuts[one.first]) & engine
        if inside and inside != engine:
            found.append((inside, float(one.time.median)))
    return found
