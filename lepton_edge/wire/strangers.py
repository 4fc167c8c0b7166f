"""Bounds on those who have not proved who they are, so that they take nothing from those who have.

Law: counts, and says who waits and who goes; knows no socket. A stranger is in until it is known or gone. Whoever's
address has most strangers gives way when there are too many (where each has one: who is there longest, if for a
second); an address that shows no certificates gets so many handshakes a second (whoever then proves who it is gets its
back). An IPv6 address counts as its /64.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lepton_edge.core.errors import Overloaded

MOST = 192
"""Strangers at a time, where a port is not told otherwise."""
BURST = 64
"""Handshakes that an address gets at once, and"""
RATE = 20.0
"""a second, without anybody who proves who it is."""
LEAST_STAY = 1.0
"""Seconds that whoever is alone of its address has at least: a handshake takes a hundredth of that."""
_ADDRESSES = 1024  # that are remembered


@dataclass
class _Allowance:
    seen: float
    left: float = BURST
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)  # bounded by the strangers
    timer: asyncio.TimerHandle | None = None

    def grow(self, now: float) -> None:
        """Take note of the time that has passed."""
        self.left = min(BURST, self.left + (now - self.seen) * RATE)
        self.seen = now


class Strangers:
    """Those who are being served without being known, each in a task of its own."""

    def __init__(self, most: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most or MOST, clock
        self._inside: dict[
            asyncio.Task[None], tuple[str, float]
        ] = {}  # from where and since when; oldest first
        self._allowances: OrderedDict[str, _Allowance] = OrderedDict()

    @contextlib.contextmanager
    def inside(self, host: str) -> Iterator[Stranger]:
        """Count the current task as a stranger's from `host`, until it is known or leaves.

        It is cancelled when others need its place more. Raises Overloaded where there is none for it.
        """
        task, address = asyncio.current_task(), network(host)
        assert task is not None
        if len(self._inside) >= self._most:
            self._make_room(address)
        self._inside[task] = (address, self._clock())
        try:
            yield Stranger(self, task, address)
        finally:
            self._inside.pop(task, None)

    def _make_room(self, address: str) -> None:
        crowd, most = Counter(where for where, _ in self._inside.values()).most_common(1)[0]
        oldest, (where, since) = next(one for one in self._inside.items() if one[1][0] == crowd)
        if where == address or (most <= 1 and self._clock() - since < LEAST_STAY):
            raise Overloaded(f"too many connections from {address} that prove nothing", "try again later")
        del self._inside[oldest]
        oldest.cancel()

    def leave(self, task: asyncio.Task[None], address: str) -> None:
        """Count a task as a stranger's no more: it is known, and its handshake was none of a stranger's."""
        if self._inside.pop(task, None) is not None:
            allowance = self._allowance(address)
            allowance.left = min(BURST, allowance.left + 1)
            self._grant(allowance)

    async def turn(self, address: str) -> None:
        """Wait until a handshake from `address` may begin; the caller bounds how long."""
        allowance = self._allowance(address)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        allowance.waiting.append(mine)
        self._grant(allowance)
        await mine

    def _grant(self, allowance: _Allowance) -> None:
        """Let as many begin as there may, and see again in time where some have to wait."""
        allowance.grow(self._clock())
        while allowance.waiting and allowance.left >= 1:
            first = allowance.waiting.popleft()
            if not first.done():  # else it gave up
                allowance.left -= 1
                first.set_result(None)
        if allowance.waiting and allowance.timer is None:
            loop = asyncio.get_running_loop()
            allowance.timer = loop.call_later(1 / RATE, self._grant_again, allowance)

    def _grant_again(self, allowance: _Allowance) -> None:
        allowance.timer = None
        self._grant(allowance)

    def _allowance(self, address: str) -> _Allowance:
        found = self._allowances.setdefault(address, _Allowance(self._clock()))
        self._allowances.move_to_end(address)
        if len(self._allowances) > _ADDRESSES:
            self._allowances.popitem(last=False)
        return found


@dataclass(frozen=True)
class Stranger:
    """One of them, as the task that serves it has it."""

    among: Strangers
    task: asyncio.Task[None]
    address: str

    async def turn(self) -> None:
        """Wait until its handshake may begin; the caller bounds how long."""
        await self.among.turn(self.address)

    def known(self) -> None:
        """Say that it proved who it is."""
        self.among.leave(self.task, self.address)


def network(host: str) -> str:
    """Return what counts as one address: of IPv6 the /64, which is one customer's at least."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv6Address) and not found.ipv4_mapped:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)
