"""Weight sharing: the weights of a layer take a few values only, which a codebook lists.

Law: a technique. Zeros stay zeros, and in a pruned layer nothing else becomes one. In a float layer the values are
levels times the scale of an output's weights, so that one codebook serves outputs of any size; in a quantized layer
they are 8-bit levels. The model that comes out is an ordinary one; indices and codebooks are made by the store, from
the values alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, NodeProto

from lepton_edge.compress.errors import CompressionFailed, TooLittleData
from lepton_edge.compress.grid import Grid, codebook
from lepton_edge.compress.moments import attribute
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.settle import settled
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.weights import Weight, arrays, broken, float_weights, integer_weights, with_arrays
from lepton_edge.core.results import Array

MIN_GAIN = 8  # weights for each level of a codebook at least; a smaller layer is left alone
LARGEST = np.float32(127)  # the largest level of a float layer: levels fit into a byte
DENSE = 0.7  # share of weights that are not 0 from which on a layer was not pruned: a few more may become 0


class Share:
    """Lets the weights of each layer share values.

    Options: `bits`, the logarithm of how many values a layer has, 0 among them; `repair`: whether weights make up for
    each other's errors (float layers only).
    """

    name = "share"
    choices: Mapping[str, tuple[Value, ...]] = {"bits": (5, 3, 4, 6), "repair": (True, False)}
    needs_data = True
    extra = ""

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return why no weights can be shared; "" where some can."""
        found = float_weights(model)
        if not found and not integer_weights(model):
            return "it has no layer with constant weights of 8, 16 or 32 bits"
        return broken(model, found)

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return `model` with few different weights in each layer.

        Raises:
            TooLittleData: repair needs samples, and there are none.
            CompressionFailed: a weight is not finite, or `bits` is not from 1 to 8.
        """
        entries = _entries(options)
        floats, integers = float_weights(model), integer_weights(model)
        if problem := broken(model, floats):
            raise CompressionFailed(problem, "mend the model; NaN weights have no neighbours")
        held = arrays(model, floats)
        grids = {
            one: _grid(held[one], floats[one].readers[0], entries)
            for one in held
            if _pays(held[one], entries)
        }
        whole = arrays(model, integers)
        zeros = {name: _zero(model, weight) for name, weight in integers.items()}
        shared = {
            one: _shared(whole[one], zeros[one], entries) for one in whole if _pays(whole[one], entries)
        }
        if options["repair"] and grids:
            if not len(materials.calibration):
                raise TooLittleData("sharing with repair needs samples", "give data, or repair = false")
            return with_arrays(model, {**shared, **settled(model, grids, floats, materials)})
        return with_arrays(
            model, {**shared, **{name: grid.nearest(held[name]) for name, grid in grids.items()}}
        )


def _entries(options: Mapping[str, Value]) -> int:
    bits = int(options["bits"])
    if not 1 <= bits <= 8:
        raise CompressionFailed(f"a codebook of {bits} bits is none", "give bits from 1 to 8")
    return 1 << bits


def _pays(values: Array, entries: int) -> bool:
    return values.size >= MIN_GAIN * entries and len(np.unique(values)) > entries


def _grid(values: Array, node: NodeProto, entries: int) -> Grid:
    """Return what the weights of a float layer may be: few levels from -127 to 127, times a scale for each output."""
    axis = _output_axis(values, node)
    others = tuple(one for one in range(values.ndim) if one != axis)
    largest = np.max(np.abs(values.astype(np.float32)), axis=others, keepdims=True)
    scale = np.where(largest > 0, largest, LARGEST) / LARGEST
    kept = values != 0
    numbers = values.astype(np.float32) / scale
    importance = np.broadcast_to(np.square(scale), values.shape)[kept]
    return Grid(kept, scale.astype(np.float32), _levels(numbers, kept, importance, entries))


def _output_axis(values: Array, node: NodeProto) -> int:
    turned = node.op_type == "Gemm" and not attribute(node, "transB", 0)
    return values.ndim - 1 if turned or node.op_type == "MatMul" else 0


def _levels(values: Array, kept: Array, importance: Array, entries: int) -> Array:
    """Return whole levels for `values` where `kept`; 0 is one where nothing was pruned and many values lie there."""
    levels = np.unique(np.rint(codebook(values[kept], importance, entries - 1)))
    allowed = levels if np.mean(kept) > DENSE else levels[levels != 0]
    return allowed.astype(np.float32) if len(allowed) else np.ones(1, np.float32)


def _zero(model: ModelProto, weight: Weight) -> int:
    points = arrays(model, {weight.zero_point: 0}).get(weight.zero_point)
    return 0 if points is None else int(points.reshape(-1)[0])


def _shared(values: Array, zero: int, entries: int) -> Array:
    """Return 8-bit weights with `entries` different values at most; what means 0 still does."""
    numbers = values.astype(np.float32) - zero
    kept = numbers != 0
    levels = _levels(numbers, kept, np.ones(np.count_nonzero(kept)), entries)
    near = Grid(kept, np.ones((), np.float32), levels).nearest(numbers)
    return (near + zero).astype(values.dtype)


TECHNIQUE = Share()
