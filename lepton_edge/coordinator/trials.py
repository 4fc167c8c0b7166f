"""What an agent needs to measure a model: it whole, a few segments, codecs, and inputs for all.

Law: runs in the worker process; chooses what to measure, measures nothing. Segments follow `graph.chain`,
whose indices `SegmentTime` counts by. A device that cannot hold the whole model measures as long a beginning
of it as it can hold; `extrapolation.py` makes a profile of that.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.jobs import TrialJob
from lepton_edge.coordinator.placement import fits
from lepton_edge.core.messages import CodecTrial, ProfileCommand, ProfileSegment
from partitioner.book.lacking import lacking
from partitioner.codecs import CODECS
from partitioner.compiled import CompiledModel
from partitioner.errors import ModelTooLarge, UnsupportedOperator
from partitioner.graph import CostTensor, chain, frontiers, needed_boundaries
from partitioner.onnx_io import CutBlock, Cutter, load_compiled
from partitioner.onnx_io.coders import coder_file
from partitioner.plan import Block, Coder, TensorSpec
from partitioner.profile import golden
from partitioner.units import Bytes, CodecName, Seconds, Sha256, TensorName

PIECES = 12
"""Into so many equal parts is the chain of layers cut for timing; they cost as much as the whole model once."""

WINDOW = 0.4
"""How far, in parts, a fence may move to where less crosses."""

PLAUSIBLE = 3
"""At so many frontiers, where least would cross, are head and tail timed: where plans differ."""

TRIALS_PER_CODEC = 6  # times are per byte; a few sizes tell them
REPEATS = 20
BUDGET = Seconds(20.0)
"""Seconds of measuring at most, downloads apart: three quarters for the rounds, the rest for the kernels' shares."""


def make_trial(job: TrialJob, artifacts: Artifacts) -> ProfileCommand:
    """Cut a compiled model for measuring and keep the files; the command has no command id yet.

    Raises ModelTooLarge when not even the first layers fit into the device's memory, UnsupportedOperator when
    it lacks one of theirs.
    """
    directory = Path(job.directory)
    compiled = load_compiled(directory).as_known_by(job.minor)
    cutter = Cutter(directory, compiled)
    end = reach(compiled, job.memory, job.lacks)
    pseudo, whole = _whole(cutter, end)
    segments = _segments(cutter, end)
    for cut in [whole, *segments.values()]:
        artifacts.put(cut.file)
    codecs = _codec_trials(compiled)
    blocks = [cut.block for cut in [*pseudo, whole, *segments.values()]]
    return ProfileCommand(
        "",
        compiled.name,
        compiled.version,
        whole.block,
        tuple(cut.block for cut in pseudo),
        tuple(ProfileSegment(first, last, cut.block) for (first, last), cut in segments.items()),
        codecs,
        keep_golden(directory, compiled, _names(blocks, codecs), artifacts),
        compiled.blob,
        compiled.blob_size,
        REPEATS,
        BUDGET,
        kept_coders(directory, compiled.coders, artifacts),
    )


def kept_coders(directory: Path, coders: Sequence[Coder], artifacts: Artifacts) -> tuple[Coder, ...]:
    """Keep the graphs of trained codecs as artifacts; return the codecs."""
    for name in dict.fromkeys(name for one in coders for name in (one.encoder, one.decoder)):
        artifacts.put(coder_file(directory, name).read_bytes())
    return tuple(coders)


def keep_golden(
    directory: Path, compiled: CompiledModel, names: Iterable[TensorName], artifacts: Artifacts
) -> Sha256:
    """Keep the tensors called `names`, as the first sample makes them, as one .npz artifact."""
    arrays = golden(directory, compiled, sorted(set(names)))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return artifacts.put(buffer.getvalue())


def reach(compiled: CompiledModel, memory: Bytes, lacks: Iterable[str] = ()) -> int:
    """Return how many layers of the chain fit into `memory` with their headroom; all for unknown memory.

    Those from the first one on with an operator of `lacks` do not count. Raises ModelTooLarge or
    UnsupportedOperator when that leaves none that computes, InvalidProblem when the model has no such operator.
    """
    unable = min(lacking(compiled.graph, lacks), default=len(compiled.graph.layers))
    if unable <= _start(compiled):
        raise UnsupportedOperator(
            f"the device lacks an operator of {compiled.graph.layers[unable].name}, where {compiled.name!r} begins",
            "deploy without it",
        )
    return min(unable, _fitting(compiled, memory))


def _fitting(compiled: CompiledModel, memory: Bytes) -> int:
    lengths = {ref.name: ref.length for ref in compiled.weights}
    held: set[TensorName] = set()
    count = 0
    for layer in compiled.graph.layers:
        held |= set(layer.weight_names)
        if not fits(Bytes(sum(lengths.get(name, 0) for name in held)), memory):
            break
        count += 1
    if count <= _start(compiled):
        raise ModelTooLarge(
            f"not even the first layers of {compiled.name!r} fit into {memory} bytes",
            "give the agent more memory, or deploy without it",
        )
    return count


