"""Down-sets and liveness against brute force, on random graphs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from itertools import chain as chained
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from partitioner.graph import (
    CostGraph,
    CostTensor,
    Layer,
    chain,
    down_sets,
    frontiers,
    is_down_set,
    layer_inputs,
    live_tensors,
    needed_boundaries,
)

MANY = 10_000


def graph(count: int, tensors: Iterable[tuple[int, tuple[int, ...]]], pseudo: int = 0) -> CostGraph:
    """`count` layers, the first `pseudo` of them pseudo-nodes; a tensor is (producer, consumers)."""
    layers = [
        Layer(i, f"l{i}", (f"n{i}",), 0, (), "decode_picture" if i < pseudo else "") for i in range(count)
    ]
    made = [
        CostTensor(f"t{i}", "float32", (1,), 4, producer, consumers, is_output=not consumers)
        for i, (producer, consumers) in enumerate(tensors)
    ]
    return CostGraph(tuple(layers), tuple(made))


@st.composite
def graphs(draw: st.DrawFn) -> CostGraph:
    count = draw(st.integers(1, 7))
    tensors = []
    for producer in range(-1, count):
        for _ in range(draw(st.integers(0, 2))):
            later = (
                st.sets(st.integers(producer + 1, count - 1), max_size=3)
                if producer + 1 < count
                else st.just(set())
            )
            tensors.append((producer, tuple(sorted(draw(later)))))
    return graph(count, tensors)


def subsets(count: int) -> list[frozenset[int]]:
    return [
        frozenset(one)
        for one in chained.from_iterable(combinations(range(count), k) for k in range(count + 1))
    ]


def closed(one: CostGraph, layers: frozenset[int]) -> bool:
    """The definition, word by word: whoever feeds a member is a member."""
    return all(
        tensor.producer in layers
        for tensor in one.tensors
        for consumer in tensor.consumers
        if consumer in layers and tensor.producer >= 0
    )


@given(graphs())
def test_down_sets_are_exactly_the_closed_subsets(one: CostGraph) -> None:
    expected = [layers for layers in subsets(len(one.layers)) if closed(one, layers)]
    found = down_sets(one, MANY)
    assert found is not None
    assert len(found) == len(set(found))
    assert set(found) == set(expected)
    assert [len(layers) for layers in found] == sorted(len(layers) for layers in found)


@given(graphs())
def test_is_down_set_is_the_definition(one: CostGraph) -> None:
    for layers in subsets(len(one.layers)):
        assert is_down_set(one, layers) == closed(one, layers)


@given(graphs())
def test_live_tensors_are_what_somebody_outside_needs_from_inside(one: CostGraph) -> None:
    for layers in down_sets(one, MANY) or []:
        live = live_tensors(one, layers)
        for tensor in one.tensors:
            given_inside = tensor.producer == -1 or tensor.producer in layers
            wanted_outside = any(consumer not in layers for consumer in tensor.consumers)
            assert (tensor in live) == (given_inside and wanted_outside)


@given(graphs())
def test_frontiers_of_a_chain_are_the_live_tensors_of_each(one: CostGraph) -> None:
    fences = chain(one)
    assert frontiers(one, fences) == [live_tensors(one, fence) for fence in fences]
    some = fences[::3]
    assert frontiers(one, some) == [live_tensors(one, fence) for fence in some]


@given(graphs())
def test_a_chain_grows_by_one_layer_and_every_link_is_a_down_set(one: CostGraph) -> None:
    fences = chain(one)
    assert fences[0] == frozenset()
    assert fences[-1] == frozenset(range(len(one.layers)))
    for inner, outer in zip(fences, fences[1:], strict=False):
        assert len(outer - inner) == 1
        assert inner < outer
    assert all(is_down_set(one, fence) for fence in fences)


def test_too_many_down_sets_are_none_not_a_part_of_them() -> None:
    wide = graph(12, [(-1, tuple(range(12)))])
    assert down_sets(wide, 4096) is not None
    assert down_sets(wide, 4095) is None
    assert down_sets(graph(0, []), 0) is None
    assert down_sets(graph(0, []), 1) == [frozenset()]


def test_growth_ends_where_the_bound_is_passed() -> None:
    """Of 120 layers side by side, 7,141 down-sets have two layers at most, and 280,840 more have three."""
    wide = graph(120, [(-1, tuple(range(120)))])
    tracemalloc.start()
    try:
        assert down_sets(wide, 8192) is None
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_an_output_nobody_else_needs_is_not_live() -> None:
    one = graph(2, [(-1, (0,)), (0, ()), (0, (1,)), (1, ())])
    assert [tensor.name for tensor in live_tensors(one, frozenset({0}))] == ["t2"]


def test_layer_inputs_name_the_layers_behind_each() -> None:
    one = graph(3, [(-1, (0, 1)), (0, (1, 2)), (1, (2,))])
    assert layer_inputs(one) == (frozenset(), frozenset({0}), frozenset({0, 1}))


def test_every_pseudo_node_needs_a_boundary_of_its_own() -> None:
    one = graph(4, [(-1, (0,)), (-1, (1,)), (0, (2,)), (1, (2,)), (2, (3,))], pseudo=2)
    assert needed_boundaries(one) == (frozenset({0}), frozenset({0, 1}))
    assert all(is_down_set(one, boundary) for boundary in needed_boundaries(one))
