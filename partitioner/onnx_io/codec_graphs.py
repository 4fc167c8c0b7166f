"""The graph parts of the codecs, as tiny ONNX models that a device's engine runs.

Law: knows dtypes and operators, no model and no plan. The files are made here, on a machine that has `onnx`,
and committed under `device_agents/engine/graphs/`, because a board has no `onnx`; a test makes them again and
compares. `partitioner.codecs` names the parts.

Every encoder has an output `check`, one float32: it is finite exactly when the encoded tensor may be sent.
One sum tells NaN, infinity and overflow together and costs one read of the tensor, where comparing element by
element costs three. (A float32 tensor whose plain sum overflows is also refused by affine_u8: it merely
travels raw.) Empty tensors must not be given to an encoder at all.

    part       direction  inputs                  outputs
    cast_f16   encode     x float32               y float16, check float32 []
    cast_f16   decode     y float16               x float32
    affine_u8  encode     x float32               q uint8, scale float32 [], zero_point uint8 [], check
    float32 [] affine_u8  decode     q, scale, zero_point    x float32

x, y and q have any rank.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

OPSET = 13
IR_VERSION = 8

PARTS = ("cast_f16", "affine_u8")
Direction = Literal["encode", "decode"]
DIRECTIONS: tuple[Direction, ...] = ("encode", "decode")


def codec_graph(part: str, direction: Direction) -> bytes:
    """Return the serialized ONNX model of one codec's graph part; raise KeyError for an unknown part."""
    file: bytes = _MAKERS[part, direction]().SerializeToString(deterministic=True)
    return file


def write_all(directory: Path) -> list[Path]:
    """Write every graph as `PART_DIRECTION.onnx` into `directory` and return the files written."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for part in PARTS:
        for direction in DIRECTIONS:
            file = directory / f"{part}_{direction}.onnx"
            file.write_bytes(codec_graph(part, direction))
            written.append(file)
    return written


def _cast_encode() -> ModelProto:
    nodes = [
        helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT16),
        helper.make_node(
            "Cast", ["y"], ["widened"], to=TensorProto.FLOAT
        ),  # overflow shows only after the cast
        helper.make_node("ReduceSum", ["widened"], ["check"], keepdims=0),
    ]
    outputs = [_any_rank("y", TensorProto.FLOAT16), _scalar("check", TensorProto.FLOAT)]
    return _model("cast_f16_encode", nodes, [_any_rank("x", TensorProto.FLOAT)], outputs)


def _cast_decode() -> ModelProto:
    node = helper.make_node("Cast", ["y"], ["x"], to=TensorProto.FLOAT)
    inputs = [_any_rank("y", TensorProto.FLOAT16)]
    return _model("cast_f16_decode", [node], inputs, [_any_rank("x", TensorProto.FLOAT)])


def _affine_encode() -> ModelProto:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero_point"]),
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "scale"], ["check"]),
    ]
    outputs = [_any_rank("q", TensorProto.UINT8), *_affine_scalars(), _scalar("check", TensorProto.FLOAT)]
    return _model("affine_u8_encode", nodes, [_any_rank("x", TensorProto.FLOAT)], outputs)


def _affine_decode() -> ModelProto:
    node = helper.make_node("DequantizeLinear", ["q", "scale", "zero_point"], ["x"])
    inputs = [_any_rank("q", TensorProto.UINT8), *_affine_scalars()]
    return _model("affine_u8_decode", [node], inputs, [_any_rank("x", TensorProto.FLOAT)])


_MAKERS = {
    ("cast_f16", "encode"): _cast_encode,
    ("cast_f16", "decode"): _cast_decode,
    ("affine_u8", "encode"): _affine_encode,
    ("affine_u8", "decode"): _affine_decode,
}


def _affine_scalars() -> list[ValueInfoProto]:
    return [_scalar("scale", TensorProto.FLOAT), _scalar("zero_point", TensorProto.UINT8)]


def _any_rank(name: str, dtype: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, None)


def _scalar(name: str, dtype: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, [])


def _model(
    name: str, nodes: Sequence[NodeProto], inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]
) -> ModelProto:
    graph = helper.make_graph(nodes, name, inputs, outputs)
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="lepton-edge")


if __name__ == "__main__":
    for path in write_all(Path(sys.argv[1] if len(sys.argv) > 1 else "device_agents/engine/graphs")):
        print(path)
