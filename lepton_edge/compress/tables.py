"""Large matrices that are looked up, sliced or added, stored in 8 bits with a scale for each row.

Law: rewrites how a table is stored and read; no product. A looked-up row is expanded alone; a table that is read in
another way is expanded as a whole, by an operator that the engine may fold when it opens the model.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lepton_edge.compress import qdq
from lepton_edge.compress.layers import Graph
from lepton_edge.compress.qdq import Scheme
from partitioner.onnx_io.hoist import replace_nodes

LEAST = 1 << 16
"""Elements of a table that is worth an extra operator."""


def store_small(model: ModelProto, kept: Collection[str] = ()) -> None:
    """Store the float32 tables of `model` as int8, in place; what the nodes `kept` read stays float.

    The operator set must be `layers.MIN_OPSET` or later.
    """
    graph = Graph(model)
    new: dict[str, TensorProto] = {}
    nodes: list[NodeProto] = list(model.graph.node)
    for name in [one for one in graph.constants if _is_table(graph, one, kept)]:
        _store(graph, name, new)
        lookups = [node for node in graph.readers[name] if _looks_up(node, name)]
        nodes = [made for node in nodes for made in (_lookup(node, name) if node in lookups else [node])]
        if len(lookups) < len(graph.readers[name]):
            nodes = [_expanded(name), *nodes]
    replace_nodes(model.graph, nodes)
    _drop(model, {name.removesuffix("/int8") for name in new if name.endswith("/int8")})
    qdq.set_initializers(model, new)


def _is_table(graph: Graph, name: str, kept: Collection[str]) -> bool:
    """Return whether `name` is a large float matrix that only light nodes of the outermost graph read."""
    rows = graph.constants[name].dims
    if not graph.is_float(name) or len(rows) != 2 or rows[0] * rows[1] < LEAST or name in graph.outputs:
        return False
    readers = graph.readers.get(name, [])
    if not readers or any(
        name not in node.input or node.name in kept or graph.is_layer(node) for node in readers
    ):
        return False
    return bool(np.isfinite(graph.value(name)).all())  # a mask of minus infinity has no scale


def _looks_up(node: NodeProto, name: str) -> bool:
    axis = next((int(helper.get_attribute_value(one)) for one in node.attribute if one.name == "axis"), 0)
    return node.op_type == "Gather" and not node.domain and node.input[0] == name and axis == 0


def _store(graph: Graph, name: str, new: dict[str, TensorProto]) -> None:
    values, steps = qdq.quantize_weight(graph.value(name), 0, Scheme())
    contents = {
        "int8": values,
        "scale": steps,
        "scales": steps[:, None],
        "zero_point": np.zeros(steps.shape, np.int8),
    }
    for part, content in contents.items():
        new[f"{name}/{part}"] = numpy_helper.from_array(content, f"{name}/{part}")


def _lookup(node: NodeProto, name: str) -> list[NodeProto]:
    """Return rows = cast(gather(table)) * gather(scales of rows)."""
    at = node.name
    return [
        helper.make_node("Gather", [f"{name}/int8", node.input[1]], [f"{at}/rows"], f"{at}/Gather"),
        helper.make_node("Gather", [f"{name}/scales", node.input[1]], [f"{at}/row_scales"], f"{at}/Scales"),
        helper.make_node("Cast", [f"{at}/rows"], [f"{at}/cast"], f"{at}/Cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{at}/cast", f"{at}/row_scales"], [node.output[0]], f"{at}/Mul"),
    ]


def _expanded(name: str) -> NodeProto:
    stored = [f"{name}/int8", f"{name}/scale", f"{name}/zero_point"]
    return helper.make_node("DequantizeLinear", stored, [name], f"{name}/Expand", axis=0)


def _drop(model: ModelProto, names: set[str]) -> None:
    kept = [one for one in model.graph.initializer if one.name not in names]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
