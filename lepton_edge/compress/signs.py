"""The sign of quantized activations: unsigned bytes to signed ones and back, without touching what is computed.

Law: exact. A byte and its zero point are moved by 128 together, so that every dequantized value stays the same bit by
bit. Only tensors that quantizing nodes make and that are dequantized again, or only moved between, are changed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from lepton_edge.core.results import Array

MOVES = frozenset((
    "MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Slice", "Split", "Concat",
    "Gather", "Expand", "Tile",
))  # fmt: skip
"""Operators that only move bytes about, or compare them: a shift by 128 passes through."""
_MOST_DATA = {"Concat": 1 << 30}  # how many of an operator's inputs are data; 1 where it is not listed
SIGNED, UNSIGNED = "int8", "uint8"
_ELEMENT = {SIGNED: TensorProto.INT8, UNSIGNED: TensorProto.UINT8}


def with_activations(model: ModelProto, dtype: str) -> tuple[ModelProto, int, int]:
    """Return a model whose quantized activations are `dtype`; how many were changed, and how many could not be.

    `dtype` is "int8" or "uint8". The model itself is returned where nothing changes.
    """
    made = ModelProto()
    made.CopyFrom(model)
    ways = _Ways(made.graph, dtype)
    groups = list(ways.groups())
    movable = [group for group in groups if ways.is_closed(group)]
    for group in movable:
        ways.move(group)
    left = sum(len(group) for group in groups) - sum(len(group) for group in movable)
    return (made if movable else model), sum(len(group) for group in movable), left


class _Ways:
    """The quantized activations of a graph, and which belong together because bytes move between them."""

    def __init__(self, graph: GraphProto, dtype: str) -> None:
        self._graph = graph
        self._dtype = dtype
        self._constants = {one.name: one for one in graph.initializer}
        self._ends = {one.name for one in (*graph.input, *graph.output)}
        self._touching: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in filter(None, (*node.input, *node.output)):
                self._touching.setdefault(name, []).append(node)

    def groups(self) -> Iterator[list[str]]:
        """Yield the quantized activations of the other sign, those that must change together at once."""
        seen: set[str] = set()
        for node in self._graph.node:
            if node.op_type != "QuantizeLinear" or node.output[0] in seen or not self._is_other(node):
                continue
            group, ahead = [], [node.output[0]]
            while ahead:
                name = ahead.pop()
                if name not in seen:
                    seen.add(name)
                    group.append(name)
                    ahead.extend(self._moved_with(name))
            yield group

    def _moved_with(self, name: str) -> Iterator[str]:
        for node in self._touching.get(name, []):
            if node.op_type in MOVES:
                yield from (one for one in (*_data(node), *node.output) if one)

    def is_closed(self, group: list[str]) -> bool:
        """Return whether nobody but those who can be told sees the bytes of `group`."""
        if self._ends.intersection(group) or self._constants.keys() & set(group):
            return False
        return all(self._knows(node, name) for name in group for node in self._touching[name])

    def _knows(self, node: NodeProto, name: str) -> bool:
        if node.op_type == "QuantizeLinear":
            return name in node.output and self._is_other(node)
        if node.op_type == "DequantizeLinear":
            return node.input[0] == name and self._is_other(node)
        return node.op_type in MOVES and (name in _data(node) or name in node.output)

    def _is_other(self, node: NodeProto) -> bool:
        """Return whether the bytes that a Q or DQ node makes or reads are known to have the other sign."""
        if any(one.name == "output_dtype" and one.i for one in node.attribute):
            return False
        if len(node.input) < 3 or not node.input[2]:
            return self._dtype == SIGNED and self._scale(node) is not None  # without a zero point: uint8
        other = UNSIGNED if self._dtype == SIGNED else SIGNED
        point = self._constants.get(node.input[2])
        return point is not None and point.data_type == _ELEMENT[other]

    def _scale(self, node: NodeProto) -> TensorProto | None:
        return self._constants.get(node.input[1])

    def move(self, group: list[str]) -> None:
        """Give every node that makes or reads `group` a zero point of the other sign."""
        for node in {id(one): one for name in group for one in self._touching[name]}.values():
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                self._give_point(node)

    def _give_point(self, node: NodeProto) -> None:
        name = f"{node.output[0]}@{self._dtype}"
        moved = (self._point(node).astype(np.int16) + (-128 if self._dtype == SIGNED else 128)).astype(
            self._dtype
        )
        self._graph.initializer.append(numpy_helper.from_array(moved, name))
        kept = list(node.input[:2])
        del node.input[:]
        node.input.extend([*kept, name])

    def _point(self, node: NodeProto) -> Array:
        if len(node.input) > 2 and node.input[2]:
            return numpy_helper.to_array(self._constants[node.input[2]])
        return np.zeros(list(self._constants[node.input[1]].dims), np.uint8)


def _data(node: NodeProto) -> list[str]:
    return list(node.input[: _MOST_DATA.get(node.op_type, 1)])
