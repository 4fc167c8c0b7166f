"""A small convolutional model in two blocks over one weights file, and a picture before them."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image

from partitioner.plan import Block, TensorSpec, WeightRef

CHANNELS, SIZE = 8, 32


@dataclass
class SmallModel:
    """x [1,3,32,32] -> block 1 -> mid [1,8,32,32] -> block 2 -> y [1,8]; block 0 decodes a picture."""

    folder: Path
    blocks: tuple[Block, ...]
    whole: Block
    files: dict[int, Path]
    whole_file: Path
    refs: tuple[WeightRef, ...]

    def input(self, seed=0):
        return np.random.default_rng(seed).normal(0, 1, (1, 3, SIZE, SIZE)).astype(np.float32)

    def reference(self, x):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(self.folder)
        )
        session = onnxruntime.InferenceSession(self.whole_file.read_bytes(), options)
        return dict(zip(("mid", "y"), session.run(["mid", "y"], {"x": x}), strict=True))


def spec(name, dtype, shape):
    return TensorSpec(name, dtype, tuple(shape))


MID = spec("mid", "float32", (1, CHANNELS, SIZE, SIZE))
X = spec("x", "float32", (1, 3, SIZE, SIZE))
Y = spec("y", "float32", (1, CHANNELS))


def jpeg(width=40, height=30, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return np.frombuffer(stream.getvalue(), np.uint8)


def small_model(folder: Path, rows=1) -> SmallModel:
    """Write the model's files; `rows` is the first dimension of x, mid and y, a name where it is dynamic."""
    x, mid, y = (spec(one.name, one.dtype, (rows, *one.shape[1:])) for one in (X, MID, Y))
    rng = np.random.default_rng(1)
    weights = {
        "w1": rng.normal(0, 0.2, (CHANNELS, 3, 3, 3)), "b1": rng.normal(0, 0.2, (CHANNELS,)),
        "w2": rng.normal(0, 0.2, (CHANNELS, CHANNELS, 3, 3)), "b2": rng.normal(0, 0.2, (CHANNELS,)),
    }  # fmt: skip
    tensors, refs = _external(folder, {name: one.astype(np.float32) for name, one in weights.items()})
    first = [
        _conv("conv/1", ["x", "w1", "b1"], "c1"),
        helper.make_node("Relu", ["c1"], ["mid"], name="relu/1"),
    ]
    second = [
        _conv("conv/2", ["mid", "w2", "b2"], "c2"),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu/2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["y"], name="flatten"),
    ]
    files = {
        1: _write(folder / "1.onnx", first, [x], [mid], tensors[:2]),
        2: _write(folder / "2.onnx", second, [mid], [y], tensors[2:]),
    }
    whole_file = _write(folder / "whole.onnx", first + second, [x], [mid, y], tensors)
    encoded = spec("x@encoded", "uint8", ("bytes",))
    picture = spec("x@picture", "uint8", ("height", "width", 3))
    blocks = (
        Block(0, "decode_picture", (encoded,), (picture,), name="decode"),
        Block(1, "onnx", (x,), (mid,), weights=refs[:2], name="first"),
        Block(2, "onnx", (mid,), (y,), weights=refs[2:], name="second"),
    )
    whole = Block(0, "onnx", (x,), (mid, y), weights=refs, name="whole")
    return SmallModel(folder, blocks, whole, files, whole_file, refs)


def _conv(name, inputs, output):
    return helper.make_node("Conv", inputs, [output], name=name, pads=[1, 1, 1, 1])


def _external(folder, weights):
    blob, tensors, refs = bytearray(), [], []
    for name, array in weights.items():
        blob += bytes(-len(blob) % 64)
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape, data_location=1)
        place = {"location": "weights.bin", "offset": str(len(blob)), "length": str(array.nbytes)}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=value)
        refs.append(WeightRef(name, len(blob), array.nbytes, hashlib.sha256(array.tobytes()).hexdigest()))
        blob += array.tobytes()
        tensors.append(tensor)
    (folder / "weights.bin").write_bytes(blob)
    return tensors, tuple(refs)


def _write(file, nodes, inputs, outputs, initializers):
    infos = [
        [helper.make_tensor_value_info(s.name, TensorProto.FLOAT, s.shape) for s in side]
        for side in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, file.stem, *infos, initializer=initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file.write_bytes(onnx.ModelProto.SerializeToString(model))
    return file
