"""What dtype and shape every tensor of a graph has, as the engine itself sees it.

Law: asks the engine rather than guesses, so that contrib operators are known like any other. The order is:
what a session says with dynamic dimensions open (the shape that blocks declare), what it says with them bound
to the shape bucket (the size), and, where it still cannot say, one run that measures shapes only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, TensorProto, TypeProto, ValueInfoProto, helper

from partitioner.codecs import DTYPE_BYTES
from partitioner.errors import InvalidManifest
from partitioner.onnx_io import runtime, scope

Feeds = Mapping[str, npt.NDArray[np.generic]]

_DTYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(bfloat16)": "bfloat16",
} | {f"tensor({name})": name for name in DTYPE_BYTES}  # fmt: skip
_ELEMENTS = {
    "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16, "bool": TensorProto.BOOL,
    "int8": TensorProto.INT8, "int16": TensorProto.INT16, "int32": TensorProto.INT32,
    "int64": TensorProto.INT64, "uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32, "uint64": TensorProto.UINT64,
}  # fmt: skip


@dataclass(frozen=True)
class TensorType:
    """What the engine knows of one tensor.

    `dtype` is numpy's name, or empty for what cannot cross a cut (sequences, optionals, strings). `shape` has
    a name (or "") for each dynamic dimension; `bucket` is the shape in the declared bucket.
    """

    dtype: str
    shape: tuple[int | str, ...]
    bucket: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Bytes in the bucket (0 for what cannot cross a cut)."""
        return prod(self.bucket) * DTYPE_BYTES.get(self.dtype, 0)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The numpy dtype; raise TypeError for what has none."""
        return np.dtype(ml_dtypes.bfloat16 if self.dtype == "bfloat16" else self.dtype)


def value_info(name: str, kind: TensorType) -> ValueInfoProto:
    """Return the ONNX declaration of a tensor; unnamed dynamic dimensions stay open."""
    shape = [dim if dim != "" else None for dim in kind.shape]
    return helper.make_tensor_value_info(name, _ELEMENTS[kind.dtype], shape)


def is_dense(kind: TypeProto) -> bool:
    """Say whether a declared type is a tensor of numbers that can travel: no sequence, text or complex."""
    return kind.HasField("tensor_type") and kind.tensor_type.elem_type in _ELEMENTS.values()


def bind(graph: GraphProto, shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return the bucket's value of every symbolic dimension of the inputs; a leading one defaults to 1.

    Raises InvalidManifest for a shape of an input that does not exist, of the wrong rank, or against a fixed
    size; for a symbol bound to two values; and for a dynamic dimension that nobody binds.
    """
    inputs = {one.name: one for one in graph.input}
    for name in shapes:
        if name not in inputs:
            raise InvalidManifest(
                f"a shape is given for `{name}`", "the model's inputs are " + ", ".join(inputs)
            )
    symbols: dict[str, int] = {}
    for name, shape in shapes.items():
        _bind_one(symbols, name, dims(inputs[name]), shape)
    for name, one in inputs.items():
        for axis, dim in enumerate(dims(one)):
            if isinstance(dim, str) and dim not in symbols:
                symbols[dim] = _default(name, axis, dim)
    return symbols


def dims(value: ValueInfoProto) -> tuple[int | str, ...]:
    """Return the declared shape of a graph input or output."""
    declared = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in declared)


def _bind_one(
    symbols: dict[str, int], name: str, declared: Sequence[int | str], given: Sequence[int]
) -> None:
    if len(declared) != len(given):
        raise InvalidManifest(
            f"the shape {list(given)} of `{name}` has {len(given)} dimensions", f"it needs {len(declared)}"
        )
    for dim, size in zip(declared, given, strict=True):
        known = dim if isinstance(dim, int) else symbols.setdefault(dim, size)
        if known != size:
            raise InvalidManifest(
                f"the shape {list(given)} of `{name}` says {size} where {dim!r} is {known}", "make them agree"
            )


