"""The transport over a network: one warm link to an entry, and the coordinator when it is needed.

Law: knows when a link is broken and whether it is safe to ask again; knows nothing of models, arrays or
deadlines of callers beyond `remaining_ms`. It asks again once, on a fresh link, and only what has no state:
the same request under the same id, which the entry recognises, so that work is done once and answered where
it was asked last.
"""

from __future__ import annotations

import asyncio
import functools
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from lepton_edge.client.address import (
    Doors,
    describe,
    find_coordinator,
    find_doors,
    is_local,
    refuse_older,
)
from lepton_edge.client.exchange import aged
from lepton_edge.client.ways import Asked, Dial, Links, Way
from lepton_edge.core.errors import CorruptFrame, DeadlineExceeded, LeptonError, Unavailable, UnknownModel
from lepton_edge.core.frames import Frame
from lepton_edge.core.identity import COORDINATOR_HOST
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import AdminCall, AdminEvent
from lepton_edge.core.version import __version__
from lepton_edge.link import link, near
from lepton_edge.wire import rpc
from lepton_edge.wire.tls import Trust
from partitioner.units import ModelName

log = structlog.get_logger("client")

Find = Callable[["str | None"], Awaitable[Doors]]
MAX_WAYS = 64  # models whose entries a client keeps in mind


class RemoteTransport:
    """See the module. `find` and `dial` are replaced in tests. With `trust` all is asked over TLS.

    `beside` says where the coordinator is in whose state the key lies, "" where that is not known.

    An entry on this machine is dialled by its local socket where that can be; `near` True insists on it, False goes by
    the data port as to any other.

    Raises (from `call` and `admin`):
        Unavailable, DiscoveryFailed, IncompatibleVersion, InvalidInput: as `address.find_doors`.
    """

    def __init__(
        self,
        address: str | None,
        find: Find | None = None,
        dial: Dial | None = None,
        *,
        near: bool | None = None,
        trust: Trust | None = None,
        beside: Callable[[], str] = str,
    ) -> None:
        self._address, self._trust, self._beside = address, trust, beside
        self._find = find or (lambda asked: find_doors(asked, trust, beside()))
        self._dial = dial or functools.partial(dial_entry, by_socket=near, trust=trust)
        self._links = Links(self._dial)
        self._ways: dict[ModelName, Way] = {}
        self._closed = False

    async def call(self, frame: Frame) -> Frame:
        """Ask the entry; once again on a fresh link when the first broke and the request has no state."""
        started = time.monotonic()
        way = self._way(frame.model)
        used = await self._warm(way)
        try:
            answer = await self._ask(used, frame)
        except Unavailable:
            way.forget(used)
            if frame.state_position >= 0 or self._closed:
                raise
            used = await self._warm(way)
            answer = await self._ask(used, aged(frame, time.monotonic() - started))
        if _has_moved(answer) and not way.away and frame.state_position < 0:
            used, answer = await self._followed(way, used, answer, aged(frame, time.monotonic() - started))
        return _heard(way, used, answer)

    async def _ask(self, used: Asked, frame: Frame) -> Frame:
        with self._links.asking(used):
            return await used.request(frame)

    async def _warm(self, way: Way) -> Asked:
        if self._closed:
            raise Unavailable("this client is closed", "make a new one")
        return await way.warm()

    def _way(self, model: ModelName) -> Way:
        """Return the way to the entry of a model."""
        known = self._ways.get(model)
        if known is None:
            self._make_room()
            known = self._ways[model] = Way(model, self._links, lambda: self._find(self._address))
            known.in_use = lambda used: any(way.link is used for way in self._ways.values())
        return known

    def _make_room(self) -> None:
        """Forget the first models where there are too many, but for those whose entry is being dialled for somebody."""
        idle = [model for model, way in self._ways.items() if not way.is_dialling]
        for model in idle[: max(0, len(self._ways) - MAX_WAYS + 1)]:
            self._ways.pop(model).end()

    async def _followed(self, way: Way, used: Asked, answer: Frame, frame: Frame) -> tuple[Asked, Frame]:
        """Ask where the model is now, when its entry has it no more; return `answer` where that is nowhere else."""
        way.doubt(used, _elsewhere(answer))
        other = await self._warm(way)
        return (used, answer) if other is used else (other, await self._ask(other, frame))

    async def admin(self, calls: AsyncIterator[AdminCall]) -> AsyncIterator[AdminEvent]:
        """Put `calls` to the coordinator and yield what it says."""
        address = await self._control_address()
        channel = rpc.open_channel(address, rpc.LONGEST_COMMAND, trust=self._trust, host=COORDINATOR_HOST)
        outgoing = _Outgoing(calls, address, self._trust)
        try:
            async for event in rpc.ControlStub(channel, address).admin(outgoing.calls()):
                yield event
        except asyncio.CancelledError:  # also what gRPC makes of an error in what it was given to send
            if outgoing.error is not None:
                raise outgoing.error from None
            raise
        finally:
            await channel.close()

    async def _control_address(self) -> str:
        if self._address is None:
            return await find_coordinator(None, self._trust, self._beside())
        found = await self._find(self._address)
        if not found.coordinator:
            raise Unavailable(
                f"the agent at {found.asked} knows no coordinator", "give the coordinator's address instead"
            )
        return found.coordinator

    async def close(self) -> None:
        """Close the link; requests in flight end with Unavailable."""
        self._closed = True
        for way in self._ways.values():
            way.end()
        await self._links.close()


