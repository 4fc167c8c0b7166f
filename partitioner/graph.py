"""The graph that is cut: nodes, tensors, down-sets, liveness frontiers.

Law: pure combinatorics over integers; no ONNX, no measurement, no I/O. A *layer* here is a contracted group of nodes
between which no cut is ever legal (a Conv with its activation, a control-flow node, the float side of Q/DQ) and the
cheap shape and mask chains are already marked as duplicable.
"""

from __future__ import annotations

from dataclasses import dataclass

from partitioner.units import Bytes, NodeName, TensorName


@dataclass(frozen=True)
class CostTensor:
    """A tensor as the planner sees it.

    `producer` is the layer that makes it, -1 for a graph input; `consumers` are layers, sorted; `is_output` marks a
    tensor that goes back to the caller. `size` is bytes in the shape bucket. `picture` marks uint8 [h, w, 3];
    `sendable` is False where no cut may cross it (then producer and consumers are in one layer).
    """

    name: TensorName
    dtype: str
    shape: tuple[int | str, ...]
    size: Bytes
    producer: int
    consumers: tuple[int, ...]
    is_output: bool = False
    picture: bool = False


@dataclass(frozen=True)
class Layer:
    """A contracted group of nodes, in topological order of the graph.

    `weights` is the bytes of its initializers (a tied one is listed by name in `weight_names`, counted once per
    device). `pseudo` names the pseudo-node kind ("decode_picture") or is empty. `from_input` marks a layer that does
    nothing but prepare an input (pre-processing): what it makes gives the input away.
    """

    index: int
    name: NodeName
    nodes: tuple[NodeName, ...]
    weights: Bytes
    weight_names: tuple[TensorName, ...]
    pseudo: str = ""
    from_input: bool = False


@dataclass(frozen=True)
class CostGraph:
    """Layers in topological order and the tensors between them."""

    layers: tuple[Layer, ...]
    tensors: tuple[CostTensor, ...]
