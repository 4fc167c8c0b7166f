"""Large constants of control-flow bodies, lifted into the main graph.

Law: changes where a constant is declared, never its value. A body may read what its surroundings hold, so a
large constant inside If, Loop or Scan becomes a weight like any other: stored once, sent by hash. Small ones
stay where they are, and so do those that a body returns (an engine wants a node in between).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from onnx import GraphProto, NodeProto, TensorProto, helper

from partitioner.onnx_io import scope

MIN_BYTES = 1024


def hoist(graph: GraphProto) -> None:
    """Lift the large constants of all bodies in `graph` into its initializers, under new names, in place."""
    taken = {name for one in scope.all_graphs(graph) for name in _names(one)}
    for node in list(graph.node):
        for body in scope.bodies(node):
            for inner in scope.all_graphs(body):
                for tensor in _lifted(inner):
                    old, tensor.name = tensor.name, _new_name(f"{node.name}/{tensor.name}", taken)
                    _rename(inner, old, tensor.name)
                    graph.initializer.append(tensor)


def constant(node: NodeProto) -> TensorProto | None:
    """Return what a Constant node makes, as an initializer of its output's name; None for sparse ones."""
    attribute = node.attribute[0]
    if attribute.name == "value":
        tensor = TensorProto()
        tensor.CopyFrom(attribute.t)
        tensor.name = node.output[0]
        return tensor
    if attribute.name not in _SCALARS:
        return None
    value = helper.get_attribute_value(attribute)
    dims = [len(value)] if attribute.name.endswith("s") else []
    return helper.make_tensor(node.output[0], _SCALARS[attribute.name], dims, value if dims else [value])


def replace_nodes(graph: GraphProto, nodes: list[NodeProto]) -> None:
    """Let `graph` hold exactly `nodes`, in this order."""
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _lifted(body: GraphProto) -> Iterator[TensorProto]:
    """Take the large constants out of `body` and yield them."""
    returned = {one.name for one in body.output}
    large = [one for one in body.initializer if _is_large(one) and one.name not in returned]
    kept = [one for one in body.initializer if one not in large]
    del body.initializer[:]
    body.initializer.extend(kept)
    nodes = []
    for node in body.node:
        tensor = constant(node) if node.op_type == "Constant" and not node.domain else None
        if tensor is not None and _is_large(tensor) and tensor.name not in returned:
            large.append(tensor)
        else:
            nodes.append(node)
    if len(nodes) < len(body.node):
        replace_nodes(body, nodes)
    yield from large


def _is_large(tensor: TensorProto) -> bool:
    if tensor.data_type == TensorProto.STRING:
        return False
    size: int = prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return size >= MIN_BYTES


def _rename(body: GraphProto, old: str, new: str) -> None:
    """Let `body` and the bodies within read `new` instead of `old`, where `old` is not declared anew."""
    for node in body.node:
        node.input[:] = [new if name == old else name for name in node.input]
        for inner in scope.bodies(node):
            if old not in set(scope.defined(inner)):
                _rename(inner, old, new)
                for output in inner.output:
                    output.name = new if output.name == old else output.name


def _names(graph: GraphProto) -> Iterator[str]:
    yield from scope.defined(graph)
    yield from (name for node in graph.node for name in node.input)


def _new_name(base: str, taken: set[str]) -> str:
    name, count = base, 1
    while name in taken:
        name, count = f"{base}_{count}", count + 1
    taken.add(name)
    return name


_SCALARS = {
    "value_float": TensorProto.FLOAT,
    "value_floats": TensorProto.FLOAT,
    "value_int": TensorProto.INT64,
    "value_ints": TensorProto.INT64,
    "value_string": TensorProto.STRING,
    "value_strings": TensorProto.STRING,
}
