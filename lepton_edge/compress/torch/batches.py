"""Samples as shuffled batches of tensors.

Law: at most `BUFFER` samples and `BUFFER_BYTES` bytes are held at once, however large the data is; they are shuffled
among each other. The same seed and epoch give the same batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.technique import Sample, Samples

BUFFER = 8192
BUFFER_BYTES = 256 << 20


@dataclass(frozen=True)
class Batch:
    """Samples of one step: inputs by name, stacked along their first axis; labels where every sample has one."""

    feeds: Mapping[str, Tensor]
    labels: Tensor | None = None


def batches(samples: Samples, size: int, seed: int, epoch: int = 0) -> Iterator[Batch]:
    """Yield `samples` once, shuffled, `size` a batch; the last one may be smaller.

    Raises:
        UnusableData: samples of different shapes; the message names one.
    """
    order = np.random.default_rng((seed, epoch))
    held: list[Sample] = []
    room = BUFFER_BYTES
    for sample in samples:
        held.append(sample)
        room -= sum(array.nbytes for array in sample.feeds.values())
        if len(held) >= BUFFER or (room <= 0 and len(held) >= size):
            whole = len(held) - len(held) % size
            mixed = [held[index] for index in order.permutation(len(held))]
            yield from _cut(mixed[:whole], size)
            held, room = mixed[whole:], BUFFER_BYTES
    yield from _cut([held[index] for index in order.permutation(len(held))], size)


def _cut(samples: Sequence[Sample], size: int) -> Iterator[Batch]:
    for start in range(0, len(samples), size):
        yield stacked(samples[start : start + size])


def stacked(samples: Sequence[Sample]) -> Batch:
    """Return `samples` as one batch.

    Raises:
        UnusableData: their shapes differ; the message names the sample.
    """
    first = samples[0]
    for sample in samples:
        for name, array in sample.feeds.items():
            if array.shape[1:] != first.feeds[name].shape[1:]:
                raise UnusableData(
                    f"{sample.source}: {name} is {list(array.shape)}, {first.source} has "
                    f"{list(first.feeds[name].shape)}",
                    "train with samples of one shape",
                )
    feeds = {
        name: torch.from_numpy(np.concatenate([sample.feeds[name] for sample in samples]))
        for name in first.feeds
    }
    labels = [sample.label for sample in samples if sample.label is not None]
    if len(labels) < len(samples):
        return Batch(feeds)
    return Batch(feeds, torch.from_numpy(np.stack(labels)).reshape(-1).long())
