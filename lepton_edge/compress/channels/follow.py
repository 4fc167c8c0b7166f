"""Follows every channel through a graph, operator by operator.

Law: one rule an operator; an operator without a rule holds the channels it reads. A tensor is its channel axis and
the channel at each index of it. Source of the idea: Fang et al., "DepGraph: Towards Any Structural Pruning", 2023;
here by element, so that concatenation and flattening need no special case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from lepton_edge.compress.channels.ties import MADE, READ, SCALED, Ids, Place, Ties
from lepton_edge.core.results import Array
from partitioner.onnx_io import scope


@dataclass(frozen=True)
class Flow:
    """A tensor's channels: `ids[i]` is the channel at index i of `axis`."""

    axis: int
    ids: Ids


@dataclass
class Walk:
    """A walk through a graph from its inputs on."""

    weights: Mapping[str, Array]
    shapes: Mapping[str, tuple[int, ...]]
    ties: Ties = field(default_factory=Ties)
    flows: dict[str, Flow] = field(default_factory=dict)

    def hold(self, name: str) -> None:
        """Let the channels of tensor `name` stay, and those of the weight of that name."""
        if name in self.flows:
            self.ties.hold(self.flows[name].ids.tolist())
        for place, ids in self.ties.places.items():
            if place.initializer == name:
                self.ties.hold(ids.tolist())

    def read(self, name: str, axis: int, count: int) -> Flow:
        """Return the channels of tensor `name`; where nothing is known of them, `count` that stay."""
        if name not in self.flows:
            self.flows[name] = Flow(axis, self.ties.fresh(count))
            self.hold(name)
        return self.flows[name]

    def make(self, node: NodeProto, axis: int, ids: Ids) -> None:
        """Say what the first output of `node` is."""
        self.flows[node.output[0]] = Flow(axis, ids)


Rule = Callable[[Walk, NodeProto, Mapping[str, Any]], bool]
"""Follows one node; False where it cannot, and the channels are held."""


def follow(model: ModelProto) -> Ties:
    """Return the channels of `model` (float, every initializer embedded)."""
    walk = _start(model)
    unread: list[str] = []
    for node in model.graph.node:
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        rule = RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if rule is None or not rule(walk, node, attributes):
            unread.extend(scope.reads(node))  # with what the bodies of control flow capture
    for name in [*unread, *(one.name for one in model.graph.output)]:
        walk.hold(name)
    return walk.ties


def _start(model: ModelProto) -> Walk:
    weights = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in [*inferred.value_info, *inferred.input, *inferred.output]
    }
    walk = Walk(weights, shapes)
    for value in model.graph.input:
        shape = shapes[value.name]
        if value.name not in weights and len(shape) > 1:
            axis = 1 if len(shape) > 2 else len(shape) - 1
            walk.flows[value.name] = Flow(axis, walk.ties.fresh(max(shape[axis], 1)))
            walk.hold(value.name)
    return walk


def _conv(walk: Walk, node: NodeProto, attributes: Mapping[str, Any]) -> bool:
    weight, groups = walk.weights.get(node.input[1]), attributes.get("group", 1)
    if weight is None:
        return False
    outside, inside = (0, 1) if node.op_type == "Conv" else (1, 0)
    flow = walk.read(node.input[0], 1, weight.shape[1] * groups if inside else weight.shape[0])
    if flow.axis != 1:
        return False
    if groups == 1 and weight.shape[inside] == len(flow.ids):
        made = walk.ties.fresh(weight.shape[outside])
        walk.ties.put(Place(node.input[1], inside, READ), flow.ids)
        walk.ties.put(Place(node.input[1], outside, MADE), made)
    elif groups == len(flow.ids) == weight.shape[0] and weight.shape[1] == 1:
        made = flow.ids
        walk.ties.put(Place(node.input[1], 0, SCALED), made)
    else:
        return False
    return _end(walk, node, 1, made)


def _product(walk: Walk, node: NodeProto, attributes: Mapping[str, Any]) -> bool:
    weight, rank = walk.weights.get(node.input[1]), len(walk.shapes.get(node.input[0], ()))
    if weight is None or weight.ndim != 2 or not rank or attributes.get("transA", 0):
        return False
    inside = 1 if attributes.get("transB", 0) else 0
    flow = walk.read(node.input[0], rank - 1, weight.shape[inside])
    if flow.axis != rank - 1 or weight.shape[inside] != len(flow.ids):
        return False
    made = walk.ties.fresh(weight.shape[1 - inside])
    walk.ties.put(Place(node.input[1], inside, READ), flow.ids)
    walk.ties.put(Place(node.input[1], 1 - inside, MADE), made)
    return _end(walk, node, rank - 1, made)


def _end(walk: Walk, node: NodeProto, axis: int, made: Ids) -> bool:
    """Say what a product makes; its bias goes along, and one that does not fit holds all of it."""
    walk.make(node, axis, made)
    if len(node.input) > 2 and node.input[2]:
        bias = walk.weights.get(node.input[2])
        if bias is None or bias.shape[-1:] != (len(made),) or bias.size != len(made):
            walk.ties.hold(made.tolist())
        else:
            walk.ties.put(Place(node.input[2], bias.ndim - 1, SCALED), made)
    return True


def _batch_norm(walk: Walk, node: NodeProto, attributes: Mapping[str, Any]) -> bool:
    flow = walk.flows.get(node.input[0])
    if flow is None or flow.axis != 1 or any(name not in walk.weights for name in node.input[1:]):
        return False
    for name in node.input[1:]:
        walk.ties.put(Place(name, 0, SCALED), flow.ids)
    walk.make(node, 1, flow.ids)
    return True


