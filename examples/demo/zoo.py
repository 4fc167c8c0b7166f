"""The nine topologies of the `onnx` package, with weights that mean nothing but behave like weights.

The package ships real architectures whose weights are constant fills, so that every activation is alike
and a wrong cut could hide. Here they get seeded random weights: activations stay finite, varied and
dependent on the input. Law: topology, names and opset stay as shipped; only weights change. Convolutions
and matrices after He et al., "Delving Deep into Rectifiers", 2015; residual branches are damped so that
sixteen sums do not grow.
"""

from __future__ import annotations

import copy
import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from examples.demo.errors import UnknownTopologyError

Floats: TypeAlias = NDArray[np.float32]
Shape: TypeAlias = tuple[int, ...]

TOPOLOGIES: Final = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)
# Smaller filters are depthwise here: no ReLU follows, and centering would lose the low frequencies.
_CENTERED_FAN_IN: Final = 16
# He's gain 2 keeps the second moment through ReLU; a centered filter sees only the variance of that.
_CENTERED_GAIN: Final = 2 / (1 - 1 / math.pi)
# The first in which an initializer need not be a graph input too.
_IR_VERSION: Final = 8
_FOLDER: Final = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def reseeded(name: str, seed: int = 0) -> onnx.ModelProto:
    """Return topology `name` with random weights (the same for one seed) as initializers, not as fills.

    Its one input is float32 [1, 3, 224, 224] and wants values like normalised pixels; it knows 1000 classes.

    Raises:
        UnknownTopologyError: `name` is not one of `TOPOLOGIES`.
    """
    if name not in TOPOLOGIES:
        raise UnknownTopologyError(f"no topology {name!r}; choose one of {', '.join(TOPOLOGIES)}")
    model = onnx.load(_FOLDER / f"light_{name}.onnx")
    shapes = _weight_shapes(model.graph)
    roles = _Roles(model.graph)
    weights = [
        numpy_helper.from_array(_DRAWS[roles.of(weight)](shape, _generator(weight, seed)), weight)
        for weight, shape in shapes.items()
    ]
    _replace_weights(model.graph, weights)
    model.ir_version = _IR_VERSION
    return model


class _Roles:
    """Says as which input of which kind of node a weight is used, and whether a residual sum follows."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._users: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
        for node in graph.node:
            for index, name in enumerate(node.input):
                self._users.setdefault(name, []).append((node, index))

    def of(self, name: str) -> str:
        """Return the role, a key of `_DRAWS`; the reshaping of a weight is looked through."""
        node, index = self._users[name][0]
        if node.op_type in {"Reshape", "Unsqueeze"}:
            return self.of(node.output[0])
        if (node.op_type, index) == ("BatchNormalization", 1) and self._ends_a_branch(node):
            return "damped scale"
        return _ROLES[node.op_type, index]

    def _ends_a_branch(self, node: onnx.NodeProto) -> bool:
        return any(user.op_type == "Sum" and index == 0 for user, index in self._users[node.output[0]])


_ROLES: Final = {
    ("Conv", 1): "kernel",
    ("Conv", 2): "offset",
    ("Gemm", 1): "matrix",
    ("Gemm", 2): "offset",
    ("BatchNormalization", 1): "scale",
    ("BatchNormalization", 2): "offset",
    ("BatchNormalization", 3): "offset",
    ("BatchNormalization", 4): "scale",
    ("Mul", 1): "scale",
    ("Add", 1): "offset",
}
_DRAWS: Final[dict[str, Callable[[Shape, np.random.Generator], Floats]]] = {
    "kernel": lambda shape, draw: _he_normal(shape, math.prod(shape[1:]), draw),
    "matrix": lambda shape, draw: _he_normal(shape, shape[-1], draw),
    "offset": lambda shape, draw: draw.standard_normal(shape, np.float32) * np.float32(0.1),
    "scale": lambda shape, draw: draw.random(shape, np.float32) * np.float32(0.4) + np.float32(0.8),
    "damped scale": lambda shape, draw: draw.random(shape, np.float32) * np.float32(0.1) + np.float32(0.3),
}


def _he_normal(shape: Shape, fan_in: int, draw: np.random.Generator) -> Floats:
    values = draw.standard_normal(shape, np.float32)
    if fan_in < _CENTERED_FAN_IN:
        values *= np.float32(math.sqrt(1 / fan_in))
        return values
    # What ReLU leaves is positive; uncentered filters pass that on until all inputs give one answer.
    filters = values.reshape(-1, fan_in)
    filters -= filters.mean(axis=1, keepdims=True)
    values *= np.float32(math.sqrt(_CENTERED_GAIN / fan_in))
    return values


def _generator(weight: str, seed: int) -> np.random.Generator:
    """Each weight has its own stream, so that its values do not depend on the order of nodes."""
    return np.random.default_rng([seed, zlib.crc32(weight.encode())])


def _weight_shapes(graph: onnx.GraphProto) -> dict[str, Shape]:
    """Return name and shape of every float weight, be it a fill or an initializer."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    shapes = {
        node.output[0]: tuple(int(size) for size in numpy_helper.to_array(constants[node.input[0]]))
        for node in _fills(graph)
    }
    read = {name for node in graph.node for name in node.input}
    stored = {
        tensor.name: tuple(tensor.dims)
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and tensor.name in read
    }
    return {**shapes, **stored}


def _fills(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    return (node for node in graph.node if node.op_type == "ConstantOfShape")


def _replace_weights(graph: onnx.GraphProto, weights: list[onnx.TensorProto]) -> None:
    """Put `weights` in the place of fills and float initializers; what nobody reads any more goes away."""
    names = {weight.name for weight in weights}
    nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    read = {name for node in nodes for name in node.input}
    constants = [tensor for tensor in graph.initializer if tensor.name in read - names]
    fed = [value for value in graph.input if value.name in read - names - {c.name for c in constants}]
    for field, content in ((graph.node, nodes), (graph.initializer, constants), (graph.input, fed)):
        kept = [copy.deepcopy(item) for item in content]
        del field[:]
        field.extend(kept)
    graph.initializer.extend(weights)
