"""What every lossy codec does to the answers, tensor by tensor.

Law: a tensor is coded alone, where it is first live; the rest of the model runs on what arrives. The most
plausible cuts come first (pictures; then tensors smaller than everything before them; then small before
large), and where the time ends, the remaining tensors simply stay unmeasured: only lossless codecs are then
allowed for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partitioner.codecs import CODE, CODECS, RAW, Codec, codec_named
from partitioner.compiled import CodecSample, CompiledModel
from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, CostTensor, chain, frontiers
from partitioner.manifest import Accuracy
from partitioner.onnx_io import Cutter
from partitioner.onnx_io.coders import OpenCoders
from partitioner.plan import Coder
from partitioner.profile.activations import SAMPLES, Part
from partitioner.profile.lossy import Journey, journeys
from partitioner.profile.samples import Array, Tensors, read_samples
from partitioner.units import Bytes, CodecName, Seconds, TensorName

LEAST_BYTES = 256
"""Smaller tensors always travel raw: nothing is gained."""

LEAST_SAMPLES = 2
HELD_BYTES = 256 << 20
"""Activations held at once."""

Progress = Callable[[int, int, int], None]
"""Called with (tensors measured, tensors in all, samples that each is measured on)."""


@dataclass(frozen=True)
class Measured:
    """What was measured, and the tensors that were not for want of time, the most plausible first."""

    codecs: tuple[CodecSample, ...] = ()
    unmeasured: tuple[TensorName, ...] = ()


@dataclass(frozen=True)
class Trial:
    """A tensor to code, what is live with it where it is first live, and the codecs that may hold it, by arithmetic."""

    tensor: CostTensor
    live: tuple[TensorName, ...]
    live_bytes: int
    codecs: tuple[tuple[Codec, ...], ...]

    @property
    def runs(self) -> int:
        """Return how many times the rest of the model must run: once for each arithmetic that loses something."""
        return sum(not group[0].lossless and not group[0].behind for group in self.codecs)


def measure_codecs(
    directory: Path,
    compiled: CompiledModel,
    *,
    budget: Seconds,
    rule: Accuracy,
    progress: Progress = lambda done, total, samples: None,
) -> Measured:
    """Return what was measured on samples of `directory` in about `budget` seconds.

    At most 8 samples are used, and fewer where the time is short. Without samples nothing is measured, and
    nothing but lossless codecs is allowed.
    """
    samples = list(read_samples(directory, compiled, SAMPLES))
    samples = [one for one in samples if one.keys() == samples[0].keys()]  # one way in, one measure
    if not samples:
        return Measured()
    bench = _Bench(directory, compiled, samples, rule, time.perf_counter() + budget)
    found = bench.encoded()
    trials = plausible(compiled.graph, compiled.coders)
    used = bench.fit(trials)
    progress(0, len(trials), used)
    done = 0
    for done, measured in enumerate(bench.measure(trials), start=1):
        found += measured
        progress(done, len(trials), used)
    return Measured(tuple(found), tuple(trial.tensor.name for trial in trials[done:]))


def plausible(graph: CostGraph, coders: Sequence[Coder] = ()) -> list[Trial]:
    """Return every tensor that a lossy codec may hold, the most plausible to be sent first.

    Those are the ones that a codec was trained for.
    """
    live = frontiers(graph, chain(graph))
    trials = [
        Trial(tensor, *_live(live[tensor.producer + 1]), codecs=_holding(tensor, coders))
        for tensor in graph.tensors
        if tensor.consumers and tensor.size >= LEAST_BYTES
    ]
    trials = [trial for trial in trials if trial.runs]
    smallest = _smaller_than_before(trials)
    coded = {one.tensor.name for one in coders}

    def order(one: Trial) -> tuple[bool, bool, bool, int]:
        return one.tensor.name not in coded, not one.tensor.picture, one not in smallest, one.live_bytes

    return sorted(trials, key=order)


class _Bench:
    """Runs trials: the beginnings once a group, an end a trial, the reference once."""

    def __init__(
        self,
        directory: Path,
        compiled: CompiledModel,
        samples: Sequence[Tensors],
        rule: Accuracy,
        deadline: float,
    ) -> None:
        self._directory = directory
        self._cutter = Cutter(directory, compiled)
        self._given = frozenset(samples[0])
        self._outputs = [spec.tensor for spec in compiled.outputs]
        self._rule = rule
        self._deadline = deadline
        whole = self._part(self._given, self._outputs)
        begin = time.perf_counter()
        self._wanted = [whole.run(sample) for sample in samples]
        self._seconds = (time.perf_counter() - begin) / len(samples)
        self._samples = samples
        self._compiled = compiled
        self._coders = OpenCoders(directory, compiled.coders)

    def encoded(self) -> list[CodecSample]:
        """Return the mean size of the pictures as they were pushed."""
        names = [spec.encoded for spec in self._compiled.inputs if spec.encoded in self._given]
        sizes = {name: [one[name].nbytes for one in self._samples] for name in names}
        return [_sample(name, RAW, sizes[name], [0.0], [1.0], rule=self._rule) for name in names]

    def fit(self, trials: Sequence[Trial]) -> int:
        """Keep as many samples as the time allows for all trials; return how many."""
        runs = sum(trial.runs for trial in trials) * self._seconds / 2
        fitting = (self._deadline - time.perf_counter()) / runs if runs else SAMPLES
        self._samples = self._samples[: max(LEAST_SAMPLES, int(fitting))]
        return len(self._samples)

    def measure(self, trials: Sequence[Trial]) -> Iterator[list[CodecSample]]:
        """Yield what each trial found, in order, until the time is over."""
        for group in self._groups(trials):
            beginnings = self._beginnings(group)
            for trial in group:
                if time.perf_counter() > self._deadline:
                    return
                yield self._measure(trial, beginnings) if beginnings else []

    def _groups(self, trials: Sequence[Trial]) -> Iterator[list[Trial]]:
        group: list[Trial] = []
        held = 0
        for trial in trials:
            size = trial.live_bytes * len(self._samples)
            if group and held + size > HELD_BYTES:
                yield group
                group, held = [], 0
            group.append(trial)
            held += size
        if group:
            yield group

    def _beginnings(self, group: Sequence[Trial]) -> list[Tensors]:
        names = list(dict.fromkeys(name for trial in group for name in trial.live))
        reachable = [name for name in names if self._reachable(name)]
        part = self._part(self._given, reachable)
        return [part.run(sample) for sample in self._samples]

    def _reachable(self, name: TensorName) -> bool:
        try:
            return bool(name in self._given or self._cutter.between(self._given, [name]))
        except InvalidProblem:
            return False

    def _measure(self, trial: Trial, beginnings: Sequence[Tensors]) -> list[CodecSample]:
        if any(name not in beginnings[0] for name in trial.live):
            return []
        end = self._part(self._given | set(trial.live), self._outputs)
        name = trial.tensor.name
        found: list[CodecSample] = []
        for group in trial.codecs:
            if not _is_held(group[0].behind, found, trial.tensor):
                found += self._code(name, group, end, beginnings)
        return found

    def _code(
        self, name: TensorName, group: Sequence[Codec], end: Part, beginnings: Sequence[Tensors]
    ) -> list[CodecSample]:
        """Measure codecs of one arithmetic, which lose the same and differ in size."""
        sizes: list[list[int]] = [[] for _ in group]
        losses, kept = [], []
        for sample, beginning, wanted in zip(self._samples, beginnings, self._wanted, strict=False):
            arrivals = self._journeys(group, beginning[name])
            for own, (_, size) in zip(sizes, arrivals, strict=True):
                own.append(size)
            loss, top1 = 0.0, 1.0
            if not group[0].lossless:
                found = end.run({**sample, **beginning, name: arrivals[0][0]})
                loss = max(_loss(wanted[one], found[one]) for one in self._outputs)
                top1 = min(_top1_kept(wanted[one], found[one]) for one in self._outputs)
            losses.append(loss)
            kept.append(top1)
        return [
            _sample(name, codec, own, losses, kept, rule=self._rule)
            for codec, own in zip(group, sizes, strict=True)
        ]

    def _journeys(self, group: Sequence[Codec], array: Array) -> list[Journey]:
        if group[0].byte_part == CODE:
            return [self._coders.journey(codec.name, array) for codec in group]
        return journeys(group, array)

    def _part(self, given: frozenset[TensorName], wanted: Sequence[TensorName]) -> Part:
        return Part(self._directory, self._cutter, given, wanted)


def _is_held(codec: CodecName, found: Sequence[CodecSample], tensor: CostTensor) -> bool:
    """Return whether a codec was found to hold a tensor: what it cannot hold travels raw, in as many bytes."""
    return any(one.codec == codec and one.wire_bytes < tensor.size for one in found)


def _live(tensors: Sequence[CostTensor]) -> tuple[tuple[TensorName, ...], int]:
    return tuple(one.name for one in tensors), sum(one.size for one in tensors)


def _holding(tensor: CostTensor, coders: Sequence[Coder]) -> tuple[tuple[Codec, ...], ...]:
    """Return the codecs to measure, those of one arithmetic together; raw needs no measuring."""
    trained = [codec_named(one.codec) for one in coders if one.tensor.name == tensor.name]
    groups: dict[str, list[Codec]] = {}
    for codec in CODECS.values():
        held = tensor.dtype in codec.holds and (tensor.picture or not codec.pictures_only)
        if codec is not RAW and held:
            part = codec.byte_part if codec.byte_part == "jpeg" else codec.graph_part
            groups.setdefault(part, []).append(codec)
    return (*((codec,) for codec in trained if codec is not None), *(tuple(one) for one in groups.values()))


def _smaller_than_before(trials: Sequence[Trial]) -> set[Trial]:
    found: set[Trial] = set()
    least = None
    for trial in trials:
        if least is None or trial.live_bytes < least:
            found.add(trial)
            least = trial.live_bytes
    return found


def _sample(
    name: TensorName,
    codec: Codec,
    sizes: Sequence[int],
    losses: Sequence[float],
    kept: Sequence[float],
    *,
    rule: Accuracy,
) -> CodecSample:
    loss, top1 = max(losses), float(np.mean(kept))
    allowed = codec.lossless or (loss <= rule.max_relative_error and top1 >= rule.min_top1_kept)
    return CodecSample(name, codec.name, Bytes(round(float(np.mean(sizes)))), loss, top1, allowed, len(sizes))


def _loss(wanted: Array, found: Array) -> float:
    """Return max|wanted - found| / max|wanted|; infinite where one of them is not finite or shapes differ."""
    if wanted.dtype.kind not in "fiub" or wanted.shape != found.shape:
        return 0.0 if np.array_equal(wanted, found) else float("inf")
    one, other = wanted.astype(np.float64), found.astype(np.float64)
    worst = float(np.abs(one - other).max(initial=0.0)) / (float(np.abs(one).max(initial=0.0)) or 1.0)
    return worst if np.isfinite(worst) else float("inf")


def _top1_kept(wanted: Array, found: Array) -> float:
    """Return the fraction of rows whose largest value is where it was; 1.0 unless [rows, classes]."""
    if wanted.ndim != 2 or wanted.shape[1] < 2 or wanted.shape != found.shape or not wanted.size:
        return 1.0
    return float(np.mean(wanted.argmax(axis=1) == found.argmax(axis=1)))
