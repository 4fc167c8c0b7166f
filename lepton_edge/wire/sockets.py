"""Chunks over a plain stream socket, without gRPC: a Unix socket within a machine, TCP between machines.

Law: bytes pass untouched, as in `streams.py`; no HTTP/2, no thread, no asyncio transport between. Bounded both ways:
what came and is not yet read (`READY_BYTES`, and one chunk that is coming), and what is written and not yet taken
by the system (one chunk: `write` returns when its last byte is with the system). Who may connect, and how two peers
find each other, is for `near_door.py` and `front.py`.

Before each chunk, little-endian: u32 its length, u32 how far into it its payload begins. A chunk that does not come
at once is received where it stays, its payload aligned to 64 bytes, so that nobody needs to copy it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from ctypes import addressof, c_char

import numpy as np
import structlog

from lepton_edge.core.errors import CorruptFrame, Unavailable
from lepton_edge.core.identity import Identity
from lepton_edge.wire.codec import Chunk
from lepton_edge.wire.streams import Over, Take
from partitioner.errors import LeptonError

log = structlog.get_logger("wire")

HEAD = struct.Struct("<II")
LONGEST = 4 << 20  # bytes of one chunk, as with gRPC
READY_BYTES = 4 << 20  # of chunks that nobody has read yet, beyond which the peer has to wait
SCRATCH = 16 << 10  # bytes that are taken at first, before it is known what they are
ALIGNMENT = 64
LINGER = 0.5  # seconds
_TURNS = 8  # calls of the system in a row, before others have their turn
_MOST_PARTS = 64  # more are joined: the system takes no more than 1,024


class Receiver:
    """Cuts the bytes that come in into chunks. No I/O: `space` is where the next bytes go, `took` that they came."""

    def __init__(self) -> None:
        self._scratch = memoryview(bytearray(SCRATCH))
        self._filled = 0
        self._body: memoryview | None = None  # the chunk that is coming
        self._arrived = 0  # bytes of it

    @property
    def amid(self) -> bool:
        """Whether a chunk has begun and not ended."""
        return self._body is not None or self._filled > 0

    def space(self) -> memoryview:
        """Return where the next bytes belong; never empty."""
        return self._scratch[self._filled :] if self._body is None else self._body[self._arrived :]

    def took(self, count: int) -> list[Chunk]:
        """Take note of `count` bytes in `space`; return the chunks that they complete.

        Raises:
            CorruptFrame: a chunk is announced that cannot be.
        """
        if self._body is None:
            self._filled += count
            return self._cut()
        self._arrived += count
        if self._arrived < len(self._body):
            return []
        complete, self._body = self._body, None
        return [complete]

    def _cut(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        begin = 0
        while self._body is None and self._filled - begin >= HEAD.size:
            length, lead = HEAD.unpack_from(self._scratch, begin)
            if not 0 < length <= LONGEST or lead > length:
                raise CorruptFrame(
                    f"a chunk of {length} bytes was announced; {LONGEST} at most are accepted",
                    "is the peer an agent or client of lepton-edge?",
                )
            begin += HEAD.size
            here = self._scratch[begin : min(begin + length, self._filled)]
            begin += len(here)
            if len(here) == length:
                chunks.append(bytes(here))
            else:
                self._begin(here, length, lead)
        if begin < self._filled:
            self._scratch[: self._filled - begin] = bytes(self._scratch[begin : self._filled])
        self._filled -= begin
        return chunks

    def _begin(self, here: memoryview, length: int, lead: int) -> None:
        self._body, self._arrived = _placed(length, lead), len(here)
        self._body[: len(here)] = here


def _placed(length: int, lead: int) -> memoryview:
    """Return `length` bytes of memory of which the one at `lead` is aligned; not zeroed: each gets written."""
    room = np.empty(length + ALIGNMENT, np.uint8)
    begin = -(addressof(c_char.from_buffer(room)) + lead) % ALIGNMENT  # type: ignore[arg-type]
    return memoryview(room)[begin : begin + length]  # type: ignore[arg-type]


class SocketStream:
    """A `ChunkStream` over a connected socket; one task reads and one task writes at a time.

    `secure` says that nothing between could damage bytes, `identity` who the other side proved to be. A stream over a
    network lingers for so many seconds when it is closed, so that its last word is not lost: a socket that is closed
    with bytes unread resets the connection.

    Raises NotImplementedError where the event loop cannot watch sockets (Windows' default).
    """

    def __init__(
        self,
        connection: socket.socket,
        peer: str,
        *,
        secure: bool = False,
        identity: Identity | None = None,
        linger: float = LINGER,
    ) -> None:
        connection.setblocking(False)
        self.peer, self.secure, self.identity = peer, secure, identity
        self._linger = linger
        self._socket, self._number = connection, connection.fileno()
        self._loop = asyncio.get_running_loop()
        self._receiver = Receiver()
        self._ready: deque[Chunk] = deque()
        self._held = 0  # bytes in `ready`
        self._over = False  # nothing more comes; `error` says why, None: the peer ended it
        self._error: LeptonError | None = None
        self._reading: asyncio.Future[None] | None = None
        self._rest: list[Chunk] = []  # of the chunk that the system has not taken whole
        self._flushing: asyncio.Future[None] | None = None
        self._paused = False
        self._take: Take = self._keep
        self._told: Over = self._wake_reader
        self._loop.add_reader(self._number, self._readable)

    def push(self, take: Take, over: Over) -> bool:
        """Give each chunk to `take` from now on, in the very call that received it, and the end to `over`."""
        self._take, self._told = take, over
        waiting = list(self._ready)
        self._ready.clear()
        self._held = 0
        self._give(waiting)
        if self._over:
            self._tell(self._error)
        elif self._paused:
            self._go_on()
        return True

    async def read(self) -> Chunk | None:
        """Return the next chunk, or None after the last; Unavailable when the stream breaks."""
        while not self._ready:
            if self._error is not None:
                raise self._error
            if self._over:
                return None
            self._reading = self._loop.create_future()
            try:
                await self._reading
            finally:
                self._reading = None
        chunk = self._ready.popleft()
        self._held -= len(chunk)
        if self._paused and self._held < READY_BYTES:
            self._go_on()
        return chunk

    async def write(self, head: Chunk, *payload: Chunk) -> None:
        """Hand a chunk over and wait until the system has it; Unavailable when the stream is broken."""
        while not self.write_now(head, *payload):
            await self._flushed()
        if self._rest:
            await self._flushed()

    def write_now(self, head: Chunk, *payload: Chunk) -> bool:
        """Take a chunk, unless one waits still for the system to take it; Unavailable as `write`."""
        if self._over:
            raise self._gone()
        if self._rest:
            return False
        pieces = payload if len(payload) <= _MOST_PARTS else (b"".join(payload),)
        length = len(head) + sum([len(piece) for piece in pieces])
        parts = self._parts([HEAD.pack(length, len(head)), head, *pieces])
        self._rest = self._send(parts, HEAD.size + length)
        if self._rest:
            self._loop.add_writer(self._number, self._flush)
        return True

    async def close(self) -> None:
        """End the stream; reading and writing elsewhere end with it."""
        if not self._over and self._linger:
            await self._last_words()
        self.end()

    def end(self) -> None:
        """Close, at once."""
        self._ready.clear()
        self._finish(Unavailable("the link was closed here"))

    # --- reading ----------------------------------------------------------------------------------

    def _go_on(self) -> None:
        self._paused = False
        self._loop.add_reader(self._number, self._readable)

    def _readable(self) -> None:
        try:
            self._receive()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._finish(self._broken(error))
        except CorruptFrame as error:  # nothing more can be read, but the peer can still be told why
            self._error = error
            self._loop.remove_reader(self._number)
            self._tell(error)
        if self._full and not self._over:
            self._paused = True
            self._loop.remove_reader(self._number)

    def _receive(self) -> None:
        for _ in range(_TURNS):
            space = self._receiver.space()
            count = self._socket.recv_into(space)
            if not count:
                broken = Unavailable(f"{self.peer} broke off", "try again") if self._receiver.amid else None
                return self._finish(broken)
            self._give(self._receiver.took(count))
            drained = count < len(space) and not self._receiver.amid  # amid a chunk, more is on its way
            if drained or self._full or self._over:
                return None
        return None

    @property
    def _full(self) -> bool:
        return self._held >= READY_BYTES

    def _give(self, chunks: list[Chunk]) -> None:
        try:
            for chunk in chunks:
                self._take(chunk)
        except (
            LeptonError
        ) as error:  # that chunk cannot be: whoever takes them says so to the peer, if he likes
            self._loop.remove_reader(self._number)
            self._tell(error)

    def _tell(self, error: LeptonError | None) -> None:
        told, self._told = self._told, _nobody
        told(error)

    def _keep(self, chunk: Chunk) -> None:
        self._ready.append(chunk)
        self._held += len(chunk)
        self._wake_reader()

    def _wake_reader(self, error: LeptonError | None = None) -> None:
        _wake(self._reading)

    # --- writing ----------------------------------------------------------------------------------

    def _send(self, parts: list[Chunk], size: int) -> list[Chunk]:
        """Give `parts` of `size` bytes to the system; return what it did not take. Unavailable when nobody is there."""
        try:
            return self._give_to_system(parts, size)
        except (BlockingIOError, InterruptedError):
            return parts
        except OSError as error:
            self._finish(self._broken(error))
            raise self._broken(error) from error

    def _parts(self, parts: list[Chunk]) -> list[Chunk]:
        return parts

    def _give_to_system(self, parts: list[Chunk], size: int) -> list[Chunk]:
        sent = self._socket.sendmsg(parts)
        return [] if sent == size else _after(parts, sent)

    def _broken(self, error: OSError) -> LeptonError:
        return Unavailable(f"{self.peer}: {error.strerror}")

    def _flush(self) -> None:
        try:
            self._rest = self._send(self._rest, sum([len(part) for part in self._rest]))
        except LeptonError:
            return  # the stream is over, and says so to whoever reads or writes
        if not self._rest:
            self._loop.remove_writer(self._number)
            _wake(self._flushing)

    async def _flushed(self) -> None:
        self._flushing = self._loop.create_future()
        try:
            await self._flushing
        finally:
            self._flushing = None
        if self._over:
            raise self._gone()

    def _gone(self) -> LeptonError:
        return self._error or Unavailable(f"{self.peer} closed the link")

    # --- the end ----------------------------------------------------------------------------------

    async def _last_words(self) -> None:
        """Say that no more comes, and take what the peer still sends, until it ends or a moment has passed."""
        linger, self._linger = self._linger, 0.0
        ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._number, self._discard, memoryview(bytearray(SCRATCH)), ended)
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            self._say_end()
            await asyncio.wait_for(ended, linger)

    def _say_end(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def _discard(self, waste: memoryview, ended: asyncio.Future[None]) -> None:
        try:
            if self._socket.recv_into(waste):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            log.debug("a peer is gone", peer=self.peer, error=str(error))
        self._loop.remove_reader(self._number)
        _wake(ended)

    def _finish(self, error: LeptonError | None) -> None:
        if self._over:
            return
        self._over, self._error = True, self._error or error
        self._loop.remove_reader(self._number)
        self._loop.remove_writer(self._number)
        self._socket.close()
        _wake(self._flushing)
        self._tell(error)


def _nobody(error: LeptonError | None) -> None:
    """The end was told already."""


def is_told(told: Over) -> bool:
    """Say whether the end of a stream was told, so that nothing more is to be taken."""
    return told is _nobody


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


def _after(parts: list[Chunk], sent: int) -> list[Chunk]:
    """Return what is left of `parts` after `sent` bytes."""
    for index, part in enumerate(parts):
        if sent < len(part):
            return [memoryview(part)[sent:], *parts[index + 1 :]]
        sent -= len(part)
    return []
