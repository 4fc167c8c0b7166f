"""Weights that make up for each other's errors: column by column onto a grid, the error into the columns to come.

Law: given moments and a grid it computes; it decides neither. This is Optimal Brain Surgeon as SparseGPT and GPTQ do it
(Frantar and Alistarh, arXiv 2301.00774 and 2210.17323), for zeros and for levels alike, with the bias as the last
column, which takes what is left. Where zeros alone are asked for and it is affordable, the rest is fitted to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto
from scipy.linalg import solve

from lepton_edge.compress.grid import Grid, pick
from lepton_edge.compress.layers import channel_axis
from lepton_edge.compress.moments import Layer, attribute, collect
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.thinning import Some
from lepton_edge.compress.weights import Weight, arrays
from lepton_edge.core.results import Array

MOMENTS_BYTES = 384 << 20
"""Memory of the moments that are gathered in one pass; more layers take more passes."""
MAX_COLUMNS = (
    4608  # of a layer; with more the moments and their inverse cost too much, and it is left as it is
)
MAX_WORK = (
    400_000_000_000  # outputs x columns cubed of a layer; with more, zeros too are settled column by column
)
SAMPLES = 128  # samples of a pass at most

TOGETHER = 128  # columns whose errors go to the columns behind them at once
_DAMPING = 0.01  # of the mean diagonal: columns that say nothing, or the same as another, stay where they are


def settled(
    model: ModelProto, grids: Mapping[str, Grid], found: Mapping[str, Weight], materials: Materials
) -> dict[str, Array]:
    """Return weights on their grids, and biases, that keep the layers' outputs as far as may be.

    Weights without moments (recurrent, transposed, read by several layers or very wide) are just rounded.
    """
    held = arrays(model, {one.name: one for one in model.graph.initializer})
    made = {name: grid.nearest(held[name]) for name, grid in grids.items()}
    samples = Some(materials.calibration, SAMPLES)
    for batch in _batches([one for one in layers(model, found) if one.weight in grids]):
        moments = collect(model, batch, samples, materials.seed, materials.progress)
        for layer in batch:
            made.update(_layer(layer, held, grids[layer.weight], moments.pop(layer.weight)))
    return made


def layers(model: ModelProto, found: Mapping[str, Weight]) -> Iterator[Layer]:
    """Yield the layers whose outputs are sums over columns of their weights that can be learned from samples."""
    constants = {one.name: one for one in model.graph.initializer}
    for weight in found.values():
        tensor, node = constants[weight.name], weight.readers[0]
        if len(weight.readers) > 1 or not _suits(node, weight.name, tensor) or node.input[0] in constants:
            continue
        bias = node.input[2] if len(node.input) > 2 and node.op_type in ("Conv", "Gemm") else ""
        each = bias in constants and list(constants[bias].dims) == [tensor.dims[channel_axis(node)]]
        readers = sum(list(one.input).count(bias) for one in model.graph.node) if bias else 0
        layer = Layer(node, weight.name, tuple(tensor.dims), bias if each and readers == 1 else "")
        if layer.columns <= MAX_COLUMNS:
            yield layer


def _suits(node: NodeProto, name: str, tensor: TensorProto) -> bool:
    if tensor.data_type != TensorProto.FLOAT or node.input[1] != name:
        return False
    if node.op_type == "Conv":
        return len(tensor.dims) == 4
    plain = attribute(node, "alpha", 1.0) == attribute(node, "beta", 1.0) == 1.0
    return node.op_type in ("Gemm", "MatMul") and len(tensor.dims) == 2 and plain


def _batches(them: Sequence[Layer]) -> Iterator[list[Layer]]:
    batch: list[Layer] = []
    for layer in them:
        if batch and sum(one.bytes for one in batch) + layer.bytes > MOMENTS_BYTES:
            yield batch
            batch = []
        batch.append(layer)
    if batch:
        yield batch


def _layer(layer: Layer, held: Mapping[str, Array], grid: Grid, moments: Array) -> dict[str, Array]:
    rows = layer.rows(held[layer.weight])
    kept = layer.rows(np.broadcast_to(grid.kept, layer.shape))
    scale = layer.rows(np.broadcast_to(grid.scale, layer.shape))
    bias = held[layer.bias].reshape(layer.groups, -1, 1) if layer.bias else rows[:, :, :0]
    whole = np.stack([
        settle(np.concatenate([row, end], axis=1), moment, Grid(keep, size, grid.levels))
        for row, end, moment, keep, size in zip(rows, bias, moments, kept, scale, strict=True)
    ])  # fmt: skip
    columns = rows.shape[2]
    changed = {layer.weight: layer.weights(whole[:, :, :columns])}
    if layer.bias:
        changed[layer.bias] = whole[:, :, columns].reshape(-1)
    return changed


def settle(rows: Array, moments: Array, grid: Grid) -> Array:
    """Return `rows` [outputs, columns] with the first columns on the grid, float32; the grid has no bias column."""
    if grid.levels is None and len(rows) * len(moments) ** 3 <= MAX_WORK:
        return _refitted(rows, _damped(moments), grid.kept)
    upper = _upper(moments)
    left = rows.astype(np.float64)
    made = np.empty(rows.shape, np.float32)
    for start in range(0, rows.shape[1], TOGETHER):
        end = min(start + TOGETHER, rows.shape[1])
        errors = _settle_some(
            left[:, start:end], made[:, start:end], upper[start:end, start:end], grid, start
        )
        left[:, end:] -= errors @ upper[start:end, end:]
    return made


def _settle_some(left: Array, made: Array, upper: Array, grid: Grid, start: int) -> Array:
    """Settle neighbouring columns, of which the first is column `start`, in place; return their errors."""
    errors = np.empty_like(left)
    for at in range(left.shape[1]):
        column, place = left[:, at], start + at
        bound = place < grid.kept.shape[1]  # the bias is not
        made[:, at] = (
            pick(column, grid.kept[:, place], grid.scale[:, place], grid.levels) if bound else column
        )
        errors[:, at] = (column - made[:, at]) / upper[at, at]
        left[:, at + 1 :] -= np.outer(errors[:, at], upper[at, at + 1 :])
    return errors


def _refitted(rows: Array, moments: Array, kept: Array) -> Array:
    """Return the best of all rows with these zeros: least squares, row by row."""
    made = np.zeros(rows.shape, np.float32)
    for at, row in enumerate(rows.astype(np.float64)):
        free = np.concatenate([kept[at], np.ones(rows.shape[1] - kept.shape[1], bool)])
        if free.any():
            made[at, free] = solve(moments[np.ix_(free, free)], moments[free] @ row, assume_a="pos")
    return made


def _upper(moments: Array) -> Array:
    """Return the upper Cholesky factor of the inverse of the damped moments."""
    inverse = np.linalg.inv(_damped(moments))
    upper: Array = np.linalg.cholesky((inverse + inverse.T) / 2).T
    return upper


def _damped(moments: Array) -> Array:
    damping = _DAMPING * float(np.mean(np.diag(moments))) or 1.0
    damped: Array = moments + damping * np.eye(len(moments))
    return damped
