"""Variants meet where either could go on: soundness on random graphs, against an oracle that tries every pair."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable

import pytest

from partitioner.book.joint import bridges
from partitioner.book.meeting import Meeting, meeting
from partitioner.compiled import CompiledModel, IntegerSide
from partitioner.errors import InvalidProblem
from partitioner.graph import CostGraph, CostTensor, Layer, down_sets, live_tensors

Spec = tuple[str, int, tuple[int, ...]]
"""A tensor: its name, who makes it (-1: given), who reads it."""


def model(
    count: int, tensors: Iterable[Spec], outputs: Iterable[str] = ("out",), integers: Iterable[str] = ()
) -> CompiledModel:
    """A model of `count` layers; `integers` are sources that it has as `NAME_q`, a byte each, and not as floats."""
    quantized = set(integers)
    made = []
    for name, producer, readers in tensors:
        if name in quantized:
            made.append(CostTensor(f"{name}_q", "uint8", (4,), 4, producer, readers))
        else:
            made.append(CostTensor(name, "float32", (4,), 16, producer, readers, is_output=name in outputs))
    layers = tuple(Layer(index, f"l{index}", (f"n{index}",), 0, ()) for index in range(count))
    sides = tuple(IntegerSide(f"{name}_q", name, 0.5, 3) for name in sorted(quantized))
    return CompiledModel("m", "v", CostGraph(layers, tuple(made)), (), (), (), "", 0, integers=sides)


LINE: list[Spec] = [("x", -1, (0,)), ("a", 0, (1,)), ("b", 1, (2,)), ("out", 2, ())]


def key(tensor: CostTensor) -> str:
    return tensor.name.removesuffix("_q")


def pairs_of(found: Meeting, first: CompiledModel) -> set[tuple[frozenset[int], frozenset[int]]]:
    """Every cut at which the variants meet, as the layers of either before it."""
    layers = tuple(Layer(index, str(index), (), 0, ()) for index in range(len(found.groups)))
    tensors = tuple(
        CostTensor(one.name, one.dtype, one.shape, one.size, maker, readers)
        for (one, _), (maker, readers) in zip(found.tensors, found.edges, strict=True)
    )
    sets = down_sets(CostGraph(layers, tensors), 10_000)
    assert sets is not None
    return {(found.down_set(0, one), found.down_set(1, one)) for one in sets}


def test_a_quantized_line_meets_its_float_one_everywhere() -> None:
    found = meeting(model(3, LINE), model(3, LINE, integers=("a", "b")))
    assert [pair[1].name for pair in found.tensors] == ["x", "a_q", "b_q", "out"]
    assert len(found.groups) == 3


def test_what_only_one_of_them_has_lies_inside_of_a_layer() -> None:
    longer: list[Spec] = [("x", -1, (0,)), ("a", 0, (1,)), ("new", 1, (2,)), ("b", 2, (3,)), ("out", 3, ())]
    found = meeting(model(3, LINE), model(4, longer))
    assert found.groups == (
        (frozenset({0}), frozenset({0})),
        (frozenset({1}), frozenset({1, 2})),
        (frozenset({2}), frozenset({3})),
    )
    back = meeting(model(4, longer), model(3, LINE))
    assert back.groups[1] == (frozenset({1, 2}), frozenset({1}))


def test_a_tensor_of_another_shape_is_another_tensor() -> None:
    other = model(3, LINE)
    changed = tuple(
        CostTensor(one.name, one.dtype, (8,), 32, one.producer, one.consumers) if one.name == "a" else one
        for one in other.graph.tensors
    )
    other = CompiledModel("m", "v", CostGraph(other.graph.layers, changed), (), (), (), "", 0)
    assert [pair[0].name for pair in meeting(model(3, LINE), other).tensors] == ["x", "b", "out"]


def test_a_tensor_that_is_read_elsewhere_cannot_cross() -> None:
    skipping: list[Spec] = [("x", -1, (0,)), ("a", 0, (1, 2)), ("b", 1, (2,)), ("out", 2, ())]
    found = meeting(model(3, LINE), model(3, skipping))
    assert "a" not in {pair[0].name for pair in found.tensors}


def test_two_integer_forms_of_one_tensor_are_not_told_apart() -> None:
    twice: list[Spec] = [("x", -1, (0,)), ("a", 0, (1,)), ("b", 1, (2,)), ("out", 2, ())]
    variant = model(3, twice, integers=("a",))
    more = (*variant.integers, IntegerSide("b", "a", 1.0, 0))
    variant = CompiledModel("m", "v", variant.graph, (), (), (), "", 0, integers=more)
    assert "a" not in {pair[0].name for pair in meeting(model(3, LINE), variant).tensors}


@pytest.mark.parametrize("missing", ["x", "out"])
def test_other_doors_are_another_model(missing: str) -> None:
    renamed = [
        (f"other {name}" if name == missing else name, maker, readers) for name, maker, readers in LINE
    ]
    variant = model(3, renamed, outputs=("out", "other out"))
    with pytest.raises(InvalidProblem, match="in one variant only"):
        meeting(model(3, LINE), variant)


def random_net(dice: random.Random, count: int) -> list[Spec]:
    """A random graph of which every layer is needed: each reads some earlier tensors, the last all that are left."""
    readers: dict[int, set[int]] = {index: set() for index in range(-1, count)}
    for index in range(count):
        for source in dice.sample(range(-1, index), k=min(index + 1, dice.choice((1, 1, 2)))):
            readers[source].add(index)
    for index in range(-1, count - 1):
        if not readers[index]:
            readers[index].add(count - 1)
    names = {index: f"t{index}" for index in range(count - 1)} | {-1: "x", count - 1: "out"}
    return [(names[index], index, tuple(sorted(readers[index]))) for index in range(-1, count)]


def changed(dice: random.Random, net: list[Spec]) -> CompiledModel:
    """A variant: some tensors are integers, some have a name of their own, some reads go by way of a new layer."""
    count = len(net) - 1
    specs: list[Spec] = []
    added = 0
    for name, maker, readers in net:
        own = f"own {name}" if dice.random() < 0.2 and name not in ("x", "out") else name
        if dice.random() < 0.2 and readers and name != "x":
            specs += [(own, maker, (count + added,)), (f"copy {name}", count + added, readers)]
            added += 1
        else:
            specs.append((own, maker, readers))
    integers = [name for name, maker, _ in specs if maker >= 0 and name != "out" and dice.random() < 0.5]
    return model(count + added, specs, integers=integers)


@pytest.mark.parametrize("seed", range(60))
def test_every_cut_of_the_joint_graph_is_one_of_both_and_the_same_crosses(seed: int) -> None:
    dice = random.Random(seed)
    net = random_net(dice, dice.randint(2, 8))
    first, second = model(len(net) - 1, net), changed(dice, net)
    found = meeting(first, second)
    legal = [set(down_sets(one.graph, 10_000) or ()) for one in (first, second)]
    for one, other in pairs_of(found, first):
        assert one in legal[0]
        assert other in legal[1]
        crossing = [
            sorted(map(key, live_tensors(*which))) for which in ((first.graph, one), (second.graph, other))
        ]
        assert crossing[0] == crossing[1]
    layers = [sorted(layer for group in found.groups for layer in group[which]) for which in (0, 1)]
    assert layers == [list(range(len(one.graph.layers))) for one in (first, second)]


@pytest.mark.parametrize("seed", range(40))
def test_where_only_precision_differs_no_cut_is_lost(seed: int) -> None:
    dice = random.Random(seed)
    net = random_net(dice, dice.randint(2, 8))
    names = [name for name, maker, _ in net if maker >= 0 and name != "out"]
    first = model(len(net) - 1, net)
    second = model(len(net) - 1, net, integers=[name for name in names if dice.random() < 0.6])
    both = set(down_sets(first.graph, 10_000) or ())
    assert pairs_of(meeting(first, second), first) == {(one, one) for one in both}


def test_the_models_own_name_may_be_left_to_what_the_integers_are_turned_back_to() -> None:
    own, int8 = model(3, LINE), model(3, LINE, integers=("a",))
    (side,) = int8.integers
    sides = (dataclasses.replace(side, source="a/float"), side)
    for told in (sides, sides[::-1]):
        found = meeting(own, dataclasses.replace(int8, integers=told))
        assert ("a", "a_q") in [(one.name, other.name) for one, other in found.tensors]
        assert list(bridges(0, own, dataclasses.replace(int8, integers=told), found)) == ["a"]
