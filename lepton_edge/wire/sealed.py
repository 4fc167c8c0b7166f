"""A plain stream over TLS: `sockets.py` with its bytes encrypted by the standard library, on the same socket.

Law: what is small is joined into one record; what is large goes from where it lies, and comes to where it stays. The
connection ends when the other side's certificate is revoked.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections import deque

from lepton_edge.core.errors import Unavailable
from lepton_edge.core.identity import Identity
from lepton_edge.wire.codec import Chunk
from lepton_edge.wire.sockets import SocketStream, is_told
from lepton_edge.wire.tls import Trust, refusal
from partitioner.errors import LeptonError

RECORD = 16 << 10  # bytes of one TLS record at most
_RECORDS = 64  # in a row, before others have their turn
_LATER = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class SealedStream(SocketStream):
    """A `ChunkStream` over TLS, after the handshake; `identity` is the other side's."""

    def __init__(self, connection: ssl.SSLSocket, peer: str, trust: Trust, identity: Identity | None) -> None:
        super().__init__(connection, peer, secure=True, identity=identity)
        self._sealed, self._trust = connection, trust
        if identity is not None:
            trust.hold(identity, self.end)

    # --- reading ----------------------------------------------------------------------------------

    def _receive(self) -> None:
        for _ in range(_RECORDS):
            space = self._receiver.space()
            try:
                count = self._sealed.recv_into(space)
            except _LATER:
                return None
            if not count:
                broken = Unavailable(f"{self.peer} broke off", "try again") if self._receiver.amid else None
                return self._finish(broken)
            self._give(self._receiver.took(count))
            held = self._sealed.pending() if not self._over else 0
            if self._over or self._full or not (held or self._receiver.amid):
                return None
        self._loop.call_soon(self._take_on)
        return None

    def _go_on(self) -> None:
        super()._go_on()
        self._loop.call_soon(self._take_on)  # what is decrypted already wakes nobody

    def _take_on(self) -> None:
        if not (self._over or self._paused or is_told(self._told)):
            self._readable()

    # --- writing ----------------------------------------------------------------------------------

    def _parts(self, parts: list[Chunk]) -> list[Chunk]:
        return _records(parts)

    def _give_to_system(self, parts: list[Chunk], size: int) -> list[Chunk]:
        pieces = deque(memoryview(part) for part in parts)  # the same ones again, as OpenSSL wants them
        with contextlib.suppress(*_LATER):
            while pieces:
                pieces[0] = pieces[0][self._sealed.send(pieces[0]) :]
                if not pieces[0]:
                    pieces.popleft()
        return [*pieces]

    def _broken(self, error: OSError) -> LeptonError:
        if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
            return refusal(error, self.peer)
        return super()._broken(error)

    # --- the end ----------------------------------------------------------------------------------

    def _say_end(self) -> None:
        with contextlib.suppress(ssl.SSLError, ValueError):  # said; its answer is not waited for
            self._sealed.unwrap()
        self._sealed.shutdown(socket.SHUT_WR)

    def _finish(self, error: LeptonError | None) -> None:
        if not self._over and self.identity is not None:
            self._trust.drop(self.identity, self.end)
        super()._finish(error)


def _records(parts: list[Chunk]) -> list[Chunk]:
    """Return `parts` with what is small joined, so that it travels in one record with the begin of what is large."""
    joined: list[Chunk] = []
    small: list[Chunk] = []
    room = RECORD
    for part in parts:
        if len(part) <= room:
            small.append(part)
            room -= len(part)
            continue
        view = memoryview(part)
        joined += [b"".join((*small, view[:room])), view[room:]]
        small, room = [], RECORD
    if small:
        joined.append(small[0] if len(small) == 1 else b"".join(small))
    return joined
