"""What nodes read, bodies included."""

from __future__ import annotations

from onnx import GraphProto, NodeProto

from partitioner.onnx_io.scope import all_graphs, bodies, defined, reads
from tests.partitioner.onnx_io import handmade


def only(graph: GraphProto, operator: str) -> NodeProto:
    (node,) = (node for node in graph.node if node.op_type == operator)
    return node


def test_an_if_reads_what_its_branches_and_their_branches_capture() -> None:
    node = only(handmade.if_capturing().graph, "If")
    assert set(reads(node)) == {"positive", "late", "early", "zero", "w_if"}
    assert reads(node)[0] == "positive"


def test_a_loop_reads_captures_but_not_its_own_state() -> None:
    node = only(handmade.loop_capturing().graph, "Loop")
    assert set(reads(node)) == {"trips", "true", "start", "w_loop", "early"}


def test_a_branch_that_only_passes_a_value_on_reads_it() -> None:
    branch = handmade.body([], [], [handmade.value("outside", None)])
    assert reads(handmade.node("If", "c", "y", then_branch=branch, else_branch=branch)) == ["c", "outside"]


def test_empty_optional_inputs_are_no_names() -> None:
    node = handmade.node("Resize", "x", "y")
    node.input.extend(["", "", "sizes", "sizes"])
    assert reads(node) == ["x", "sizes"]


def test_graphs_are_walked_to_the_innermost() -> None:
    graph = handmade.if_capturing().graph
    assert len(list(all_graphs(graph))) == 5
    assert [len(list(bodies(node))) for node in graph.node] == [0, 0, 0, 0, 0, 2, 0]


def test_a_body_declares_its_inputs_weights_and_results() -> None:
    loop = only(handmade.loop_capturing().graph, "Loop")
    (step,) = bodies(loop)
    assert {"iteration", "going", "state", "m", "s", "state_out"} <= set(defined(step))
