"""Which layers of a model can be computed with integers, and which tensors must be integers for that.

Law: reads the graph and decides; it writes nothing and runs nothing. A layer is named by its node. Only what an
engine has integer kernels for is chosen, and a light operator is chosen only between layers that gain: a float
operator wrapped in conversions costs time and buys nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lepton_edge.compress.bottlenecks import PREFIX
from lepton_edge.compress.errors import AlreadyCompressed, CompressionRefused
from lepton_edge.core.results import Array
from partitioner.onnx_io import scope
from partitioner.onnx_io.quantized import is_quantized

HEAVY = frozenset(("Conv", "Gemm", "MatMul"))
"""Operators with weights, for whose sake the rest is done."""
COMPUTING = HEAVY | {"ConvTranspose", "LSTM", "GRU", "RNN", "Attention"}
"""Operators whose constants are weights, quantized here or not."""
SAME_RANGE = frozenset(("MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity"))
"""Operators that only move values: what goes out has the scale of what came in."""
CARRIERS = SAME_RANGE | frozenset(
    ("Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu")
)
"""Light operators with integer kernels."""
ACTIVATIONS = frozenset(("Relu", "Clip"))
"""Operators that a conversion to integers computes by itself, because it saturates."""
DATA_INPUTS: Mapping[str, int] = {"Add": 2, "Mul": 2, "Concat": 1 << 30}
ALREADY = "it is quantized already"
CODER = f"/{PREFIX}/"
"""What the nodes of a bottleneck's coder are called by. They stay float: its code is rounded once, by its own scale."""
MIN_OPSET = 13  # per-channel scales


class Graph:
    """The graph of a model with the ways through it: constants, makers and readers by tensor."""

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.constants = {one.name: one for one in model.graph.initializer}
        self.makers: dict[str, NodeProto] = {}
        self.readers: dict[str, list[NodeProto]] = {}
        self.outputs = {one.name for one in model.graph.output}
        self.inputs = {one.name for one in model.graph.input} - self.constants.keys()
        for node in model.graph.node:
            self.makers.update(dict.fromkeys(filter(None, node.output), node))
            for name in scope.reads(node):
                self.readers.setdefault(name, []).append(node)

    def value(self, name: str) -> Array:
        """Return the constant `name` as an array."""
        return numpy_helper.to_array(self.constants[name])

    def is_float(self, name: str) -> bool:
        """Return whether `name` is a float32 constant."""
        return name in self.constants and self.constants[name].data_type == TensorProto.FLOAT

    def only_reader(self, name: str) -> NodeProto | None:
        """Return the one node that reads `name`, or None where several do, nobody does, or it is an output."""
        found = self.readers.get(name, [])
        if len(found) != 1 or name in self.outputs or list(found[0].input).count(name) != 1:
            return None
        return found[0]

    @cached_property
    def heavy(self) -> list[NodeProto]:
        """The layers with float32 weights of their own, in the order in which they run."""
        return [node for node in self.model.graph.node if self.is_layer(node)]

    def is_layer(self, node: NodeProto) -> bool:
        """Return whether `node` is a convolution or a matrix product with constant float32 weights."""
        if (
            node.op_type not in HEAVY
            or node.domain
            or node.name.startswith(CODER)
            or len(node.input) < 2
            or not self.is_float(node.input[1])
        ):
            return False
        bias = node.input[2] if len(node.input) > 2 else ""
        if bias and not (self.is_float(bias) and len(self.constants[bias].dims) == 1):
            return False
        if node.op_type == "Gemm":
            return _attribute(node, "transA", 0) == 0 and _attribute(node, "alpha", 1.0) == 1.0 == _attribute(
                node, "beta", 1.0
            )
        return node.op_type == "Conv" or len(self.constants[node.input[1]].dims) == 2


def _attribute(node: NodeProto, name: str, default: float) -> float:
    found = (helper.get_attribute_value(one) for one in node.attribute if one.name == name)
    return float(next(found, default))


def channel_axis(node: NodeProto) -> int:
    """Return the axis of a layer's weights along which the output's channels lie."""
    if node.op_type == "Conv":
        return 0
    return 0 if node.op_type == "Gemm" and _attribute(node, "transB", 0) else 1


def input_axis(node: NodeProto) -> int:
    """Return the axis of a layer's weights along which the input's channels lie (of a group, in a convolution)."""
    return 1 - channel_axis(node)


def data_inputs(node: NodeProto) -> list[str]:
    """Return the tensors that `node` computes with, without shapes, bounds and axes."""
    return list(node.input[: DATA_INPUTS.get(node.op_type, 1)])


@dataclass(frozen=True)
class Choice:
    """What becomes integer.

    Attributes:
        layers: names of the nodes with weights, in the order in which they run.
        tensors: activations that get a scale, in the order in which they are made; a tensor that is only moved
            (`same`) is not among them.
        same: tensor -> the tensor whose scale it takes.
        carriers: names of the light nodes between.
        absorbed: activation nodes that the conversion after them makes superfluous, if the range agrees.
    """

    layers: tuple[str, ...]
    tensors: tuple[str, ...]
    same: Mapping[str, str] = field(default_factory=dict)
    carriers: frozenset[str] = frozenset()
    absorbed: frozenset[str] = frozenset()


