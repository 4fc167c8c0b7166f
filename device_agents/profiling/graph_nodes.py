"""The nodes of a serialized ONNX graph: names, operators, and the tensors between them.

Law: reads, and reads nothing else. Field numbers are those of onnx.proto: ModelProto.graph = 7; GraphProto.node = 1;
NodeProto.input = 1, output = 2, name = 3, op_type = 4.
"""

from __future__ import annotations

from dataclasses import dataclass

from device_agents.engine.protobuf_fields import fields

GRAPH, NODE = 7, 1
INPUT, OUTPUT, NAME, OPERATOR = 1, 2, 3, 4


@dataclass(frozen=True)
class GraphNode:
    """One node of the outermost graph."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def graph_nodes(model: bytes | memoryview) -> list[GraphNode]:
    """Return the nodes of the model's graph in file order; InvalidModel when the bytes are no protobuf."""
    nodes: list[GraphNode] = []
    for number, graph in fields(memoryview(model)):
        if number == GRAPH:
            nodes += [_node(body) for field, body in fields(graph) if field == NODE]
    return nodes


def _node(body: memoryview) -> GraphNode:
    texts: dict[int, list[str]] = {INPUT: [], OUTPUT: [], NAME: [], OPERATOR: []}
    for number, value in fields(body):
        if number in texts:
            texts[number].append(bytes(value).decode("utf-8", "replace"))
    name, operator = "".join(texts[NAME][-1:]), "".join(texts[OPERATOR][-1:])
    return GraphNode(name, operator, tuple(texts[INPUT]), tuple(texts[OUTPUT]))