def _start(compiled: CompiledModel) -> int:
    """Return the index in the chain behind the last pseudo-node."""
    return max((layer.index + 1 for layer in compiled.graph.layers if layer.pseudo), default=0)


def _whole(cutter: Cutter, end: int) -> tuple[list[CutBlock], CutBlock]:
    """Return the pseudo-nodes as blocks of their own, and all the rest (up to `end`) as one."""
    graph = cutter.compiled.graph
    fences = [frozenset[int](), *needed_boundaries(graph)]
    pseudo = [cutter.block(index, fences[index], fences[index + 1]) for index in range(len(fences) - 1)]
    return pseudo, cutter.block(len(pseudo), fences[-1], chain(graph)[end])


def _segments(cutter: Cutter, end: int) -> dict[tuple[int, int], CutBlock]:
    """Return the segments to time, by indices of the chain."""
    graph = cutter.compiled.graph
    line = chain(graph)
    crossing = [sum(tensor.size for tensor in live) for live in frontiers(graph, line)]
    pairs = segment_bounds(_start(cutter.compiled), end, crossing)
    return {
        (first, last): cutter.block(number, line[first], line[last])
        for number, (first, last) in enumerate(pairs)
    }


def segment_bounds(start: int, end: int, crossing: Sequence[int]) -> list[tuple[int, int]]:
    """Return (first, last) of the segments to time between `start` and `end`.

    Those are about equal parts of the chain, which say what each layer takes and what a cut costs, and the heads
    and tails at plausible cuts. `crossing` is the bytes that are live behind each boundary of the chain.
    """
    fences = [start, *_fences(start, end, crossing), end]
    pairs = list(zip(fences, fences[1:], strict=False))
    for fence in plausible_cuts(start, end, crossing):
        pairs += [(start, fence), (fence, end)]
    return [pair for pair in dict.fromkeys(pairs) if pair != (start, end)]


def _fences(start: int, end: int, crossing: Sequence[int]) -> list[int]:
    """Return where the parts meet: near equal distances, where least is live, since nobody would cut elsewhere."""
    step = (end - start) / PIECES
    found: set[int] = set()
    for part in range(1, PIECES):
        low, high = (start + (part + off) * step for off in (-WINDOW, WINDOW))
        near = [index for index in range(math.ceil(low), math.floor(high) + 1) if start < index < end]
        found |= {min(near, key=lambda index: crossing[index])} if near else set()
    return sorted(found)


def plausible_cuts(start: int, end: int, crossing: Sequence[int]) -> list[int]:
    """Return, for each of `PLAUSIBLE` equal stretches, the boundary behind which least is live (the first)."""
    edges = [start + 1 + round(part * (end - start - 1) / PLAUSIBLE) for part in range(PLAUSIBLE + 1)]
    stretches = [range(low, high) for low, high in zip(edges, edges[1:], strict=False) if low < high]
    return [min(stretch, key=lambda index: crossing[index]) for stretch in stretches]


def _codec_trials(compiled: CompiledModel) -> tuple[CodecTrial, ...]:
    """Return a few tensors of different sizes for every lossy codec.

    Also for those that the accuracy rule refuses: such a page may be pinned.
    """
    tensors = {tensor.name: tensor for tensor in compiled.graph.tensors}
    trials: list[CodecTrial] = []
    for codec in CODECS.values():
        names = {sample.tensor for sample in compiled.codecs if sample.codec == codec.name}
        known = sorted(_sized([tensors[name] for name in names if name in tensors]), key=lambda one: one.size)
        if not codec.lossless:
            trials += [_trial(tensor, codec.name) for tensor in _spread(known)]
    return (*trials, *(CodecTrial(one.tensor, one.codec) for one in compiled.coders))


def _sized(tensors: list[CostTensor]) -> list[CostTensor]:
    """Leave out pictures of any size, whose bytes the graph can only guess, unless nothing else is left."""
    return [
        one for one in tensors if not (one.picture and any(isinstance(dim, str) for dim in one.shape))
    ] or tensors


def _spread(tensors: Sequence[CostTensor]) -> list[CostTensor]:
    """Return at most `TRIALS_PER_CODEC` of `tensors`, evenly spread, the ends among them."""
    count = min(len(tensors), TRIALS_PER_CODEC)
    if count <= 1:
        return list(tensors)
    return [tensors[round(index * (len(tensors) - 1) / (count - 1))] for index in range(count)]


def _trial(tensor: CostTensor, codec: CodecName) -> CodecTrial:
    return CodecTrial(TensorSpec(tensor.name, tensor.dtype, tensor.shape, tensor.size), codec)


def _names(blocks: Iterable[Block], codecs: Iterable[CodecTrial]) -> set[TensorName]:
    return {spec.name for block in blocks for spec in block.inputs} | {one.tensor.name for one in codecs}
