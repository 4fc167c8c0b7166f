"""Which channels are one and the same, and where their numbers lie in the weights.

Law: identities only: a union of channels, with a flag for those that must stay. It knows no operator.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.int64]

MADE, READ, SCALED = "made", "read", "scaled"
"""What a weight does to a channel along an axis: it makes it, reads it, or scales and shifts it."""


@dataclass(frozen=True)
class Place:
    """An axis of an initializer: what its weights do to the channels along it."""

    initializer: str
    axis: int
    role: str


@dataclass
class Ties:
    """All channels of a graph. `places` says which channel each index of a weight's axis is."""

    places: dict[Place, Ids] = field(default_factory=dict)
    _parents: list[int] = field(default_factory=list)
    _held: set[int] = field(default_factory=set)

    def fresh(self, count: int) -> Ids:
        """Return `count` new channels."""
        start = len(self._parents)
        self._parents.extend(range(start, start + count))
        return np.arange(start, start + count, dtype=np.int64)

    def root(self, channel: int) -> int:
        """Return the channel that stands for all that are one with `channel`."""
        while self._parents[channel] != channel:
            self._parents[channel] = self._parents[self._parents[channel]]
            channel = self._parents[channel]
        return channel

    def roots(self, ids: Ids) -> Ids:
        """Return the channels that stand for `ids`."""
        return np.array([self.root(int(one)) for one in ids], np.int64)

    def join(self, one: Ids, other: Ids) -> None:
        """Make them one, element by element."""
        for left, right in zip(one.tolist(), other.tolist(), strict=True):
            left, right = self.root(left), self.root(right)
            self._parents[right] = left
            if right in self._held:
                self._held.add(left)

    def hold(self, ids: Iterable[int]) -> None:
        """Let them stay in the graph."""
        self._held.update(self.root(int(one)) for one in ids)

    def is_held(self, root: int) -> bool:
        """Return whether the channel has to stay."""
        return root in self._held

    def put(self, place: Place, ids: Ids) -> None:
        """Note that `ids` lie along `place`; a weight that is used twice makes both uses one."""
        for known, before in self.places.items():
            if (known.initializer, known.axis) == (place.initializer, place.axis):
                self.join(before, ids)
        self.places.setdefault(place, ids)

    def groups(self) -> list[Ids]:
        """Return the channels that may be removed, those of the same places together, as roots."""
        homes: dict[int, set[Place]] = {}
        for place, ids in self.places.items():
            for one in set(self.roots(ids).tolist()):
                homes.setdefault(one, set()).add(place)
        together: dict[frozenset[Place], list[int]] = {}
        for one, places in sorted(homes.items()):
            made = any(place.role == MADE for place in places)
            if made and not self.is_held(one):
                together.setdefault(frozenset(places), []).append(one)
        return [np.array(ids, np.int64) for ids in together.values()]
