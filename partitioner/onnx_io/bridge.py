"""Blocks of a variant whose frontiers hold integers where its own graph has floats.

Law: puts a DequantizeLinear before a block's nodes, or a QuantizeLinear behind them; what lies between is left
alone. So a float variant goes on with what a quantized one made, and the tensor crosses as integers.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

from partitioner.compiled import IntegerSide
from partitioner.errors import InvalidProblem
from partitioner.onnx_io.cutting import CutBlock
from partitioner.onnx_io.infer import TensorType, value_info
from partitioner.plan import Block, TensorSpec
from partitioner.units import Sha256, TensorName

LEAST_OPSET = 10  # the first with QuantizeLinear

Bridges = Mapping[TensorName, tuple[IntegerSide, TensorSpec]]
"""By the float tensor's name: its integer form, and how that looks."""


def bridged(one: CutBlock, bridges: Bridges) -> CutBlock:
    """Return the block with each float tensor of `bridges` that enters or leaves it in its integer form.

    Raises InvalidProblem when its opset knows no quantization.
    """
    entering, leaving = ([spec.name for spec in side if spec.name in bridges] for side in _sides(one.block))
    if not (entering or leaving) or not one.file:
        return one
    model = ModelProto.FromString(one.file)
    _check_opset(model)
    before = [_dequantize(model.graph, *bridges[name]) for name in entering]
    behind = [_quantize(model.graph, *bridges[name]) for name in leaving]
    nodes = [*before, *model.graph.node, *behind]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    file = model.SerializeToString(deterministic=True)
    inputs, outputs = (tuple(_crossing(spec, bridges) for spec in side) for side in _sides(one.block))
    artifact = Sha256(hashlib.sha256(file).hexdigest())
    return CutBlock(dataclasses.replace(one.block, inputs=inputs, outputs=outputs, artifact=artifact), file)


def _sides(block: Block) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    return block.inputs, block.outputs


def _crossing(spec: TensorSpec, bridges: Bridges) -> TensorSpec:
    return bridges[spec.name][1] if spec.name in bridges else spec


def _check_opset(model: ModelProto) -> None:
    if max((one.version for one in model.opset_import if not one.domain), default=LEAST_OPSET) < LEAST_OPSET:
        raise InvalidProblem(
            "the float variant's opset has no integers to meet at",
            f"export it with opset {LEAST_OPSET} or later",
        )


def _dequantize(graph: GraphProto, side: IntegerSide, spec: TensorSpec) -> NodeProto:
    _replace(graph.input, side.source, spec)
    return _node("DequantizeLinear", graph, side, spec, (side.tensor, side.source))


def _quantize(graph: GraphProto, side: IntegerSide, spec: TensorSpec) -> NodeProto:
    _replace(graph.output, side.source, spec)
    return _node("QuantizeLinear", graph, side, spec, (side.source, side.tensor))


def _replace(infos: object, name: str, spec: TensorSpec) -> None:
    found = next(one for one in infos if one.name == name)  # type: ignore[attr-defined]
    found.CopyFrom(value_info(spec.name, TensorType(spec.dtype, spec.shape)))


def _node(
    operator: str, graph: GraphProto, side: IntegerSide, spec: TensorSpec, names: tuple[str, str]
) -> NodeProto:
    constants = {
        f"{side.tensor}/meeting_scale": np.float32(side.scale),
        f"{side.tensor}/meeting_zero": np.dtype(spec.dtype).type(side.zero),
    }
    known = {one.name for one in graph.initializer}
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in constants.items()
        if name not in known
    )
    given, made = names
    return NodeProto(
        op_type=operator, name=f"{side.tensor}/{operator}", input=[given, *constants], output=[made]
    )
