"""Some of the samples, where all of them would take too long.

Law: spread evenly over all, the same ones at every pass.
"""

from __future__ import annotations

from collections.abc import Iterator

from lepton_edge.compress.technique import Sample, Samples


class Some:
    """At most `count` of `samples`."""

    def __init__(self, samples: Samples, count: int) -> None:
        self._samples = samples
        self._count = min(count, len(samples))

    def __iter__(self) -> Iterator[Sample]:
        whole = len(self._samples)
        wanted = {place * whole // self._count for place in range(self._count)} if self._count else set()
        for place, sample in enumerate(self._samples):
            if place in wanted:
                yield sample

    def __len__(self) -> int:
        return self._count
