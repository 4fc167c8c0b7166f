"""The stream to the coordinator: attach, say hello, be told; when it breaks, again, while inference goes on.

Law: carries words, decides nothing. Words said while nobody listens are dropped: after each hello the
coordinator asks for what it lacks. Pauses between attempts double, with jitter, up to `LONGEST_PAUSE`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import structlog

from device_agents.machine.events import CoordinatorSaid
from lepton_edge.core.errors import NotLeader, PermissionDenied, Unauthenticated, Unavailable
from lepton_edge.core.identity import COORDINATOR_HOST
from lepton_edge.core.messages import (
    AgentSays,
    CoordinatorSays,
    FetchChunk,
    FetchRequest,
    Hello,
    Outcome,
    Prepare,
    ProfileCommand,
    Rejected,
    Revoked,
    Telemetry,
    Welcome,
)
from lepton_edge.wire import rpc
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError
from partitioner.units import Seconds

log = structlog.get_logger("agent")

FIRST_PAUSE = Seconds(0.2)
LONGEST_PAUSE = Seconds(3.0)
SHUT_OUT_PAUSE = Seconds(60.0)
"""At most, between attempts of one who is not believed: a person has to do something first."""
LOOK = Seconds(0.5)  # between two looks whether this agent has another key meanwhile
WORDS = 512  # waiting to be sent; a coordinator that takes none of so many is not there


async def _trusting(said: Prepare | ProfileCommand) -> None:
    """Run whatever comes."""


@dataclass(frozen=True)
class Voice:
    """What the stream needs of the agent: where to call, what to say of itself, who listens."""

    find: Callable[[], Awaitable[str]]
    hello: Callable[[], Hello]
    telemetry: Callable[[], Telemetry]
    told: Callable[[CoordinatorSaid], None]
    registered: Callable[[str], None]
    heed: Callable[[Welcome], None] = lambda said: None
    """Obey who welcomes; raises NotLeader when another coordinator is to be obeyed."""
    revoked: Callable[[tuple[str, ...]], None] = lambda serials: None
    """Believe certificates no more, by their serials."""
    trust: Trust | None = None
    """What is shown to the coordinator, and what it must show; None speaks in the open."""
    judge: Callable[[Prepare | ProfileCommand], Awaitable[None]] = _trusting
    """Raise BadSignature for what is not to be run."""


class Refused(Exception):
    """The coordinator will not have this agent; `error` says why."""

    def __init__(self, error: LeptonError) -> None:
        super().__init__(str(error))
        self.error = error


class Control:
    """The agent's end of the control plane. `address` is the coordinator's, empty until one was found."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._words: asyncio.Queue[AgentSays | None] | None = None
        self._stub: rpc.ControlStub | None = None
        self._was_registered = False
        self._pause = FIRST_PAUSE
        self._told = ""  # why it is shut out, as was said last
        self.address = ""

    @property
    def attached(self) -> bool:
        """Whether a coordinator listens, or is about to."""
        return self._words is not None

    def say(self, word: AgentSays) -> None:
        """Tell the coordinator, if it listens."""
        if self._words is None:
            return
        if self._words.qsize() < WORDS:  # the last place is for the end
            self._words.put_nowait(word)
        else:
            log.warning("the coordinator takes no words", dropped=type(word).__name__)

    async def fetch(self, request: FetchRequest) -> AsyncIterator[FetchChunk]:
        """Yield an artifact's bytes; Unavailable while the coordinator is away."""
        if self._stub is None:
            raise Unavailable("the coordinator is away", "it is needed to fetch a model")
        async for chunk in self._stub.fetch(request):
            yield chunk

    async def run(self) -> None:
        """Stay attached for as long as this is not cancelled; raises Refused when never let in."""
        while True:
            longest = LONGEST_PAUSE
            try:
                await self._attached()
            except Unauthenticated as error:
                self._tell_once(error)
                longest = SHUT_OUT_PAUSE
            except PermissionDenied as error:  # it is known there, and may not be what it says
                if not self._was_registered:
                    raise Refused(error) from None
                log.warning("the coordinator refuses this agent", error=str(error))
            except LeptonError as error:
                tell = log.info if self._pause == FIRST_PAUSE else log.debug  # it may be away for weeks
                tell("no coordinator", address=self.address, error=str(error))
            except Refused as refused:
                if not self._was_registered and not refused.error.retryable:
                    raise
                log.warning("the coordinator refuses this agent", error=str(refused))
            await self._rest()
            self._pause = Seconds(min(self._pause * 2, longest))

    def _tell_once(self, error: Unauthenticated) -> None:
        """Say loudly why this agent is shut out, and not again until that has changed."""
        if self._told != error.message:
            self._told = error.message
            log.warning(
                "shut out: this device serves what it has, and hears of nothing new",
                coordinator=self.address,
                error=error.message,
                do=error.hint,
            )

    async def _rest(self) -> None:
        """Wait until it is worth another attempt: another key makes it so at once."""
        loop, trust = asyncio.get_running_loop(), self._voice.trust
        shown = trust.credentials if trust else None
        end = loop.time() + self._pause * random.uniform(0.5, 1.0)
        while (left := end - loop.time()) > 0:  # noqa: ASYNC110 (a key is a file's, which tells nobody)
            await asyncio.sleep(min(left, LOOK))
            if trust and trust.credentials is not shown:
                self._pause = FIRST_PAUSE
                return

    async def _attached(self) -> None:
        """Attach once, until the stream ends."""
        address = await self._voice.find()
        self.address = address
        channel = rpc.open_channel(
            address, rpc.LONGEST_COMMAND, trust=self._voice.trust, host=COORDINATOR_HOST
        )
        words: asyncio.Queue[AgentSays | None] = asyncio.Queue(WORDS + 1)
        self._words = words
        words.put_nowait(self._voice.hello())
        self._stub = rpc.ControlStub(channel, address)
        beat: asyncio.Task[None] | None = None
        try:
            async for message in self._stub.attach(_drawn(words)):
                if isinstance(message, (Prepare, ProfileCommand)) and not await self._is_sound(message):
                    continue
                self._hear(message)
                if isinstance(message, Welcome):
                    if beat is not None:  # many agents came or went: another pause from now on
                        beat.cancel()
                    beat = asyncio.create_task(self._beat(message.heartbeat))
        finally:
            self._words = self._stub = None
            words.put_nowait(None)  # else gRPC would wait for a next word for ever, and complain at the end
            if beat is not None:
                beat.cancel()
            await channel.close()
        raise Unavailable("the coordinator ended the stream")

    async def _is_sound(self, message: Prepare | ProfileCommand) -> bool:
        """Have a command judged that names what is to be run; answer the one that is not sound."""
        try:
            await self._voice.judge(message)
        except LeptonError as error:
            log.error("a command is refused", command=message.command, code=error.code, why=error.message)  # noqa: TRY400
            self.say(Outcome(message.command, rpc.wire_error(error)))
            return False
        return True

    def _hear(self, message: CoordinatorSays) -> None:
        if isinstance(message, Rejected):
            raise Refused(rpc.raised(message.error))
        if isinstance(message, Revoked):
            self._voice.revoked(message.serials)
        elif isinstance(message, Welcome):
            self._heed(message)
            if message.leader is not None:
                self._voice.told(CoordinatorSaid(message))
            self._was_registered, self._pause, self._told = True, FIRST_PAUSE, ""
            log.info("registered", coordinator=self.address, lease=message.lease, software=message.software)
            self._voice.registered(self.address)
        else:
            self._voice.told(CoordinatorSaid(message))

    def _heed(self, said: Welcome) -> None:
        try:
            self._voice.heed(said)
        except NotLeader as error:
            raise Refused(error) from None

    async def _beat(self, every: Seconds) -> None:
        while True:
            self.say(self._voice.telemetry())
            await asyncio.sleep(every)


async def _drawn(words: asyncio.Queue[AgentSays | None]) -> AsyncIterator[AgentSays]:
    """Yield words until the None that is said at the end."""
    while (word := await words.get()) is not None:
        yield word
