"""What is said to whoever cannot be served: in its own language, so that a person reads why.

Law: says it and closes; who is turned away is decided by `front.py`.
"""

from __future__ import annotations

import asyncio
import socket

from lepton_edge.wire import codec, rpc
from lepton_edge.wire.preface import PREFACE, first_bytes
from lepton_edge.wire.sockets import SocketStream
from lepton_edge.wire.streams import ChunkStream
from lepton_edge.wire.tls import tls_only
from partitioner.errors import LeptonError

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_WORDS = b"this port speaks TLS only"
_FRAME = 9  # bytes of a frame's head (RFC 9113): length, type, flags, stream
_HEADERS = 1
_MOST = 32 << 10  # bytes of a first call that are looked at


async def tell_tls_only(connection: socket.socket, peer: str) -> None:
    """Tell who came in the open that nothing but TLS is spoken here."""
    loop, first = asyncio.get_running_loop(), await first_bytes(connection)
    if first == PREFACE:
        await loop.sock_sendall(connection, PREFACE)
        await refuse(SocketStream(connection, peer), tls_only("this port"))
    elif first[:1] == HTTP2_PREFACE[:1]:
        await _tell_grpc(connection, len(HTTP2_PREFACE) - len(first))


async def refuse(stream: ChunkStream, error: LeptonError) -> None:
    """Say goodbye with `error` and close."""
    await stream.write(codec.goodbye_chunk(rpc.wire_error(error)))
    await stream.close()


async def _tell_grpc(connection: socket.socket, more: int) -> None:
    """Answer the first call of a gRPC client with UNAUTHENTICATED; `more` bytes of its preface are still to come."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, _frame(4, 0, 0, b""))  # our settings, which it waits for
    came = bytearray()
    while len(came) < _MOST:
        received = await loop.sock_recv(connection, _MOST)
        if not received:
            return
        came += received
        stream = _first_call(came[more:])
        if stream:
            await loop.sock_sendall(connection, _frame(_HEADERS, 5, stream, _trailers()))
            await loop.sock_recv(connection, _MOST)  # it has read that when it says something, or goes
            return


def _first_call(frames: bytearray) -> int:
    """Return the number of the stream that the first HEADERS frame opens; 0 where none came yet."""
    at = 0
    while at + _FRAME <= len(frames):
        if frames[at + 3] == _HEADERS:
            return int.from_bytes(frames[at + 5 : at + _FRAME], "big")
        at += _FRAME + int.from_bytes(frames[at : at + 3], "big")
    return 0


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _trailers() -> bytes:
    """Return `:status 200` and gRPC's three, as literals that need no table (RFC 7541)."""
    words = ((b"content-type", b"application/grpc"), (b"grpc-status", b"16"), (b"grpc-message", _WORDS))
    return b"\x88" + b"".join(b"\0" + bytes([len(k)]) + k + bytes([len(v)]) + v for k, v in words)
