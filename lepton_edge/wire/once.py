"""What has been said of late, so that who knocks every second is a line of the log now and then.

Law: bounded; knows words and times, and no log.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

AGAIN = 600.0
"""Seconds after which the same words are news again."""
_MOST = 256


class Once:
    """The words that were said within the last minutes, as many as are kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: OrderedDict[str, float] = OrderedDict()

    def is_new(self, words: str) -> bool:
        """Say whether `words` were not said of late, and take them as said if so."""
        now = self._clock()
        if now - self._said.get(words, now - AGAIN) < AGAIN:
            return False
        self._said.pop(words, None)
        self._said[words] = now
        if len(self._said) > _MOST:
            self._said.popitem(last=False)
        return True
