"""What a variant changes in the answers of its model.

Law: both run on the model's own samples, whole; the loss is as a codec's is (`compiled.CodecSample`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from partitioner.compiled import CompiledModel
from partitioner.onnx_io import Cutter
from partitioner.profile.activations import SAMPLES, Part
from partitioner.profile.samples import Array, Tensors, read_samples
from partitioner.units import TensorName

Place = tuple[Path, CompiledModel]


def variant_loss(base: Place, variant: Place, limit: int = SAMPLES) -> float | None:
    """Return the largest max|out - out'| / max|out| over outputs and at most `limit` samples of `base`.

    None where `base` has no samples.
    """
    both = _Whole(*base), _Whole(*variant)
    names = [spec.tensor for spec in base[1].outputs]
    losses = []
    for sample in read_samples(*base, limit):
        one, other = (whole.run(sample, names) for whole in both)
        losses += [_loss(one[name], other[name]) for name in names]
    return max(losses, default=None)


class _Whole:
    """A whole model, opened once for each way in."""

    def __init__(self, directory: Path, compiled: CompiledModel) -> None:
        self._directory, self._cutter = directory, Cutter(directory, compiled)
        self._parts: dict[frozenset[TensorName], Part] = {}

    def run(self, sample: Tensors, names: Sequence[TensorName]) -> Tensors:
        """Return the tensors `names` that the model makes of a sample."""
        given = frozenset(sample)
        if given not in self._parts:
            self._parts[given] = Part(self._directory, self._cutter, given, names)
        return self._parts[given].run(sample)


def _loss(wanted: Array, found: Array) -> float:
    one, other = (array.astype(np.float64) for array in (wanted, found))
    largest = float(np.abs(one).max(initial=0.0))
    apart = float(np.abs(one - other).max(initial=0.0))
    return apart / largest if largest else float(apart > 0)
