"""The arrays of a graph, and what may be left out of them."""

from __future__ import annotations

from partitioner.graph import CostGraph
from partitioner.solve.incidence import KEPT_GRAPHS, incidence
from tests.partitioner.solve.small import chain, diamond, graph, tensor


def skipping() -> CostGraph:
    """0 -> 1 -> 2 with a skip 0 -> 2, by one tensor."""
    return graph(3, tensor("s", 0, (1, 2), 1), tensor("t", 1, (2,), 1))


def test_edges_that_follow_from_others_are_left_out() -> None:
    assert incidence(skipping()).feeds.tolist() == [[0, 1], [1, 2]]
    assert sorted(incidence(diamond()).feeds.tolist()) == [[0, 1], [0, 2], [1, 3], [2, 3]]


def test_only_the_last_consumers_of_a_tensor_matter() -> None:
    arrays = incidence(skipping())
    assert arrays.last_tensor.tolist() == [0, 1]
    assert arrays.last_consumer.tolist() == [2, 2]  # 1 is before 2
    both = incidence(diamond())
    assert both.last_consumer[both.last_tensor == 1].tolist() == [1, 2]  # neither is before the other


def test_a_layer_that_consumes_what_it_makes_feeds_nobody() -> None:
    arrays = incidence(graph(1, tensor("own", 0, (0,), 1)))
    assert (arrays.feeds.tolist(), arrays.last_consumer.tolist(), arrays.ends.tolist()) == ([], [], [0])


def test_makers_of_outputs_are_listed_once_with_their_bytes() -> None:
    arrays = incidence(graph(1, tensor("y", 0, (), 3, True), tensor("z", 0, (), 4, True)))
    assert (arrays.makers.tolist(), arrays.made_bytes.tolist()) == ([0], [7])


def test_the_engine_begins_behind_the_pseudo_nodes() -> None:
    decoded = graph(3, tensor("p", 0, (1,), 1), tensor("t", 1, (2,), 1), pseudo={0: "decode_picture"})
    arrays = incidence(decoded)
    assert arrays.engine.tolist() == [1, 2]
    assert (arrays.engine_first.tolist(), arrays.engine_last.tolist()) == ([1], [2])


def test_arrays_are_kept_for_a_few_graphs_and_never_mixed_up() -> None:
    graphs = [chain(*range(count + 2)) for count in range(2 * KEPT_GRAPHS)]
    for _ in range(2):
        for count, one in enumerate(graphs):
            assert len(incidence(one).consumed) == count + 1
    assert incidence(graphs[-1]) is incidence(graphs[-1])
