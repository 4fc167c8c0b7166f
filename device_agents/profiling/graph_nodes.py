"""The nodes of a serialized ONNX graph: names, operators, and the tensors between them.

Law: reads, and reads nothing else. A board has no `onnx`, and this needs five fields of it, so it walks the
protobuf wire format itself (https://protobuf.dev/programming-guides/encoding). Field numbers are those of
onnx.proto: ModelProto.graph = 7; GraphProto.node = 1; NodeProto.input = 1, output = 2, name = 3, op_type =
4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from partitioner.errors import InvalidModel

GRAPH, NODE = 7, 1
INPUT, OUTPUT, NAME, OPERATOR = 1, 2, 3, 4
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


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
    for number, graph in _fields(memoryview(model)):
        if number == GRAPH:
            nodes += [_node(body) for field, body in _fields(graph) if field == NODE]
    return nodes


def _node(body: memoryview) -> GraphNode:
    texts: dict[int, list[str]] = {INPUT: [], OUTPUT: [], NAME: [], OPERATOR: []}
    for number, value in _fields(body):
        if number in texts:
            texts[number].append(bytes(value).decode("utf-8", "replace"))
    name, operator = "".join(texts[NAME][-1:]), "".join(texts[OPERATOR][-1:])
    return GraphNode(name, operator, tuple(texts[INPUT]), tuple(texts[OUTPUT]))


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield (number, bytes) of the length-delimited fields; skip the others."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == BYTES:
            length, position = _varint(message, position)
            if position + length > len(message):
                raise _broken()
            yield number, message[position : position + length]
            position += length
        else:
            position = _skip(message, position, kind)


def _skip(message: memoryview, position: int, kind: int) -> int:
    if kind == VARINT:
        return _varint(message, position)[1]
    if kind not in (FIXED32, FIXED64):
        raise _broken()
    return position + (4 if kind == FIXED32 else 8)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message) and shift < 70:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise _broken()


def _broken() -> InvalidModel:
    return InvalidModel("the bytes are no serialized ONNX graph", "push the model again")