def _default(name: str, axis: int, dim: str) -> int:
    if axis == 0:
        return 1
    hint = f"declare a typical shape: --shape {name}=... or `shape` in the manifest"
    raise InvalidManifest(f"dimension {axis} ({dim!r}) of input `{name}` is dynamic", hint)


def declared(graph: GraphProto, symbols: Mapping[str, int]) -> dict[str, TensorType]:
    """Return the types of the inputs, with the shape bucket that `symbols` gives."""
    names = {element: name for name, element in _ELEMENTS.items()}
    return {
        one.name: TensorType(
            names[one.type.tensor_type.elem_type],
            dims(one),
            tuple(symbols[dim] if isinstance(dim, str) else dim for dim in dims(one)),
        )
        for one in graph.input
    }


def infer(model: ModelProto, folder: Path, symbols: Mapping[str, int], feeds: Feeds) -> dict[str, TensorType]:
    """Return the type of every input and every tensor that a node of the main graph makes.

    `folder` holds the external data, `symbols` binds the dynamic dimensions, `feeds` are inputs for the run
    that measures what inference cannot tell.
    """
    wide = _with_outputs(model, scope.made(model.graph.node))
    open_types = _ask(wide, folder, {})
    bound = _ask(wide, folder, symbols) if symbols else open_types
    types = {
        name: TensorType(_DTYPES.get(kind, ""), shape, _sizes(bound[name][1]))
        for name, (kind, shape) in open_types.items()
    }
    unsure = [
        name
        for name, (kind, shape) in bound.items()
        if kind in _DTYPES and (not shape or -1 in _sizes(shape))
    ]
    inputs = {one.name for one in model.graph.input}
    unsure = [name for name in unsure if name not in inputs]
    return types | _measured(model, folder, types, unsure, feeds) if unsure else types


def _sizes(shape: Iterable[int | str]) -> tuple[int, ...]:
    return tuple(dim if isinstance(dim, int) else -1 for dim in shape)


def _with_outputs(model: ModelProto, names: Iterable[str]) -> ModelProto:
    wide = ModelProto()
    wide.CopyFrom(model)
    present = {one.name for one in wide.graph.output}
    wide.graph.output.extend(ValueInfoProto(name=name) for name in names if name not in present)
    return wide


def _ask(
    model: ModelProto, folder: Path, symbols: Mapping[str, int]
) -> dict[str, tuple[str, tuple[int | str, ...]]]:
    chosen = runtime.options(folder, runtime.OFF)
    for name, size in symbols.items():
        chosen.add_free_dimension_override_by_name(name, size)
    session = runtime.open_session(model, chosen)
    known = set(symbols) | {dim for one in model.graph.input for dim in dims(one) if isinstance(dim, str)}
    return {
        one.name: (one.type, tuple(_dim(dim, known) for dim in one.shape))
        for one in (*session.get_inputs(), *session.get_outputs())
    }


def _dim(dim: int | str | None, known: set[str]) -> int | str:
    """Keep sizes and the names that inputs declare; what the engine invents for itself is no name."""
    if isinstance(dim, int):
        return dim
    return dim if dim in known else ""


def _measured(
    model: ModelProto,
    folder: Path,
    types: Mapping[str, TensorType],
    names: Sequence[str],
    feeds: Feeds,
) -> dict[str, TensorType]:
    probe = ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    for index, name in enumerate(names):
        probe.graph.node.append(helper.make_node("Shape", [name], [f"shape@{index}"]))
        probe.graph.output.append(ValueInfoProto(name=f"shape@{index}"))
    session = runtime.open_session(probe, runtime.options(folder, runtime.OFF))
    shapes = runtime.run(session, feeds)
    return {
        name: _with_shape(types[name], tuple(int(dim) for dim in np.asarray(shapes[f"shape@{index}"])))
        for index, name in enumerate(names)
    }


def _with_shape(kind: TensorType, bucket: tuple[int, ...]) -> TensorType:
    shape = kind.shape if len(kind.shape) == len(bucket) else ("",) * len(bucket)
    return replace(kind, shape=shape, bucket=bucket)
