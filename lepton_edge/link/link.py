"""One link: the asyncio driver around the protocol machine, the same for both ends.

Law: moves bytes and time between the stream and `machine.step`; decides nothing. Two tasks a link: one
reads, one writes; a timer ticks. Whoever calls may be cancelled at any await without harm to the link.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from lepton_edge.core.errors import CorruptFrame, DeadlineExceeded, InvalidInput, Unavailable
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkEstimate, LinkHello, ProbeSample
from lepton_edge.link import commands, events, handshake, machine, probes
from lepton_edge.link.estimate import estimate
from lepton_edge.link.reactions import HELD, Held, Reaction, Waits, fail, nothing, tell
from lepton_edge.link.reading import read_all
from lepton_edge.link.ticking import Ticking
from lepton_edge.link.timeout import Timeout
from lepton_edge.link.writer import Writer
from lepton_edge.wire import codec, front, streams
from lepton_edge.wire.header import FrameLimits, payload_size
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError
from partitioner.units import Bytes, RequestId, Seconds

Handler = Callable[["Link", Frame], Awaitable[None] | Held | None]

_OPEN_SLACK = 4 << 20  # a small frame may arrive whole while large ones fill the window


async def dial(
    address: str,
    hello: LinkHello,
    handler: Handler,
    limits: Limits | None = None,
    *,
    plain: bool = True,
    trust: Trust | None = None,
) -> Link:
    """Open a link to the data port at "host:port" and return it after the handshake.

    A plain stream where the peer has one and `plain` allows it, else (protocol 1.0, a proxy) one over gRPC; with
    `trust` over TLS. Raises Unavailable when nobody answers, IncompatibleVersion when the peer speaks another
    protocol, Unauthenticated and PermissionDenied when it is not who it says.
    """
    within = (limits or Limits()).handshake
    found = await front.dial(address, within, trust) if plain else None
    shown = await front.shown_at(address, trust, within) if trust and found is None else None
    link = Link(found or streams.DialledStream(address, trust, shown), hello, handler, limits)
    await link.open()
    return link


class Link:
    """One end of an open link.

    The handler is called for each REQUEST and CANCEL that arrives. What it returns is awaited, a coroutine in a task
    of its own; None is done at once. Then, or when it calls `release` (it must where it returns HELD), the peer gets
    the credit for another one back. What it raises is sent back as an ERROR frame.

    Attributes:
        peer: what the other side said in its hello.
        identity: who it proved to be; None where it need not (--insecure), or a relay vouches for it.
        closed: set when the link is over; `error` then says why.
        news: called when `estimate` has become another one; for one listener, who sets it.
    """

    def __init__(
        self, stream: streams.ChunkStream, hello: LinkHello, handler: Handler, limits: Limits | None = None
    ) -> None:
        self.closed = asyncio.Event()
        self.error: LeptonError | None = None
        self.peer, self.identity = LinkHello("", ""), stream.identity
        self._limits = limits or Limits()
        offered = codec.CHECKSUMS if self._limits.checksum and not stream.secure else ()
        self._hello = dataclasses.replace(hello, checksums=offered)
        self._stream, self._handler = stream, handler
        self._state = machine.opening(self._hello, self._limits, time.monotonic())
        self._decoder = codec.Decoder(FrameLimits())
        self._writer = Writer(codec.Writing(self._limits.chunk, limits=FrameLimits()))
        self._tickets = itertools.count(1)
        self._sends: dict[int, Waits[None]] = {}  # by ticket: waits for the last byte to go
        self._asks: dict[int, Waits[Frame]] = {}  # by ticket: may still be refused
        self._answers: dict[events.Key, Waits[Frame]] = {}
        self._serials: dict[int, int] = {}  # id of a delivered frame -> serial
        self._next_write: commands.WriteChunk | commands.WriteAck | None = None
        self._unwritten: codec.Piece | None = None
        self._flushing = False
        self._writing: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._probing, self._left = asyncio.Lock(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._ticking = Ticking(lambda: self._step(events.Tick()))
        self.news: Callable[[], None] = nothing
        self._told = 0  # of the news that there are

    # --- life -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Exchange hellos and start; raise what went wrong, with the stream closed."""
        hello = await handshake.greet(self._stream, self._hello, self._limits.handshake)
        self._step(events.Greeted(hello))
        if self.error is not None:
            await handshake.refuse(self._stream, self.error)
            raise self.error
        self._spawn(read_all(self._stream, self._take, self._ended))
        self._writing = self._spawn(self._write_loop())
        self._ticking.start()

    async def close(self) -> None:
        """Say goodbye and close; everything that waits gets Unavailable."""
        self._step(events.CloseAsked())
        await self._finished()

    async def over(self) -> None:
        """Wait until the link is closed and the stream has been left."""
        try:
            await self._left.wait()
        finally:
            self._step(events.Ended(Unavailable("the stream is over")))

    async def _finished(self) -> None:
        if ours := self._tasks - {asyncio.current_task()}:
            await asyncio.wait(ours, timeout=2.0)

    # --- sending ----------------------------------------------------------------------------------

    async def send(self, frame: Frame) -> None:
        """Send `frame`; return when its last byte was handed to the stream.

        Raises Overloaded when too much waits already, Unavailable when the link closes first, InvalidInput
        when the frame is more than the peer accepts or cannot be encoded.
        """
        ticket = next(self._tickets)
        sent: asyncio.Future[None] = self._loop.create_future()
        self._sends[ticket] = sent
        self._step(events.Submitted(ticket, frame, payload_size(frame)))
        await sent

    def post(self, frame: Frame, failed: Callable[[LeptonError], None]) -> None:
        """Send `frame` without waiting for that; `failed` is called, maybe at once, with what `send` would raise."""
        ticket = next(self._tickets)
        self._sends[ticket] = Reaction(nothing, failed, nothing)
        self._step(events.Submitted(ticket, frame, payload_size(frame)))

    def ask(
        self, frame: Frame, told: Callable[[Frame], None], failed: Callable[[LeptonError], None]
    ) -> Reaction[Frame]:
        """Send `frame` and call `told` with its answer, or `failed` with what `request` would raise.

        Cancelling what this returns gives the answer up, and has CANCEL sent to the peer.
        """
        key, ticket = machine.key_of(frame), next(self._tickets)
        waiting: Reaction[Frame] = Reaction(told, failed, lambda: self._unask(key, ticket, waiting))
        self._submit(key, ticket, frame, waiting)
        return waiting

    async def request(self, frame: Frame, timeout: float | None = None) -> Frame:
        """Send `frame` and return its REPLY or ERROR frame, correlated by request id and attempt.

        Raises Unavailable when the link closes first, Overloaded when too much waits already,
        DeadlineExceeded after `timeout` seconds, InvalidInput as `send`. A caller that gives up (timeout or
        cancellation) has CANCEL sent to the peer.
        """
        key, ticket = machine.key_of(frame), next(self._tickets)
        answer: asyncio.Future[Frame] = self._loop.create_future()
        self._submit(key, ticket, frame, answer)
        try:
            async with Timeout(timeout, DeadlineExceeded("no answer came in time")):
                return await answer
        finally:
            self._unask(key, ticket, answer)

    def _submit(self, key: events.Key, ticket: int, frame: Frame, waiting: Waits[Frame]) -> None:
        self._asks[ticket] = waiting
        known = self._answers.get(key)
        if known is None or known.done():  # else this one is refused: before the step, which may end the link
            self._answers[key] = waiting
        self._step(events.Submitted(ticket, frame, payload_size(frame), expects=True))

    def _unask(self, key: events.Key, ticket: int, waiting: Waits[Frame]) -> None:
        self._asks.pop(ticket, None)
        if self._answers.get(key) is waiting:
            del self._answers[key]
            self._step(events.Abandoned(key))

    def release(self, frame: Frame) -> None:
        """Say that work on a delivered REQUEST begins: it no longer waits, and the peer may send another."""
        serial = self._serials.pop(id(frame), None)
        if serial is not None:
            self._step(events.Released(serial))

    async def probe(self, size_up: int = 0, size_down: int = 0, timeout: float = 10.0) -> ProbeSample:
        """Send `size_up` bytes there and `size_down` back (4 MiB at most each); one probe at a time."""
        async with self._probing:
            frame = probes.probe(RequestId(secrets.token_hex(16)), size_up, size_down)
            begun = time.perf_counter()
            reply = await self.request(frame, timeout)
            took = time.perf_counter() - begun
        return ProbeSample(
            payload_size(frame), payload_size(reply), Seconds(took), Seconds(probes.far_seconds(reply))
        )

    @property
    def waiting(self) -> int:
        """How many requests of this side wait for their answer."""
        return len(self._state.pending)

    def estimate(self) -> LinkEstimate:
        """Return what the transfers on this link show of it."""
        return estimate(self._state, time.monotonic())

    async def refreshed(self, age: float = 10.0, size: int = 0) -> LinkEstimate:
        """Return an estimate no older than `age` seconds, after a probe where there is none.

        `size` bytes (4 MiB at most) go each way in it: 0 shows the round trip alone, 64 KiB and more the rates.
        """
        known = self.estimate()
        if known.samples and known.age <= age and (not size or known.up):
            return known
        await self.probe(size, size)
        await self.probe()  # the peer's own measurement of `size` rides on the acknowledgement of this one
        return self.estimate()

    # --- the loops --------------------------------------------------------------------------------

    def _ended(self, error: LeptonError | None) -> None:
        error = error or Unavailable(f"{self.peer.name} closed the link")
        self._step(events.Breached(error) if isinstance(error, CorruptFrame) else events.Ended(error))

    def _take(self, chunk: codec.Chunk) -> None:
        if self.closed.is_set():
            return
        decoder = self._decoder
        try:
            found = decoder.feed(chunk)
        except LeptonError as error:
            self._step(events.Breached(error))
            return
        if found is None:
            self._step(events.Heard(len(chunk), codec.asks(chunk), decoder.open_bytes))
        elif isinstance(found, Frame):
            size = payload_size(found)
            self._step(events.Arrived(found, size, len(chunk), codec.asks(chunk), decoder.open_bytes))
        elif isinstance(found, codec.Ack):
            self._step(events.Acked(found.received, found.rate))
        else:
            self._step(events.Ended(handshake.meaning_of(found, self.peer.name)))

    async def _write_loop(self) -> None:
        """Write what the stream did not take at once."""
        try:
            while not self.closed.is_set():
                await self._wake.wait()
                self._wake.clear()
                piece, self._unwritten = self._unwritten, None
                if piece is not None and not self.closed.is_set():
                    await self._stream.write(piece.head, *piece.payload)
                    self._wrote(piece)
        except LeptonError as error:
            self._step(events.Ended(error))

    def _flush(self) -> None:
        """Write what the stream takes without waiting, one chunk after the other; leave the rest to the loop."""
        self._flushing = True
        try:
            while self._next_write is not None and self._unwritten is None:
                piece = self._encoded(self._next_write)
                if piece is None:
                    continue
                if not self._stream.write_now(piece.head, *piece.payload):
                    self._unwritten = piece
                    self._wake.set()
                    return
                self._wrote(piece)
        except LeptonError as error:
            self._step(events.Ended(error))
        finally:
            self._flushing = False

    def _encoded(self, command: commands.WriteChunk | commands.WriteAck) -> codec.Piece | None:
        try:
            return self._writer.chunk(command)
        except InvalidInput as error:  # that frame's fault, and nobody else's
            assert isinstance(command, commands.WriteChunk)
            self._next_write = None
            self._step(events.Unsendable(command.ticket, error, command.credit_frames, command.credit_bytes))
            return None

    def _wrote(self, piece: codec.Piece) -> None:
        command, self._next_write = self._next_write, None
        if command is not None:
            self._step(events.Wrote(command.ticket, piece.size, piece.last))

    # --- what the machine wants -------------------------------------------------------------------

    def _step(self, event: events.Event) -> None:
        for command in machine.step(self._state, event, time.monotonic()):
            _DO[type(command)](self, command)
        pacing = self._state.pacing
        self._ticking.sooner(pacing.due)
        if pacing.sight.news != self._told:
            self._told = pacing.sight.news
            self.news()

    def _do_write(self, command: commands.WriteChunk | commands.WriteAck) -> None:
        self._next_write = command
        if not self._flushing:  # else the loop that is flushing goes on with it
            self._flush()

    def _do_sent(self, command: commands.Sent) -> None:
        tell(self._sends.pop(command.ticket, None), None)

    def _do_refuse(self, command: commands.Refuse) -> None:
        fail(self._sends.pop(command.ticket, None) or self._asks.pop(command.ticket, None), command.error)

    def _do_deliver(self, command: commands.Deliver) -> None:
        if command.serial:
            self._serials[id(command.frame)] = command.serial
        try:
            outcome = self._handler(self, command.frame)
        except LeptonError as error:  # of a plain function: its sender is told, and the link goes on
            outcome = self._loop.create_future()
            outcome.set_exception(error)
        if outcome is None:
            self.release(command.frame)
        if outcome is None or outcome is HELD:
            return
        waiting = outcome if isinstance(outcome, asyncio.Future) else self._spawn(outcome)
        waiting.add_done_callback(functools.partial(self._handled, command.frame))

    def _do_answer(self, command: commands.Answer) -> None:
        tell(self._answers.pop(command.key, None), command.frame)

    def _do_fail(self, command: commands.Fail) -> None:
        fail(self._answers.pop(command.key, None), command.error)

    def _do_opened(self, command: commands.Opened) -> None:
        self.peer = command.hello
        checked = bool(command.checksum)
        most = Bytes(self._hello.window_bytes + _OPEN_SLACK)
        limits = FrameLimits(self._hello.max_frame_bytes, most)
        self._decoder = codec.Decoder(limits, checked)
        self._writer.how = codec.Writing(self._limits.chunk, checked, FrameLimits())

    def _do_close(self, command: commands.Close) -> None:
        self.error = command.error
        self.closed.set()
        self._wake.set()
        self._ticking.stop()
        if self.peer.kind:
            self._spawn(self._leave(command))

    async def _leave(self, command: commands.Close) -> None:
        if command.goodbye and self._writing is not None:
            await asyncio.wait({self._writing}, timeout=handshake.LAST_WORD)
            if self._writing.done():
                await handshake.say_goodbye(self._stream, handshake.goodbye_for(command.error))
        await self._stream.close()
        self._left.set()

    # --- handlers of frames -----------------------------------------------------------------------

    def _handled(self, frame: Frame, task: asyncio.Future[None]) -> None:
        """Close the account of a delivered frame: its credit, and what its handler raised."""
        self.release(frame)
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        answer = handshake.answer_to(frame, error, self.peer.name)
        if frame.kind is FrameKind.REQUEST and not self.closed.is_set():
            self.post(answer, functools.partial(handshake.not_told, self.peer.name))

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


_DO: dict[type, Callable[[Any, Any], None]] = {
    commands.WriteChunk: Link._do_write,
    commands.WriteAck: Link._do_write,
    commands.Sent: Link._do_sent,
    commands.Refuse: Link._do_refuse,
    commands.Deliver: Link._do_deliver,
    commands.Answer: Link._do_answer,
    commands.Fail: Link._do_fail,
    commands.Opened: Link._do_opened,
    commands.Close: Link._do_close,
}
