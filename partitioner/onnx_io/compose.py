"""The manifest's pre- and post-processing, as nodes around the model.

Law: adds nodes and names (`X@encoded`, `X@picture`, `X@resized`, `Y@scores`, `Y@indices`), never touches the
model's own. Everything but decoding a picture is an ONNX operator. A picture is resized as Pillow does it
(antialiased, on uint8), because that is what models are trained with; the two differ by at most a few steps
in rare pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from partitioner.errors import InvalidManifest
from partitioner.manifest import Manifest, OutputRule, PictureInput, Resize
from partitioner.onnx_io.infer import TensorType, value_info

OPSET = 18  # the first whose Resize knows antialiasing and aspect ratio
BUCKET_PICTURE = (480, 640)  # height, width of a typical picture, for sizes only
ENCODED_BYTES_PER_PIXEL = 0.25

Types = dict[str, TensorType]


@dataclass
class Composition:
    """A model with its pre- and post-processing, while it is put together.

    `inputs` and `outputs` are the model's own; `types` holds every tensor; `pictures` are the inputs that are
    pictures; `pseudo` is the names of the pseudo-node, its input and its output, by input; `preparing` is the
    names of nodes that only prepare an input.
    """

    model: ModelProto
    types: Types
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    pictures: tuple[str, ...] = ()
    pseudo: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    preparing: set[str] = field(default_factory=set)
    scored: dict[str, OutputRule] = field(default_factory=dict)


def needs_opset(manifest: Manifest) -> bool:
    """Return whether `manifest` asks for nodes around the model."""
    pictures = any(isinstance(one, PictureInput) for one in manifest.inputs)
    return pictures or any(one.top_k for one in manifest.outputs)


def picture_shapes(graph: GraphProto, manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """Return the shape that each picture input gets, and check that the manifest fits the graph's inputs."""
    inputs = {one.name: one for one in graph.input}
    outputs = {one.name for one in graph.output}
    for rule in manifest.inputs:
        if rule.name not in inputs:
            raise InvalidManifest(
                f"the model has no input `{rule.name}`", "its inputs are " + ", ".join(inputs)
            )
    for wanted in manifest.outputs:
        if wanted.name not in outputs:
            raise InvalidManifest(
                f"the model has no output `{wanted.name}`", "its outputs are " + ", ".join(outputs)
            )
    return {
        str(one.name): _fed_shape(one, [d.dim_value for d in inputs[one.name].type.tensor_type.shape.dim])
        for one in manifest.inputs
        if isinstance(one, PictureInput)
    }


def compose(model: ModelProto, types: Mapping[str, TensorType], manifest: Manifest) -> Composition:
    """Return `model` with the nodes that `manifest` asks for; `model` itself is not changed."""
    whole = ModelProto()
    whole.CopyFrom(model)
    inputs, outputs = (tuple(one.name for one in ends) for ends in (model.graph.input, model.graph.output))
    made = Composition(whole, dict(types), inputs, outputs)
    for one in manifest.inputs:
        if isinstance(one, PictureInput):
            _picture(made, one)
    for rule in manifest.outputs:
        if rule.top_k:
            _best(made, rule)
    return made


def _fed_shape(rule: PictureInput, declared: Sequence[int]) -> tuple[int, ...]:
    if len(declared) != 4:
        raise InvalidManifest(
            f"input `{rule.name}` has {len(declared)} dimensions", "a picture feeds [batch, ...] of 4"
        )
    channel, height, width = (1, 2, 3) if rule.layout == "NCHW" else (3, 1, 2)
    if declared[channel] not in (0, 3):
        raise InvalidManifest(
            f"input `{rule.name}` has {declared[channel]} channels, a picture 3", "check `layout`"
        )
    wanted = _final_size(rule) or (declared[height], declared[width])
    if 0 in wanted:
        raise InvalidManifest(
            f"the picture size of input `{rule.name}` is dynamic", "give `resize` and `crop`"
        )
    if any(
        have not in (0, want) for have, want in zip((declared[height], declared[width]), wanted, strict=True)
    ):
        raise InvalidManifest(
            f"input `{rule.name}` takes {declared[height]} x {declared[width]}, "
            f"the manifest makes {wanted[0]} x {wanted[1]}",
            "make `resize` and `crop` agree with the model",
        )
    if declared[0] not in (0, 1):
        raise InvalidManifest(
            f"input `{rule.name}` has a fixed batch of {declared[0]}", "pictures come one at a time"
        )
    return (1, 3, *wanted) if rule.layout == "NCHW" else (1, *wanted, 3)


