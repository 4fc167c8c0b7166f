"""Where an entry said that a model went: asked instead of the entry for a while, then that is asked again.

Law: remembers and decides; asks nobody. Only a client that was given an agent's own address takes a detour, since it
has no better word, and only to entries that this agent was told of by its coordinator: whoever merely does not answer,
or knows no model for a moment, is waited for. A client of a coordinator asks that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from lepton_edge.client.address import Doors

LASTS = 30.0  # seconds
MAX_ADDRESSES = 8


class Detour:
    """See the module. `clock` is seconds of a monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._to: tuple[str, ...] = ()
        self._until = 0.0

    def note(self, elsewhere: tuple[str, ...]) -> None:
        """Remember what an entry answered: where the model went, or that it knows nothing of that."""
        self._to = elsewhere[:MAX_ADDRESSES]
        self._until = self._clock() + LASTS

    @property
    def is_over(self) -> bool:
        """Whether the way that was given is to be tried again."""
        return bool(self._to) and self._clock() >= self._until

    def end(self) -> None:
        """Go by the way that was given, from now on."""
        self._to = ()

    def prolong(self) -> None:
        """Go on like this, since the way that was given cannot be asked for."""
        self._until = self._clock() + LASTS

    def doors(self, given: Doors) -> Doors:
        """Return the doors to knock at where `given` is what the client was given: that comes last, while it lasts."""
        own = given.entries == (given.asked,)
        return replace(given, entries=(*self._to, given.asked)) if own and self._to else given
