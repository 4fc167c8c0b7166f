"""What a variant changes in the answers of its model.

Law: both run on the model's own samples, whole; the loss is as a codec's is (`compiled.CodecSample`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from partitioner.compiled import CompiledModel
from partitioner.onnx_io import Cutter
from partitioner.profile.activations import SAMPLES, Part
from partitioner.profile.samples import Array, read_samples

Place = tuple[Path, CompiledModel]


def variant_loss(base: Place, variant: Place, limit: int = SAMPLES) -> float | None:
    """Return the largest max|out - out'| / max|out| over outputs and at most `limit` samples of `base`.

    None where `base` has no samples.
    """
    names = [spec.tensor for spec in base[1].outputs]
    losses = []
    for sample in read_samples(*base, limit):
        given = frozenset(sample)
        one, other = (
            Part(directory, Cutter(directory, compiled), given, names).run(sample)
            for directory, compiled in (base, variant)
        )
        losses += [_loss(one[name], other[name]) for name in names]
    return max(losses, default=None)


def _loss(wanted: Array, found: Array) -> float:
    one, other = (array.astype(np.float64) for array in (wanted, found))
    largest = float(np.abs(one).max(initial=0.0))
    apart = float(np.abs(one - other).max(initial=0.0))
    return apart / largest if largest else float(apart > 0)
