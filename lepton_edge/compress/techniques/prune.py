"""Unstructured pruning: the smallest weights become zero, and the others make up for it.

Law: a technique. How many are dropped is asked for; in which layers is found by magnitude or by trying; no layer loses
all of its weights. It wins bytes in the store and on the wire, and no time: engines compute with zeros as with others.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto

from lepton_edge.compress import masks
from lepton_edge.compress.errors import CompressionFailed, TooLittleData
from lepton_edge.compress.grid import Grid
from lepton_edge.compress.recipe import Target, Value
from lepton_edge.compress.settle import settled
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.thinning import Some
from lepton_edge.compress.tolerance import SHARES, tolerances
from lepton_edge.compress.weights import Weight, arrays, broken, float_weights, integer_weights, with_arrays
from lepton_edge.core.results import Array

TRIED_ON = 8  # samples on which each layer is tried at each share
UNIT = np.ones((), np.float32)


class Prune:
    """Sets the smallest weights to zero.

    Options: `sparsity`, the share of all weights that become zero; `layers`, how it is spread ("lamp": by magnitude,
    "measured": where the outputs change least, "uniform"); `repair`: whether the weights that stay make up for it.
    """

    name = "prune"
    choices: Mapping[str, tuple[Value, ...]] = {
        "sparsity": (0.5, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9),
        "layers": ("lamp", "measured", "uniform"),
        "repair": (True, False),
    }
    needs_data = True
    extra = ""

    def refuse(self, model: ModelProto, target: Target) -> str:
        """Return why nothing can be pruned; "" where something can."""
        found = float_weights(model)
        if integer_weights(model):
            return "it is quantized already: prune before that"
        if not found:
            return "it has no layer with constant floating-point weights"
        return broken(model, found)

    def apply(self, model: ModelProto, materials: Materials, options: Mapping[str, Value]) -> ModelProto:
        """Return `model` with zeros.

        Raises:
            TooLittleData: the options need samples, and there are none.
            CompressionFailed: a weight is not finite, or `sparsity` is no share.
        """
        found = float_weights(model)
        if problem := broken(model, found):
            raise CompressionFailed(problem, "mend the model; NaN weights cannot be ranked")
        if (options["repair"] or options["layers"] == "measured") and not len(materials.calibration):
            raise TooLittleData(
                "pruning with repair or measured layers needs samples", "give data, or repair = false"
            )
        held = arrays(model, found)
        shares = _shares(model, held, materials, options)
        grids = {name: Grid(~masks.smallest(held[name], share), UNIT) for name, share in shares.items()}
        return with_arrays(model, _zeroed(model, grids, found, materials, bool(options["repair"])))


def _shares(
    model: ModelProto, held: Mapping[str, Array], materials: Materials, options: Mapping[str, Value]
) -> dict[str, float]:
    share = float(options["sparsity"])
    if not 0 <= share < 1:
        raise CompressionFailed(f"sparsity {share} is no share of the weights", "give one from 0 to below 1")
    if options["layers"] == "measured":
        errors = tolerances(model, held, Some(materials.calibration, TRIED_ON), materials.progress)
        sizes = {name: values.size for name, values in held.items()}
        return masks.by_tolerance(sizes, errors, SHARES, share)
    return {"lamp": masks.lamp, "uniform": masks.uniform}[str(options["layers"])](held, share)


def _zeroed(
    model: ModelProto,
    grids: Mapping[str, Grid],
    found: Mapping[str, Weight],
    materials: Materials,
    repair: bool,
) -> dict[str, Array]:
    if repair:
        return settled(model, grids, found, materials)
    held = arrays(model, grids)
    return {name: grid.nearest(held[name]) for name, grid in grids.items()}


TECHNIQUE = Prune()