class _Outgoing:
    """Remembers why what is being sent broke off: a file that cannot be read any more, say."""

    def __init__(self, calls: AsyncIterator[AdminCall], address: str, trust: Trust | None) -> None:
        self._calls, self._address, self._trust = calls, address, trust
        self.error: LeptonError | None = None

    async def calls(self) -> AsyncIterator[AdminCall]:
        """Yield the calls, those that the coordinator knows; keep the error that ends them early."""
        try:
            async for call in self._calls:
                await refuse_older(self._address, call, self._trust)
                yield call
        except LeptonError as error:
            self.error = error
            raise


async def dial_entry(address: str, by_socket: bool | None = None, trust: Trust | None = None) -> Asked:
    """Open a link to the entry at `address` as a peer of kind client; by its local socket where there is one.

    Raises:
        Unavailable: nobody answers in time.
        IncompatibleVersion: the entry speaks another protocol.
        Unauthenticated: one side does not believe the other.
    """
    hello = LinkHello("client", f"client-{uuid.uuid4().hex[:8]}", __version__, checksums=())
    try:
        if by_socket is not False:
            found = await _dial_near(address, hello, by_socket is True, trust)
            if found is not None:
                return found
        return await link.dial(address, hello, _ignore, trust=trust)
    except DeadlineExceeded as error:
        raise Unavailable(f"{address} does not say hello", "is this the data port of an agent?") from error


async def _dial_near(address: str, hello: LinkHello, must: bool, trust: Trust | None) -> Asked | None:
    """Return a link by the local socket of the entry at `address`; None where there is no way.

    Raises Unavailable where nobody answers at all.
    """
    here = await asyncio.to_thread(is_local, address)  # it may have to ask for a name's address
    found = await describe(address, trust=trust) if here else None
    try:
        if found is None:
            raise Unavailable(f"{address} is another machine")
        return await near.dial(found.near, hello, _ignore)
    except (Unavailable, CorruptFrame) as error:  # the latter: somebody else listens there
        if must:
            raise
        log.debug("no near link", entry=address, why=error.message)
        return None


def _has_moved(answer: Frame) -> bool:
    """Return whether an entry has the model no more, or not for long."""
    return answer.error is not None and answer.error.code in (UnknownModel.code, Unavailable.code)


def _elsewhere(answer: Frame) -> tuple[str, ...]:
    return answer.error.elsewhere if answer.error is not None else ()


def _heard(way: Way, used: Asked, answer: Frame) -> Frame:
    """Return `answer`; when its entry does not know the model, see before the next call who the entry is now.

    Raises:
        Unavailable: the entry only stands in for one that is away.
    """
    if not _has_moved(answer):
        return answer
    assert answer.error is not None
    way.doubt(used, _elsewhere(answer))
    if answer.error.code == Unavailable.code:
        return answer  # the next try is made where the coordinator then says
    if not way.away:
        return answer
    raise Unavailable(f"{'; '.join(way.away)}; {answer.error.message}", "try again when it is back")


async def _ignore(used: link.Link, frame: Frame) -> None:
    """A client serves nobody: what an entry asks of it is dropped."""
