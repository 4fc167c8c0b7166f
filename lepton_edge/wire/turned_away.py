"""What is said to whoever cannot be served: in its own language, so that a person reads why.

Law: says it and closes; who is turned away is decided by `front.py`. No server of gRPC's is behind this: the first
call of a connection is answered, by hand, and that was all.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from lepton_edge.wire import codec, convert, rpc, sealing
from lepton_edge.wire.preface import PREFACE, first_bytes
from lepton_edge.wire.sealed import SealedStream
from lepton_edge.wire.sockets import SocketStream
from lepton_edge.wire.streams import ChunkStream
from lepton_edge.wire.tls import HTTP2, PLAIN, Trust, tls_only
from partitioner.errors import LeptonError

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME = 9  # bytes of a frame's head (RFC 9113): length, type, flags, stream
_DATA, _HEADERS, _SETTINGS, _GOAWAY = 0, 1, 4, 7
_END = 1  # flag: nothing more comes on this stream
_QUESTION = 0.5  # seconds from a call's begin until it was asked something
_MOST = 32 << 10  # bytes of a first call that are looked at
_LAST_READS = 16
_FRAMES = 64  # that come before a first question; each look begins with the first
_WORDS = 1024  # characters of a message; one frame is 16 kB
_UNAUTHENTICATED = b"16"


@dataclass(frozen=True)
class _Talk:
    """A connection, with TLS or without."""

    receive: Callable[[], Awaitable[bytes]]
    send: Callable[[bytes], Awaitable[object]]


async def tell_tls_only(connection: socket.socket, peer: str) -> None:
    """Tell who came in the open that nothing but TLS is spoken here."""
    loop, first, error = asyncio.get_running_loop(), await first_bytes(connection), tls_only("this port")
    if first == PREFACE:
        await loop.sock_sendall(connection, PREFACE)
        await refuse(SocketStream(connection, peer), error)
    elif first[:1] == HTTP2_PREFACE[:1]:
        talk = _Talk(
            lambda: loop.sock_recv(connection, _MOST), lambda words: loop.sock_sendall(connection, words)
        )
        await _tell_grpc(talk, len(HTTP2_PREFACE) - len(first), error)


async def tell_why(sealed: ssl.SSLSocket, peer: str, trust: Trust, error: LeptonError) -> None:
    """Tell who is on the other side of a handshake why nothing more is said to it."""
    language = sealed.selected_alpn_protocol()
    if language == PLAIN:
        await refuse(SealedStream(sealed, peer, trust, None), error)
    elif language == HTTP2:
        talk = _Talk(
            lambda: sealing.until_done(sealed, lambda: sealed.recv(_MOST)),
            lambda words: sealing.until_done(sealed, lambda: sealed.send(words)),
        )
        await _tell_grpc(talk, len(HTTP2_PREFACE), error)


async def refuse(stream: ChunkStream, error: LeptonError) -> None:
    """Say goodbye with `error` and close."""
    await stream.write(codec.goodbye_chunk(rpc.wire_error(error)))
    await stream.close()


async def _tell_grpc(talk: _Talk, more: int, error: LeptonError) -> None:
    """Answer the first call of a gRPC client with `error`; `more` bytes of its preface are still to come."""
    await talk.send(_frame(_SETTINGS, 0, 0, b""))  # ours, which it waits for
    came = bytearray()
    stream, asked = 0, False
    while not asked and len(came) < _MOST:
        try:
            received = await asyncio.wait_for(talk.receive(), _QUESTION if stream else None)
        except asyncio.TimeoutError:
            break
        if not received:
            return
        came += received
        stream, asked = _first_call(came[more:])
    if stream:
        last = _frame(_GOAWAY, 0, 0, stream.to_bytes(4, "big") + bytes(4))  # later calls: on another one
        await talk.send(_frame(_HEADERS, 5, stream, _trailers(error)) + last)
        await _until_gone(talk)


async def _until_gone(talk: _Talk) -> None:
    """Read on for a while: a connection that is closed over what was not read may swallow what it was told."""
    for _ in range(_LAST_READS):
        if not await talk.receive():
            return


def _first_call(frames: bytearray) -> tuple[int, bool]:
    """Return the number of the stream that the first HEADERS frame opens, 0 where none came yet; and if it has asked.

    Who is answered while it still asks takes its own failed write for what went wrong.
    """
    at = stream = seen = 0
    while at + _FRAME <= len(frames):
        seen += 1
        if seen > _FRAMES:
            return stream, True
        kind, flags = frames[at + 3], frames[at + 4]
        number = int.from_bytes(frames[at + 5 : at + _FRAME], "big")
        end = at + _FRAME + int.from_bytes(frames[at : at + 3], "big")
        if kind == _HEADERS and not stream:
            stream = number
            if flags & _END:
                return stream, True
        elif kind == _DATA and number == stream and end <= len(frames):
            return stream, True
        at = end
    return stream, False


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _trailers(error: LeptonError) -> bytes:
    """Return `:status 200` and the end of a call, as literals that need no table (RFC 7541)."""
    told = base64.b64encode(convert.encode(rpc.wire_error(error))).rstrip(b"=")
    words = (
        (b"content-type", b"application/grpc"),
        (b"grpc-status", _UNAUTHENTICATED),
        (b"grpc-message", quote(str(error)[:_WORDS], safe=" /:;,()'").encode()),
        (rpc.ERROR_TRAILER.encode(), told),
    )
    return b"\x88" + b"".join(b"\0" + _text(name) + _text(value) for name, value in words)


def _text(value: bytes) -> bytes:
    """Return `value` with its length before it: seven bits, and more of them where they do not suffice."""
    left = len(value)
    if left < 127:
        return bytes([left]) + value
    head, left = bytearray([127]), left - 127
    while left >= 128:
        head.append(left & 127 | 128)
        left >>= 7
    return bytes(head) + bytes([left]) + value