def _through(walk: Walk, node: NodeProto, attributes: Mapping[str, Any]) -> bool:
    flow = walk.flows.get(node.input[0])
    if flow is None:
        return True  # nothing of ours passes here
    if any(one in walk.weights and walk.weights[one].size > 1 for one in node.input[1:]):
        return False
    walk.make(node, flow.axis, flow.ids)
    return True


def _pooled(walk: Walk, node: NodeProto, attributes: Mapping[str, Any]) -> bool:
    """Means and sums over other axes than the channels' (which then stay where they are, or move to the front)."""
    flow = walk.flows.get(node.input[0])
    if flow is None:
        return True
    rank = len(walk.shapes.get(node.input[0], ()))
    axes = attributes.get("axes")
    if axes is None and len(node.input) > 1 and node.input[1] in walk.weights:
        axes = walk.weights[node.input[1]].tolist()
    if not axes or not rank or flow.axis in {one % rank for one in axes}:
        return False
    before = sum(one % rank < flow.axis for one in axes)
    walk.make(node, flow.axis if attributes.get("keepdims", 1) else flow.axis - before, flow.ids)
    return True


def _elementwise(walk: Walk, node: NodeProto, attributes: Mapping[str, Any]) -> bool:
    flows = [walk.flows[name] for name in node.input if name in walk.flows]
    if not flows:
        return True
    rank = max(len(walk.shapes.get(name, ())) for name in node.output)
    flow = max(flows, key=lambda one: len(one.ids))
    return (
        bool(rank) and all(_agree(walk, name, flow, rank) for name in node.input) and _same(walk, node, flow)
    )


def _same(walk: Walk, node: NodeProto, flow: Flow) -> bool:
    walk.make(node, flow.axis, flow.ids)
    return True


def _agree(walk: Walk, name: str, flow: Flow, rank: int) -> bool:
    """Tie operand `name` to `flow`, aligned from the right as broadcasting does; False where it does not fit."""
    weight = walk.weights.get(name)
    shape = weight.shape if weight is not None else walk.shapes.get(name, ())
    axis = flow.axis - (rank - len(shape))
    if weight is not None and (axis < 0 or shape[axis] == 1):
        return True
    other = walk.flows.get(name)
    if weight is None and other is None:
        return bool(shape) and (axis < 0 or shape[axis] == 1)
    if weight is not None:
        fits = shape[axis] == len(flow.ids)
        if fits:
            walk.ties.put(Place(name, axis, SCALED), flow.ids)
        return fits
    if other is None or other.axis != axis or len(other.ids) != len(flow.ids):
        return False
    walk.ties.join(flow.ids, other.ids)
    return True


def _concat(walk: Walk, node: NodeProto, attributes: Mapping[str, Any]) -> bool:
    flows = [walk.flows.get(name) for name in node.input]
    known = [one for one in flows if one is not None]
    if len(known) < len(flows):
        return False
    rank = len(walk.shapes.get(node.output[0], ()))
    if any(one.axis != known[0].axis for one in known) or not rank:
        return False
    if attributes["axis"] % rank != known[0].axis:
        return all(_agree(walk, name, known[0], rank) for name in node.input) and _same(walk, node, known[0])
    walk.make(node, known[0].axis, np.concatenate([one.ids for one in known]))
    return True


def _flat(walk: Walk, node: NodeProto, attributes: Mapping[str, Any]) -> bool:
    """Flatten, or a Reshape that flattens and counts for itself: a channel becomes as many columns as it has pixels."""
    flow, shape = walk.flows.get(node.input[0]), walk.shapes.get(node.input[0], ())
    if flow is None:
        return True
    wanted = walk.weights.get(node.input[1]) if node.op_type == "Reshape" else None
    plain = attributes.get("axis", 1) == 1 if wanted is None else wanted.size == 2 and wanted[1] == -1
    if not plain or flow.axis != 1 or any(not length for length in shape[2:]):
        return False
    walk.make(node, 1, np.repeat(flow.ids, int(np.prod(shape[2:]))))
    return True


def _transpose(walk: Walk, node: NodeProto, attributes: Mapping[str, Any]) -> bool:
    flow = walk.flows.get(node.input[0])
    if flow is not None:
        order = list(attributes.get("perm", reversed(range(len(walk.shapes[node.input[0]])))))
        walk.make(node, order.index(flow.axis), flow.ids)
    return True


_ALONG = (
    "AveragePool Cast Clip Dropout Elu Erf Exp Gelu GlobalAveragePool GlobalMaxPool HardSigmoid HardSwish Identity "
    "LeakyRelu MaxPool Neg Reciprocal Relu Sigmoid Softplus Sqrt Tanh Abs"
)
_BETWEEN = "Add Sub Mul Div Sum Max Min Mean Pow PRelu"

RULES: dict[str, Rule] = {
    **dict.fromkeys(_ALONG.split(), _through),
    **dict.fromkeys(_BETWEEN.split(), _elementwise),
    "BatchNormalization": _batch_norm,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv,
    "Flatten": _flat,
    "Gemm": _product,
    "MatMul": _product,
    "ReduceMean": _pooled,
    "ReduceSum": _pooled,
    "Reshape": _flat,
    "Transpose": _transpose,
}
"""Rule by operator."""
