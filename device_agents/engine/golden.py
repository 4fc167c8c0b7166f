"""The golden check: does this device compute what the coordinator computed?

Law: pure comparison of arrays, block by block, each from golden inputs, so that the message names the block
that is wrong and an honest rounding difference does not add up through the model. One .npz holds every
frontier's tensors.

How far a tensor may be off: floats by `tolerance` of the largest golden value; 8-bit integers by two steps
(another JPEG decoder, another rounding of a quantized operator); wider integers in two elements or one per
cent (a top-k whose neighbours are as good as equal).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from device_agents.engine.blocks import OpenBlock
from lepton_edge.core.errors import PrepareFailed
from lepton_edge.core.results import Array
from partitioner.units import TensorName

STEPS = 2
WIDE_ELEMENTS = 2
WIDE_FRACTION = 0.01

Golden = Mapping[TensorName, Array]


def load_golden(file: Path) -> dict[TensorName, Array]:
    """Read every array of an .npz; never a pickle. Raises PrepareFailed when the file is not one."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {TensorName(name): arrays[name] for name in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise PrepareFailed(f"the golden sample cannot be read: {error}", "deploy the model again") from error


def check_block(one: OpenBlock, golden: Golden, tolerance: float) -> float:
    """Run a block from golden inputs and return its largest float difference over the largest golden value.

    A block whose inputs the golden sample lacks is not judged (0.0). Raises PrepareFailed naming block and
    tensor.
    """
    if any(spec.name not in golden for spec in one.block.inputs):
        return 0.0
    made = one.runner.run({spec.name: golden[spec.name] for spec in one.block.inputs})
    worst = 0.0
    for name in _comparable(made, golden):
        error = difference(made[name], golden[name], tolerance)
        if error is None:
            raise PrepareFailed(
                f"block {one.block.index} computes {name!r} differently here than the coordinator did",
                "compare the onnxruntime versions, or report this processor",
            )
        worst = max(worst, error)
    return worst


def difference(mine: Array, golden: Array, tolerance: float) -> float | None:
    """Return how far `mine` is off, relative to the largest golden value; None when that is too far."""
    if mine.shape != golden.shape or mine.dtype != golden.dtype:
        return None
    if mine.dtype.kind == "f":
        return _float_difference(mine.astype(np.float64), golden.astype(np.float64), tolerance)
    if mine.dtype.itemsize == 1 and mine.dtype.kind in "iu":
        return (
            0.0 if np.abs(mine.astype(np.int16) - golden.astype(np.int16)).max(initial=0) <= STEPS else None
        )
    wrong = int(np.count_nonzero(mine != golden))
    return 0.0 if wrong <= max(WIDE_ELEMENTS, WIDE_FRACTION * mine.size) else None


def _float_difference(mine: Array, golden: Array, tolerance: float) -> float | None:
    finite = np.isfinite(golden)
    if (
        not np.array_equal(mine[~finite], golden[~finite], equal_nan=True)
        or not np.isfinite(mine[finite]).all()
    ):
        return None
    scale = np.abs(golden[finite]).max(initial=0.0)
    error = float(np.abs(mine[finite] - golden[finite]).max(initial=0.0) / (scale or 1.0))
    return error if error <= tolerance else None


def _comparable(made: Iterable[TensorName], golden: Golden) -> list[TensorName]:
    return [name for name in made if name in golden]
