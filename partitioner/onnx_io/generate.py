"""Inputs made up for a model nobody gave samples for.

Law: deterministic for a seed; looks at the graph only to learn what an integer input may hold. Token ids must
stay inside the table they index, trip counts small, masks zero or one with at least one token kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, NodeProto

from partitioner.onnx_io.infer import TensorType

Array = npt.NDArray[np.generic]

_PASSES_VALUES_ON = frozenset((
    "Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Clip",
))  # fmt: skip
_TABLE_READERS = frozenset(("Gather", "GatherElements", "EmbedLayerNormalization"))
SMALL_COUNT = 3  # a scalar integer is most likely a trip count or a k


def feeds(graph: GraphProto, types: Mapping[str, TensorType], seed: int = 0) -> dict[str, Array]:
    """Return one array for each input of `graph`, of its dtype and its shape in the bucket."""
    random = np.random.default_rng(seed)
    bounds = index_bounds(graph)
    return {one.name: _array(random, types[one.name], bounds.get(one.name, 0)) for one in graph.input}


def index_bounds(graph: GraphProto) -> dict[str, int]:
    """Return for each input that indexes a table how many rows the (smallest) table has."""
    rows = {one.name: one.dims[0] for one in graph.initializer if one.dims}
    origin = {one.name: one.name for one in graph.input}
    bounds: dict[str, int] = {}
    for node in graph.node:
        if node.op_type in _PASSES_VALUES_ON and node.input[0] in origin:
            origin[node.output[0]] = origin[node.input[0]]
        for name, size in _lookups(node, rows):
            if name in origin:
                bounds[origin[name]] = min(size, bounds.get(origin[name], size))
    return bounds


def _lookups(node: NodeProto, rows: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return (index tensor, rows of its table) for each table that `node` reads along its first axis."""
    if node.op_type not in _TABLE_READERS:
        return []
    if node.op_type == "EmbedLayerNormalization":  # ids, segments, word table, position table, segment table
        pairs = [(0, 2), (1, 4)]
    else:
        axis = next((one.i for one in node.attribute if one.name == "axis"), 0)
        pairs = [(1, 0)] if axis == 0 else []
    return [(node.input[at], rows[node.input[table]]) for at, table in pairs if node.input[table] in rows]


def _array(random: np.random.Generator, kind: TensorType, bound: int) -> Array:
    dtype, shape = kind.numpy_dtype, kind.bucket
    if dtype.kind == "b":
        return np.ones(shape, dtype) if not shape else (random.random(shape) < 0.7).astype(dtype)
    if dtype.kind not in "iu":
        return np.asarray(random.standard_normal(shape)).astype(dtype)
    if bound:
        return np.asarray(random.integers(0, bound, shape)).astype(dtype)
    if dtype.itemsize == 1:
        limits = np.iinfo(dtype)
        return np.asarray(random.integers(limits.min, limits.max + 1, shape)).astype(dtype)
    if not shape:
        return np.asarray(SMALL_COUNT, dtype)
    return _mask(random, shape).astype(dtype)


def _mask(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    mask = np.asarray(random.random(shape) < 0.8)
    mask[..., 0] = True
    return mask
