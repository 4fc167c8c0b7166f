"""What the activations of a model look like on samples: ranges, and means of channels.

Law: streams; it holds one sample and a fixed number of counters for each tensor, however many samples there are.
It runs the model as it is and judges nothing but its data: a NaN is an error that names the sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, ValueInfoProto

from lepton_edge.compress import ranges
from lepton_edge.compress.errors import TooLittleData, UnusableData
from lepton_edge.compress.ranges import Histogram, Range, around_zero
from lepton_edge.compress.technique import Progress, Sample, Samples, silent
from lepton_edge.core.results import Array
from partitioner.onnx_io import runtime

FETCHED_AT_ONCE = 256 << 20
"""Bytes of activations that one run may return; a larger model is run several times a sample."""
_PROBED_AT_ONCE = 16


class Observer:
    """Runs a model and shows its inner tensors, a bounded part of them at a time.

    `strict`: NaN and infinite values are errors. What is no array (a sequence) is not shown.
    """

    def __init__(self, model: ModelProto, names: Sequence[str], strict: bool = True) -> None:
        self._strict = strict
        self._inputs = {one.name for one in model.graph.input}
        self._names = [name for name in names if name not in self._inputs]
        self._fed = [name for name in names if name in self._inputs]
        chosen = runtime.options(None, runtime.FULL)
        self._session = runtime.open_session(_showing(model, self._names), chosen)
        self._parts: list[list[str]] = []

    def watch(self, sample: Sample) -> Iterator[tuple[str, Array]]:
        """Yield every tensor by name for one sample.

        Raises:
            UnusableData: the model does not run on the sample, or makes NaN or infinite values of it.
        """
        feeds = {name: sample.feeds[name] for name in self._inputs if name in sample.feeds}
        for name in self._fed:
            yield name, self._checked(name, sample.feeds[name], sample)
        for part in self._parts or self._measured(feeds):
            for name, found in runtime.run(self._session, feeds, part).items():
                yield name, self._checked(name, found, sample)

    def _checked(self, name: str, found: Array, sample: Sample) -> Array:
        if self._strict and found.dtype.kind == "f" and not np.isfinite(found).all():
            raise UnusableData(
                f"tensor {name!r} holds NaN or infinite values for sample {sample.source}",
                "leave that sample out",
            )
        return found

    def _measured(self, feeds: dict[str, Array]) -> list[list[str]]:
        """Group the tensors so that no run returns more than it may; done at the first sample."""
        sizes: dict[str, int] = {}
        for start in range(0, len(self._names), _PROBED_AT_ONCE):
            part = self._names[start : start + _PROBED_AT_ONCE]
            found = runtime.run(self._session, feeds, part)
            sizes.update({name: one.nbytes for name, one in found.items() if isinstance(one, np.ndarray)})
        self._parts = _grouped(sizes)
        return self._parts


def _grouped(sizes: dict[str, int]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    room = FETCHED_AT_ONCE
    for name, size in sizes.items():
        if size > room and parts[-1]:
            parts.append([])
            room = FETCHED_AT_ONCE
        parts[-1].append(name)
        room -= size
    return [one for one in parts if one]


def _showing(model: ModelProto, names: Iterable[str]) -> ModelProto:
    shown = ModelProto()
    shown.CopyFrom(model)
    have = {one.name for one in model.graph.output}
    shown.graph.output.extend(ValueInfoProto(name=name) for name in names if name not in have)
    return shown


def observe(
    model: ModelProto,
    names: Sequence[str],
    samples: Samples,
    method: str = ranges.MINMAX,
    told: Progress = silent,
) -> dict[str, Range]:
    """Return the range of every tensor of `names` over `samples`, by `method` (see `ranges.METHODS`).

    Min-max takes one pass; the others a second one, for histograms between the ends that the first one found.

    Raises:
        TooLittleData: there is no sample.
        UnusableData: a sample does not fit, or leads to NaN.
    """
    watcher = Observer(model, names)
    ends: dict[str, Range] = {}
    for name, found in walk(watcher, samples, "ranges", told):
        low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 0.0)
        known = ends.get(name, Range(0.0, 0.0))
        ends[name] = around_zero(min(known.low, low), max(known.high, high))
    if method == ranges.MINMAX:
        return ends
    seen = {name: Histogram(one) for name, one in ends.items()}
    for name, found in walk(watcher, samples, "histograms", told):
        seen[name].add(found)
    return {name: ranges.chosen(one, method) for name, one in seen.items()}


def walk(watcher: Observer, samples: Samples, what: str, told: Progress) -> Iterator[tuple[str, Array]]:
    """Yield every watched tensor of every sample, and tell how far it is.

    Raises:
        TooLittleData: there is no sample.
    """
    total, index = len(samples), 0
    for index, sample in enumerate(samples, start=1):
        yield from watcher.watch(sample)
        told(f"calibration: {what}", index, total)
    if not index:
        raise TooLittleData("there is no sample to calibrate with", "give at least a few dozen samples")


@dataclass
class _Channels:
    total: Array
    count: int
    highest: Array


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and largest absolute value of every channel of a tensor, float64 [channels]."""

    mean: Array
    largest: Array


def channels(
    model: ModelProto, axes: dict[str, int], samples: Samples, told: Progress = silent
) -> dict[str, ChannelStatistics]:
    """Return mean and largest magnitude of every channel of the tensors in `axes` (name -> axis of the channels)."""
    kept: dict[str, _Channels] = {}
    for name, found in walk(Observer(model, list(axes)), samples, "channels", told):
        flat = np.moveaxis(found, axes[name], 0).reshape(found.shape[axes[name]], -1)
        one = kept.setdefault(name, _Channels(np.zeros(len(flat)), 0, np.zeros(len(flat))))
        one.total += flat.sum(axis=1, dtype=np.float64)
        one.count += flat.shape[1]
        if flat.size:
            np.maximum(one.highest, np.abs(flat).max(axis=1), out=one.highest)
    return {name: ChannelStatistics(one.total / max(one.count, 1), one.highest) for name, one in kept.items()}
