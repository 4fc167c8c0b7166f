"""How often somebody may try: a bounded table of buckets, one an address, and one for all. Pure.

Law: times are handed in. Only failures are counted, so that a hundred boards behind one address all get in; secrets
cannot be guessed, so the limit is for what a failure costs the one who answers.
"""

from __future__ import annotations

from collections import OrderedDict

from partitioner.units import Seconds

BURST, EVERY = 10, Seconds(6.0)  # of one address: so many at once, then one every so many seconds
ALL_BURST, ALL_EVERY = 500, Seconds(0.02)
MOST_ADDRESSES = 4096


class Rates:
    """Failures by address: of those that were seen last. Each has `burst` at once, then one `every` so many seconds."""

    def __init__(self, burst: int = BURST, every: Seconds = EVERY) -> None:
        self._burst, self._every = burst, every
        self._spent: OrderedDict[str, tuple[float, Seconds]] = OrderedDict()
        self._all = (0.0, Seconds(0.0))

    def wait(self, address: str, now: Seconds) -> Seconds:
        """Return the seconds that `address` must wait before it may try; 0 where it may."""
        of_all = _left(self._all, now, ALL_EVERY) - (ALL_BURST - 1)
        return Seconds(max(self.own(address, now), of_all * ALL_EVERY))

    def own(self, address: str, now: Seconds) -> Seconds:
        """Return the same, whatever others have failed."""
        own = _left(self._spent.get(address, (0.0, now)), now, self._every) - (self._burst - 1)
        return Seconds(max(own * self._every, 0.0))

    def failed(self, address: str, now: Seconds) -> None:
        """Count a failure of `address`."""
        self._spent[address] = (_left(self._spent.pop(address, (0.0, now)), now, self._every) + 1, now)
        self._all = (_left(self._all, now, ALL_EVERY) + 1, now)
        while len(self._spent) > MOST_ADDRESSES:
            self._spent.popitem(last=False)


def _left(spent: tuple[float, Seconds], now: Seconds, every: Seconds) -> float:
    """Return what is left of what was spent, after what time has given back."""
    count, since = spent
    return max(0.0, count - max(0.0, now - since) / every)
