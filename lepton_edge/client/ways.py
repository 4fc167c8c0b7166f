"""From a model to the entry that is asked for it: one warm link, found anew where that is gone or has it no more.

Law: knows when a link is broken or its entry the wrong one; asks nothing itself. Ways of several models that lead
to one entry share the link. An agent's own address leads to that agent and to no other (who gave it may have meant that
the input goes nowhere else, and an agent that starts anew knows no model for a moment), unless that agent was told
where its coordinator moved the model: see `detour.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from lepton_edge.client.address import Doors
from lepton_edge.client.detour import Detour
from lepton_edge.core.errors import LeptonError, Unavailable
from lepton_edge.core.frames import Frame
from partitioner.units import ModelName


class Asked(Protocol):
    """What the transport needs of a link."""

    closed: asyncio.Event

    async def request(self, frame: Frame) -> Frame:
        """Send `frame` and return the answer to it; tell the peer when the caller gives up.

        Raises:
            Unavailable: the link broke.
        """
        ...

    async def close(self) -> None:
        """Say goodbye."""
        ...


Dial = Callable[[str], Awaitable[Asked]]
LAST_ANSWER = 120.0  # seconds that a link which nobody asks by any more waits for its last answer


class Links:
    """Open links by the address of their entry; how many ways use one decides when it is closed."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._open: dict[str, Asked] = {}
        self._dialling: dict[str, asyncio.Task[Asked]] = {}
        self._waiting: Counter[Asked] = Counter()  # requests under way by link
        self._leaving: set[asyncio.Task[None]] = set()
        self._idle: dict[Asked, asyncio.Event] = {}

    async def to(self, entry: str) -> Asked:
        """Return the link to an entry, dialling once where there is none. Raises what dialling raises."""
        known = self._known(entry)
        if known is not None:
            return known
        task = self._dialling.get(entry)
        if task is None or _failed(task):
            task = self._dialling[entry] = asyncio.create_task(_dialled(self._dial, entry))
            task.add_done_callback(_seen)
        used = await asyncio.shield(task)
        if self._dialling.get(entry) is task:
            del self._dialling[entry]
            self._open[entry] = used
        return used

    def _known(self, entry: str) -> Asked | None:
        used = self._open.get(entry)
        return used if used is not None and not used.closed.is_set() else None

    def forget(self, used: Asked) -> None:
        """Give no more of a link that broke."""
        for entry in [entry for entry, one in self._open.items() if one is used]:
            del self._open[entry]

    @contextlib.contextmanager
    def asking(self, used: Asked) -> Iterator[None]:
        """Count a request by a link, so that it is not closed under it."""
        self._waiting[used] += 1
        try:
            yield
        finally:
            self._waiting[used] -= 1
            if not self._waiting[used]:
                del self._waiting[used]
                self._idle.get(used, asyncio.Event()).set()

    async def leave(self, used: Asked) -> None:
        """Give no more of a link that is not needed any more; it is closed after its last answer."""
        self.forget(used)
        if not self._waiting[used]:
            await used.close()
        elif used not in self._idle:
            self._idle[used] = asyncio.Event()
            task = asyncio.create_task(self._close_idle(used))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _close_idle(self, used: Asked) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._idle[used].wait(), LAST_ANSWER)
        del self._idle[used]
        await used.close()

    async def close(self) -> None:
        """Close every link."""
        for idle in self._idle.values():
            idle.set()
        await asyncio.gather(*self._leaving)
        for task in self._dialling.values():
            task.cancel()
            if task.done() and not _failed(task):  # nobody waited for it any more
                await task.result().close()
        links, self._open = list(self._open.values()), {}
        for used in links:
            await used.close()


class Way:
    """One model's entry, and the link to it; `find` says where entries are."""

    def __init__(self, model: ModelName, links: Links, find: Callable[[], Awaitable[Doors]]) -> None:
        self.link: Asked | None = None
        self.away: list[str] = []  # entries that were to be asked rather than the link's, and why not
        self.doubted = False  # whether the link's entry may not be the right one any more
        self.in_use: Callable[[Asked], bool] = lambda used: False  # whether another way needs a link
        self._model = model
        self._links = links
        self._find = find
        self._entry = ""
        self._detour = Detour()
        self._dialling: asyncio.Task[Asked] | None = None

    async def warm(self) -> Asked:
        """Return the link, dialling when there is none; a caller that gives up does not end the dialling."""
        if self.link is not None and self._is_open() and not self.doubted and not self._detour.is_over:
            return self.link
        if self._dialling is None or self._dialling.done():
            self._dialling = asyncio.create_task(self._connect())
            self._dialling.add_done_callback(_seen)
        return await asyncio.shield(self._dialling)

    @property
    def is_dialling(self) -> bool:
        """Return whether somebody may wait for the link."""
        return self._dialling is not None and not self._dialling.done()

    def doubt(self, used: Asked, elsewhere: tuple[str, ...] = ()) -> None:
        """See who the entry is now, unless that was found out since `used` was asked; it says `elsewhere`."""
        if used is self.link:
            self.doubted = True
            self._detour.note(elsewhere)

    def forget(self, used: Asked) -> None:
        """Ask no more by a link that broke."""
        self._links.forget(used)
        if self.link is used:
            self.link = None

    def end(self) -> None:
        """Stop looking for an entry."""
        if self._dialling is not None:
            self._dialling.cancel()
        self.link = None

    def _is_open(self) -> bool:
        return self.link is not None and not self.link.closed.is_set()

    async def _connect(self) -> Asked:
        """Dial an entry; keep the link that is there where it is still the right one, or nobody can say."""
        doubted, self.doubted = self.link if self._is_open() else None, False
        try:
            doors = await self._given()
        except LeptonError:
            if doubted is None:
                raise
            return doubted
        if doubted is None or doors.of(self._model)[:1] != (self._entry,):
            self.link = await self._dial_any(doors)
            self.doubted = self.doubted and self.link is doubted  # by those who asked the one before
            if doubted is not None and doubted is not self.link and not self.in_use(doubted):
                await self._links.leave(doubted)
        assert self.link is not None
        return self.link

    async def _given(self) -> Doors:
        """Return where to ask, by whoever was given; where that one was left, by what it said last."""
        try:
            doors = await self._find()
        except LeptonError:
            self._detour.prolong()
            raise
        if self._detour.is_over:
            self._detour.end()
        return self._detour.doors(doors)

    async def _dial_any(self, doors: Doors) -> Asked:
        failures: list[str] = []
        for entry in doors.of(self._model):
            used = await self._dial_one(entry, failures)
            if used is not None:
                self.away, self._entry = failures, entry
                return used
        raise _no_entry(doors, failures)

    async def _dial_one(self, entry: str, failures: list[str]) -> Asked | None:
        try:
            return await self._links.to(entry)
        except LeptonError as error:
            failures.append(f"{entry}: {error.message}")
            return None


async def _dialled(dial: Dial, entry: str) -> Asked:
    return await dial(entry)


def _failed(task: asyncio.Task[Asked]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _seen(task: asyncio.Task[Asked]) -> None:
    """Look at how dialling ended, so that nobody complains when every caller has given up."""
    if not task.cancelled():
        task.exception()


def _no_entry(doors: Doors, failures: list[str]) -> Unavailable:
    if not failures:
        return Unavailable(
            f"the coordinator at {doors.asked} knows no agent that admits requests",
            "on a device: lepton-edge agent join HOST:PORT --token LE1..., then lepton-edge agent start",
        )
    return Unavailable(f"no entry can be reached: {'; '.join(failures)}", "check the network and the agents")