def choose(graph: Graph, excluded: Collection[str] = ()) -> Choice:
    """Return what becomes integer when the layers `excluded` stay float.

    A layer's input becomes integer, and its output where integers read it; a convolution's always, because there is
    no kernel from integers to float.
    """
    heavy = [node for node in graph.heavy if node.name not in excluded]
    light = _carriers(graph, heavy)
    ends = {integer_end(graph, node): node for node in [*heavy, *light.values()]}
    wanted = {node.input[0] for node in heavy}
    wanted |= {name for node in light.values() for name in data_inputs(node)}
    wanted |= {end for end, node in ends.items() if node.op_type == "Conv" or node.name in light}
    return Choice(
        tuple(node.name for node in heavy),
        tuple(name for name in _in_order(graph) if name in wanted),
        {node.output[0]: node.input[0] for node in light.values() if node.op_type in SAME_RANGE},
        frozenset(light),
        frozenset(graph.makers[end].name for end, node in ends.items() if end not in node.output),
    )


def integer_end(graph: Graph, node: NodeProto) -> str:
    """Return where a layer's result is first an integer: after the activation that nothing else looks past."""
    reader = graph.only_reader(node.output[0])
    if reader is None or reader.op_type not in ACTIVATIONS or reader.domain:
        return str(node.output[0])
    if any(name and name not in graph.constants for name in reader.input[1:]):
        return str(node.output[0])
    return str(reader.output[0])


def bounds(graph: Graph, node: NodeProto) -> tuple[float, float]:
    """Return what an activation (Relu or Clip with constant bounds) lets through."""
    if node.op_type == "Relu":
        return 0.0, float("inf")
    ends = [-float("inf"), float("inf")]
    for place in (1, 2):
        if len(node.input) > place and node.input[place]:
            ends[place - 1] = float(graph.value(node.input[place]))
    return ends[0], ends[1]


def _in_order(graph: Graph) -> Iterator[str]:
    yield from (one.name for one in graph.model.graph.input if one.name in graph.inputs)
    for node in graph.model.graph.node:
        yield from node.output


def _carriers(graph: Graph, heavy: Sequence[NodeProto]) -> dict[str, NodeProto]:
    """Return the light nodes all of whose inputs are integers anyway, and whose result an integer layer reads."""
    layers = {node.name for node in heavy}
    found: dict[str, NodeProto] = {}
    integers: set[str] = set()
    for node in graph.model.graph.node:
        light = node.op_type in CARRIERS and not node.domain and len(node.output) == 1
        if light and all(name in integers for name in data_inputs(node)):
            found[node.name] = node
        if node.name in layers or node.name in found:
            integers.add(integer_end(graph, node))
    return _that_lead_somewhere(graph, found, layers)


def _that_lead_somewhere(graph: Graph, found: dict[str, NodeProto], layers: set[str]) -> dict[str, NodeProto]:
    kept: dict[str, NodeProto] = {}
    for name, node in reversed(list(found.items())):
        readers = {one.name for one in graph.readers.get(integer_end(graph, node), [])}
        if readers & (kept.keys() | layers):
            kept[name] = node
    return dict(reversed(list(kept.items())))


def why_not(model: ModelProto) -> str:
    """Return why nothing of `model` can be quantized, in one sentence; "" where something can."""
    if has_integers(model):
        return ALREADY
    graph = Graph(model)
    if not graph.heavy:
        return "it has no convolution or matrix product with constant float32 weights"
    return broken_weight(graph)


def has_integers(model: ModelProto) -> bool:
    """Return whether anything in `model` computes with quantized numbers; a bottleneck's coder only sends them."""
    nodes = (node for graph in scope.all_graphs(model.graph) for node in graph.node)
    return is_quantized(f"{node.domain}/{node.op_type}" for node in nodes if not node.name.startswith(CODER))


def refusal(reason: str) -> CompressionRefused:
    """Return the error for a model that is not quantized for `reason`."""
    kind = AlreadyCompressed if reason == ALREADY else CompressionRefused
    return kind(f"the model cannot be quantized: {reason}", "give the float model, or leave out this step")


def require_named(graph: Graph, kept: Collection[str]) -> None:
    """Return where all of `kept` are nodes.

    Raises:
        CompressionRefused: one is none; a name that is misspelt would silently stay integer.
    """
    names = {node.name for node in graph.model.graph.node}
    if unknown := [one for one in kept if one and one not in names]:
        known = ", ".join(node.name for node in graph.heavy[:8])
        raise CompressionRefused(f"there is no layer {unknown[0]!r} to keep in float", f"there are: {known}")


def broken_weight(graph: Graph) -> str:
    """Return a sentence that names the first weight with NaN or infinite values; "" where there is none.

    Infinite values count only in what layers compute with: an attention mask is minus infinity on purpose.
    """
    computed = {
        name for node in graph.model.graph.node if node.op_type in COMPUTING for name in node.input[1:]
    }
    for name in filter(graph.is_float, graph.constants):
        value = graph.value(name)
        if np.isnan(value).any() or (name in computed and np.isinf(value).any()):
            return f"its weight {name!r} contains NaN or infinite values"
    return ""
