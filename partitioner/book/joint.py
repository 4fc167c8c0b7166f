"""Two devices that run different variants of a model, as one model that the planner knows how to plan.

Law: pure. The joint model's layers are where the variants meet; each device's profile is that of its own variant,
told over the joint layers. So every page of its book, and every cut that the solver finds, is one at which the
variants may meet, and no solver learns of variants. Weights are counted as those of the heavier variant: what
fits by them fits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from partitioner.book.meeting import Meeting, Pair
from partitioner.compiled import CodecSample, CompiledModel, IntegerSide
from partitioner.costs import DeviceProfile, SegmentTime
from partitioner.graph import CostGraph, CostTensor, Layer, chain
from partitioner.plan import TensorSpec
from partitioner.units import Bytes, TensorName

Bridges = dict[TensorName, tuple[IntegerSide, TensorSpec]]


def joint_model(first: CompiledModel, second: CompiledModel, found: Meeting) -> CompiledModel:
    """Return the model whose cuts are those at which `first` and `second` meet; else it is as `first` says."""
    tensors = tuple(
        dataclasses.replace(crossing(pair), producer=maker, consumers=readers)
        for pair, (maker, readers) in zip(found.tensors, found.edges, strict=True)
    )
    models = (first, second)
    layers = tuple(_layer(index, found, models) for index in range(len(found.groups)))
    return dataclasses.replace(
        first,
        graph=CostGraph(layers, tensors),
        weights=(*first.weights, *(ref for ref in second.weights if ref.name not in sizes_of(first))),
        operators=tuple(sorted({*first.operators, *second.operators})),
        codecs=_codecs(models, {tensor.name for tensor in tensors}),
        unmeasured=(),
        integers=(),
    )


def crossing(pair: Pair) -> CostTensor:
    """Return what travels of a tensor that the variants hold in different forms: the integers."""
    one, other = pair
    return other if other.size < one.size else one


def bridges(which: int, variant: CompiledModel, other: CompiledModel, found: Meeting) -> Bridges:
    """Return the tensors that variant `which` (0 or 1) of a meeting has as floats and the other as integers."""
    sides = {(side.tensor, side.source): side for side in other.integers}
    named = {}
    for pair in found.tensors:
        own, there = pair[which], pair[1 - which]
        side = sides.get((there.name, own.name))
        if own.name != there.name and side is not None:
            named[own.name] = (side, TensorSpec(there.name, there.dtype, there.shape, there.size))
    return named


def over_joint(profile: DeviceProfile, which: int, found: Meeting, graph: CostGraph) -> DeviceProfile:
    """Return the profile of variant `which`, its timed segments counted by the joint `graph`'s chain.

    A segment that begins or ends where the variants do not meet is left out.
    """
    prefixes = {found.down_set(which, line): index for index, line in enumerate(chain(graph))}
    told = []
    for segment in profile.segments:
        first, last = (prefixes.get(frozenset(range(end))) for end in (segment.first, segment.last))
        if first is not None and last is not None:
            told.append(SegmentTime(first, last, segment.time))
    return dataclasses.replace(profile, segments=tuple(told))


def sizes_of(model: CompiledModel) -> dict[TensorName, Bytes]:
    """Return the bytes of each initializer of a variant: what a device that runs it holds of a joint layer."""
    return {ref.name: ref.length for ref in model.weights}


def _layer(index: int, found: Meeting, models: Sequence[CompiledModel]) -> Layer:
    """Return a joint layer: called as in the first variant, with the nodes and the weights of both.

    A device counts those of its own variant (`sizes_of`); `Layer.weights` are those of the heavier layers.
    """
    own, other = (
        [model.graph.layers[layer] for layer in sorted(layers)]
        for model, layers in zip(models, found.groups[index], strict=True)
    )
    all_of = [*own, *other]
    names = {name for layer in all_of for name in layer.weight_names}
    sizes = [sizes_of(model) for model in models]
    return Layer(
        index,
        own[0].name,
        tuple(dict.fromkeys(node for layer in all_of for node in layer.nodes)),
        Bytes(max(sum(known.get(name, 0) for name in names) for known in sizes)),
        tuple(sorted(names)),
        own[0].pseudo,
        all(layer.from_input for layer in own),
        tuple(sorted({one for layer in all_of for one in layer.operators})),
    )


def _codecs(models: Sequence[CompiledModel], crossing_names: set[TensorName]) -> tuple[CodecSample, ...]:
    """Return what codecs cost for what may cross; of what both measured, the greater loss."""
    worst: dict[tuple[str, str], CodecSample] = {}
    for model in models:
        for sample in model.codecs:
            key = (sample.tensor, sample.codec)
            if sample.tensor in crossing_names and (key not in worst or sample.loss > worst[key].loss):
                worst[key] = sample
    both = [{(one.tensor, one.codec) for one in model.codecs if not one.allowed} for model in models]
    return tuple(
        dataclasses.replace(sample, allowed=not any(key in refused for refused in both))
        for key, sample in sorted(worst.items())
    )