def _final_size(rule: PictureInput) -> tuple[int, int] | None:
    if rule.crop or rule.resize is None:
        return rule.crop
    if rule.resize.size is None:
        raise InvalidManifest(
            f"input `{rule.name}` is resized by its shorter side only", "add `crop = [HEIGHT, WIDTH]`"
        )
    return rule.resize.size


class _Nodes:
    """Collects the nodes and constants of one input's preparation, under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.purpose = ""
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: object, dtype: str = "int64") -> str:
        full = f"{self.prefix}@{name}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), full))
        return full

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        output = name if "@" in name or name == self.prefix else f"{self.prefix}@{name}"
        label = f"{self.prefix}/{self.purpose}/{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], label, **attributes))
        return output


def _picture(made: Composition, rule: PictureInput) -> None:
    name = str(rule.name)
    kind = made.types[name]
    nchw = rule.layout == "NCHW"
    height, width = kind.bucket[2:] if nchw else kind.bucket[1:3]
    nodes = _Nodes(name)
    resized = _resize(nodes, rule.resize or Resize(size=(height, width)), (height, width))
    _normalise(nodes, rule, resized, kind)
    _declare_picture(made, name, (height, width))
    graph = made.model.graph
    made.preparing.update(node.name for node in nodes.nodes)
    _replace_input(graph, name, made.types[f"{name}@picture"])
    _prepend(graph, nodes)
    made.pictures += (name,)
    made.pseudo[name] = (f"{name}/decode_picture", f"{name}@encoded", f"{name}@picture")
    made.preparing.add(f"{name}/decode_picture")


def _declare_picture(made: Composition, name: str, size: tuple[int, int]) -> None:
    pixels = BUCKET_PICTURE[0] * BUCKET_PICTURE[1]
    encoded = (int(pixels * ENCODED_BYTES_PER_PIXEL),)
    made.types[f"{name}@encoded"] = TensorType("uint8", (f"{name}@bytes",), encoded)
    shape = (f"{name}@height", f"{name}@width", 3)
    made.types[f"{name}@picture"] = TensorType("uint8", shape, (*BUCKET_PICTURE, 3))
    made.types[f"{name}@resized"] = TensorType("uint8", (*size, 3), (*size, 3))


def _resize(nodes: _Nodes, how: Resize, size: tuple[int, int]) -> str:
    """Resize `X@picture` and crop its center to `size`; returns `X@resized`, uint8 [height, width, 3]."""
    nodes.purpose = "resize"
    batched = nodes.add("Unsqueeze", [f"{nodes.prefix}@picture", nodes.constant("first", [0])], "batched")
    target = nodes.constant("target", how.size) if how.size else _proportional(nodes, how.shorter)
    sampled = nodes.add(
        "Resize", [batched, "", "", target], "sampled",
        mode=how.filter, axes=[1, 2], antialias=int(how.filter != "nearest"), cubic_coeff_a=-0.5,
        coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_floor",
    )  # fmt: skip
    if how.size == size:
        return nodes.add("Squeeze", [sampled, nodes.constants[0].name], "resized")
    crop = nodes.constant("crop", size)
    room = nodes.add("Sub", [target, crop], "room")
    start = nodes.add("Div", [room, nodes.constant("two", [2])], "crop_start")
    end = nodes.add("Add", [start, crop], "crop_end")
    cropped = nodes.add("Slice", [sampled, start, end, nodes.constant("sides", [1, 2])], "cropped")
    return nodes.add("Reshape", [cropped, nodes.constant("cropped_to", [*size, 3])], "resized")


def _proportional(nodes: _Nodes, shorter: int) -> str:
    """Return the tensor [height, width] after resizing the shorter side, cut off as torchvision does.

    Resize could keep the aspect ratio itself, but then it samples by one scale where Pillow samples by two.
    """
    sides = nodes.add("Shape", [f"{nodes.prefix}@picture"], "sides_before", start=0, end=2)
    least = nodes.add("ReduceMin", [sides], "least_side", keepdims=1)
    product = nodes.add("Mul", [sides, nodes.constant("shorter", [shorter])], "sides_scaled")
    return nodes.add("Div", [product, least], "sides_after")


def _normalise(nodes: _Nodes, rule: PictureInput, resized: str, kind: TensorType) -> None:
    """Make `X` of `X@resized`: order, layout, batch, dtype; (x * scale - mean) / std as one Mul and Add."""
    nodes.purpose = "normalise"
    if rule.channels == "BGR":
        resized = nodes.add("Gather", [resized, nodes.constant("bgr", [2, 1, 0])], "reordered", axis=2)
    if rule.layout == "NCHW":
        resized = nodes.add("Transpose", [resized], "planes", perm=[2, 0, 1])
    batched = nodes.add("Unsqueeze", [resized, nodes.constants[0].name], "one")
    if kind.dtype == "uint8":
        if rule.scale != 1 or rule.mean or rule.std:
            raise InvalidManifest(f"input `{rule.name}` is uint8", "leave out `scale`, `mean` and `std`")
        nodes.add("Identity", [batched], nodes.prefix)
        return
    factor, offset = _affine(rule)
    real = nodes.add("Cast", [batched], "real", to=TensorProto.FLOAT)
    scaled = nodes.add("Mul", [real, nodes.constant("factor", factor, "float32")], "scaled")
    last = nodes.prefix if kind.dtype == "float32" else "shifted"
    shifted = nodes.add("Add", [scaled, nodes.constant("offset", offset, "float32")], last)
    if kind.dtype != "float32":
        nodes.add("Cast", [shifted], nodes.prefix, to=helper.np_dtype_to_tensor_dtype(kind.numpy_dtype))


def _affine(rule: PictureInput) -> tuple[np.ndarray, np.ndarray]:
    mean, std = np.array(rule.mean or (0.0,)), np.array(rule.std or (1.0,))
    shape = (1, -1, 1, 1) if rule.layout == "NCHW" else (1, 1, 1, -1)
    factor = np.broadcast_to(rule.scale / std, (max(len(mean), len(std)),))
    offset = np.broadcast_to(-mean / std, factor.shape)
    return factor.reshape(shape), offset.reshape(shape)


def _replace_input(graph: GraphProto, name: str, kind: TensorType) -> None:
    index = next(at for at, one in enumerate(graph.input) if one.name == name)
    graph.input[index].CopyFrom(value_info(f"{name}@picture", kind))


def _prepend(graph: GraphProto, nodes: _Nodes) -> None:
    own = [NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:]
    graph.node.extend([*nodes.nodes, *own])
    graph.initializer.extend(nodes.constants)


def _best(made: Composition, rule: OutputRule) -> None:
    """Add softmax and the best k of one output: `Y@scores` float32, `Y@indices` int64, both [batch, k]."""
    name, graph = str(rule.name), made.model.graph
    kind = made.types[name]
    if not kind.bucket or kind.dtype not in ("float32", "float16", "float64"):
        raise InvalidManifest(f"output `{name}` holds no class scores", "leave out `softmax` and `top_k`")
    classes = int(np.prod(kind.bucket[1:])) if len(kind.bucket) > 1 else kind.bucket[0]
    if rule.defaulted:
        rule = replace(rule, top_k=min(rule.top_k, classes))
    if rule.top_k > classes:
        raise InvalidManifest(f"top_k = {rule.top_k} of output `{name}`", f"it has {classes} classes")
    nodes = _Nodes(name)
    batch = kind.shape[0] if len(kind.shape) > 1 else 1
    _rank(nodes, rule, kind)
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.constants)
    sized = TensorType(
        "float32", (batch, rule.top_k), (kind.bucket[0] if len(kind.bucket) > 1 else 1, rule.top_k)
    )
    made.types[f"{name}@scores"] = sized
    made.types[f"{name}@indices"] = replace(sized, dtype="int64")
    made.scored[name] = rule
    if not rule.keep:
        kept = [one for one in graph.output if one.name != name]
        del graph.output[:]
        graph.output.extend(kept)
    graph.output.extend(
        value_info(f"{name}@{part}", made.types[f"{name}@{part}"]) for part in ("scores", "indices")
    )


def _rank(nodes: _Nodes, rule: OutputRule, kind: TensorType) -> None:
    scores, nodes.purpose = nodes.prefix, "best"
    if len(kind.bucket) != 2:
        scores = nodes.add("Flatten", [scores], "flat", axis=min(1, len(kind.bucket) - 1))
    if kind.dtype != "float32":
        scores = nodes.add("Cast", [scores], "wide", to=TensorProto.FLOAT)
    if rule.softmax:
        scores = nodes.add("Softmax", [scores], "softmax", axis=-1)
    k = nodes.constant("k", [rule.top_k])
    label = f"{nodes.prefix}/best/TopK_{len(nodes.nodes)}"
    outputs = [f"{nodes.prefix}@scores", f"{nodes.prefix}@indices"]
    nodes.nodes.append(helper.make_node("TopK", [scores, k], outputs, label, axis=-1))
