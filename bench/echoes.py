"""The far ends and the near ends of `bench.transport`: our link, a raw TCP socket, protobuf over gRPC.

Law: each far end gives a payload back ("echo") or answers with next to nothing ("take"), and does with it what
ours must: the bytes that came are copied once into an array of their own, on both sides. Measures nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import statistics
import struct
import sys
import tempfile
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import grpc
import numpy as np
from google.protobuf.wrappers_pb2 import BytesValue
from numpy.typing import NDArray

from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import Description
from lepton_edge.link import near
from lepton_edge.link.link import Link
from lepton_edge.link.server import link_handlers, open_data_port
from lepton_edge.wire import front, rpc, streams, tensors
from lepton_edge.wire.codec import Chunk
from partitioner.errors import LeptonError
from partitioner.units import ModelName, RequestId, TensorName

Bytes = NDArray[np.uint8]
Buffer = bytes | memoryview
ACK = b"k" * 64
OURS = ("plain", "grpc", "near")
"""Our link over a plain stream (what agents take), over gRPC (what always works), over a local socket."""
HEAD = struct.Struct("<QB")  # payload bytes, whether they are wanted back
LARGEST = 16 << 20
BARE_CHUNK = 512 << 10
SMALLEST_CHUNK = 4 << 10
"""Bytes: what is shorter is a small frame, or the end of a large one."""
_NO_LIMIT = [("grpc.max_receive_message_length", LARGEST), ("grpc.max_send_message_length", LARGEST)]


class Way(Protocol):
    """A near end: one open connection to a far end of its kind."""

    async def echo(self, payload: Bytes) -> None:
        """Send `payload` and have it back."""
        ...

    async def take(self, payload: Bytes) -> None:
        """Send `payload` and wait for the word that it came."""
        ...


# --- raw TCP --------------------------------------------------------------------------------------


def _receive(connection: socket.socket, size: int) -> Bytes:
    """Return `size` bytes off the socket, copied once as a decoder must; empty when it is closed."""
    came: Bytes = np.empty(size, np.uint8)
    view, got = memoryview(came), 0  # type: ignore[arg-type]
    while got < size:
        more = connection.recv_into(view[got:])
        if not more:
            return came[:0]
        got += more
    whole: Bytes = came.copy()
    return whole


def _send(connection: socket.socket, head: bytes, payload: Buffer) -> None:
    sent = connection.sendmsg([head, payload])
    if sent < len(head) + len(payload):
        connection.sendall(memoryview(payload)[sent - len(head) :])


def _serve_connection(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, contextlib.suppress(ConnectionError):
        while head := _receive(connection, HEAD.size).tobytes():
            size, wanted = HEAD.unpack(head)
            payload = _receive(connection, size)
            answer: Buffer = payload.data if wanted else ACK
            _send(connection, HEAD.pack(len(answer), 0), answer)


def serve_raw(host: str) -> None:
    """Serve raw TCP: blocking calls, a thread a connection."""
    with socket.create_server((host, 0)) as server:
        print(f"serving {host}:{server.getsockname()[1]}", flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_serve_connection, args=(connection,), daemon=True).start()


class RawWay:
    """Raw TCP with blocking calls: nothing in Python is faster."""

    def __init__(self, address: str) -> None:
        self.socket = socket.create_connection(rpc.split_address(address))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def echo(self, payload: Bytes) -> None:
        """Send `payload` and have it back."""
        self._ask(payload, True)

    async def take(self, payload: Bytes) -> None:
        """Send `payload` and wait for the word that it came."""
        self._ask(payload, False)

    def _ask(self, payload: Bytes, wanted: bool) -> None:
        _send(self.socket, HEAD.pack(payload.size, wanted), payload.data)
        size, _ = HEAD.unpack(_receive(self.socket, HEAD.size).tobytes())
        _receive(self.socket, size)


# --- protobuf over a bidirectional gRPC stream ----------------------------------------------------


async def _echo_messages(_requests: AsyncIterator[BytesValue], context: Any) -> None:
    while (message := await context.read()) is not grpc.aio.EOF:
        await context.write(BytesValue(value=message.value))


async def _take_messages(_requests: AsyncIterator[BytesValue], context: Any) -> None:
    while await context.read() is not grpc.aio.EOF:
        await context.write(BytesValue(value=ACK))


async def _echo_chunks(stream: streams.ChunkStream) -> None:
    while (chunk := await stream.read()) is not None:
        await stream.write(chunk)


async def serve_proto(host: str) -> None:
    """Serve a message with a bytes field over grpc.aio, as its generated code would."""
    methods = {
        name: grpc.stream_stream_rpc_method_handler(
            serve,
            request_deserializer=BytesValue.FromString,
            response_serializer=BytesValue.SerializeToString,
        )
        for name, serve in {"Echo": _echo_messages, "Take": _take_messages}.items()
    }
    server = grpc.aio.server(options=_NO_LIMIT)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench", methods)])
    port = server.add_insecure_port(f"{host}:0")
    await server.start()
    print(f"serving {host}:{port}", flush=True)
    await asyncio.Event().wait()


class ProtoWay:
    """One warm bidirectional stream for each method, standard serializers."""

    def __init__(self, address: str) -> None:
        channel = grpc.aio.insecure_channel(address, options=_NO_LIMIT)
        self._calls = {name: _bidi(channel, name) for name in ("Echo", "Take")}

    async def echo(self, payload: Bytes) -> None:
        """Send `payload` and have it back."""
        await self._ask("Echo", payload)

    async def take(self, payload: Bytes) -> None:
        """Send `payload` and wait for the word that it came."""
        await self._ask("Take", payload)

    async def stream(self, payload: Bytes, count: int, in_flight: int) -> None:
        """Send `payload` `count` times with at most `in_flight` unacknowledged."""
        call, room = self._calls["Take"], asyncio.Semaphore(in_flight)

        async def acks() -> None:
            for _ in range(count):
                await call.read()
                room.release()

        reading = asyncio.ensure_future(acks())
        for _ in range(count):
            await room.acquire()
            await call.write(BytesValue(value=payload.tobytes()))
        await reading

    async def _ask(self, name: str, payload: Bytes) -> None:
        call = self._calls[name]
        await call.write(BytesValue(value=payload.tobytes()))
        np.frombuffer((await call.read()).value, np.uint8)


def _bidi(channel: Any, name: str) -> Any:
    kinds = {
        "request_serializer": BytesValue.SerializeToString,
        "response_deserializer": BytesValue.FromString,
    }
    return channel.stream_stream(f"/bench/{name}", **kinds)()


# --- gRPC's stream of bytes, with nothing of ours on it -------------------------------------------


async def serve_bare(host: str) -> None:
    """Serve chunks as they are: the floor under our link."""
    await _serve_handlers(host, streams.link_handlers(_echo_chunks))


class BareWay:
    """The chunk stream of our link without frames, checksums and credits; no copy into an array."""

    def __init__(self, address: str) -> None:
        self._stream = streams.DialledStream(address)

    async def echo(self, payload: Bytes) -> None:
        """Send `payload` in chunks and have them back, both at once: neither side holds all of them."""
        encoded = payload.tobytes()
        begins = range(0, len(encoded), BARE_CHUNK)
        reading = asyncio.ensure_future(self._read(len(begins)))
        for begin in begins:
            await self._stream.write(encoded[begin : begin + BARE_CHUNK])
        await reading

    async def _read(self, chunks: int) -> None:
        for _ in range(chunks):
            await self._stream.read()

    async def take(self, payload: Bytes) -> None:
        """Do as `echo`: a bare stream knows no other word."""
        await self.echo(payload)


# --- our link -------------------------------------------------------------------------------------


def _answer(link: Link, frame: Frame) -> None:
    """Answer as an agent's driver does: in the step in which the request came."""
    if frame.kind is FrameKind.REQUEST:
        given = frame.tensors if frame.model == "echo" else ()
        link.post(Frame(FrameKind.REPLY, frame.request_id, tensors=given), _lost)


def _lost(error: LeptonError) -> None:
    print(f"an answer was lost: {error}", file=sys.stderr, flush=True)


async def _describe() -> Description:
    return Description("agent", "echo", "bench", 1, 0)


async def serve_plain(host: str) -> None:
    """Serve our link as an agent does: plain streams and gRPC on one port."""
    _, address = await open_data_port(f"{host}:0", LinkHello("agent", "echo"), _answer, _describe)
    print(f"serving {address}", flush=True)
    await asyncio.Event().wait()


async def serve_grpc(host: str) -> None:
    """Serve our link over gRPC alone, as for a peer of protocol 1.0 or behind a proxy."""
    await _serve_handlers(host, link_handlers(LinkHello("agent", "echo"), _answer, _describe))


class CountedStream:
    """A stream that remembers how large the last chunks were that were written to it."""

    def __init__(self, stream: streams.ChunkStream) -> None:
        self._stream = stream
        self.peer, self.secure, self.identity = stream.peer, stream.secure, stream.identity
        self.sizes: deque[int] = deque(maxlen=4096)

    async def read(self) -> Chunk | None:
        """Return the next chunk."""
        return await self._stream.read()

    def push(self, take: streams.Take, over: streams.Over) -> bool:
        """Give chunks to `take` where the stream does so."""
        return self._stream.push(take, over)

    async def write(self, head: Chunk, *payload: Chunk) -> None:
        """Hand a chunk over, and note its size."""
        self.sizes.append(len(head) + sum(len(one) for one in payload))
        await self._stream.write(head, *payload)

    def write_now(self, head: Chunk, *payload: Chunk) -> bool:
        """Hand a chunk over at once where the stream can, and note its size."""
        taken = self._stream.write_now(head, *payload)
        if taken:
            self.sizes.append(len(head) + sum(len(one) for one in payload))
        return taken

    async def close(self) -> None:
        """End the stream."""
        await self._stream.close()


class LinkWay:
    """One of our links; frames of one tensor."""

    def __init__(self, link: Link, sizes: Iterable[int] = ()) -> None:
        self.link, self._sizes = link, sizes
        self._numbers = itertools.count()

    @classmethod
    async def open(cls, kind: str, address: str) -> LinkWay:
        """Dial the far end."""
        hello = LinkHello("client", "bench")
        if kind == "near":
            return cls(await near.dial(address, hello, _answer))
        plain = await front.dial(address) if kind == "plain" else None
        stream = CountedStream(plain or streams.DialledStream(address))
        link = Link(stream, hello, _answer)
        await link.open()
        return cls(link, stream.sizes)

    def chunk_bytes(self) -> int:
        """Return the median size of the chunks of large frames among the last that went."""
        return int(statistics.median([size for size in self._sizes if size > SMALLEST_CHUNK] or [0]))

    async def echo(self, payload: Bytes) -> None:
        """Send `payload` and have it back."""
        await self.link.request(self._frame("echo", payload))

    async def take(self, payload: Bytes) -> None:
        """Send `payload` and wait for the word that it came."""
        await self.link.request(self._frame("take", payload))

    async def stream(self, payload: Bytes, count: int, in_flight: int) -> None:
        """Send `payload` `count` times with at most `in_flight` unanswered."""
        left = iter(range(count))

        async def one_after_the_other() -> None:
            for _ in left:
                await self.take(payload)

        await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))

    def _frame(self, what: str, payload: Bytes) -> Frame:
        packed = tensors.pack(TensorName("x"), payload)
        name = RequestId(f"{next(self._numbers):032x}")
        return Frame(FrameKind.REQUEST, name, ModelName(what), tensors=(packed,))


async def serve_near(host: str) -> None:
    """Serve our link over a local socket, as an agent does for applications on its own machine."""
    with tempfile.TemporaryDirectory(prefix="lepton-bench-") as folder:
        door = near.open_door(Path(folder), LinkHello("agent", "echo"), _answer, lambda _link: None)
        assert door is not None, f"no local sockets on {host}"
        print(f"serving {door.path}", flush=True)
        await asyncio.Event().wait()


async def _serve_handlers(host: str, handlers: rpc.Handlers) -> None:
    _, address = await rpc.open_server(f"{host}:0", handlers)
    print(f"serving {address}", flush=True)
    await asyncio.Event().wait()


# --- by name --------------------------------------------------------------------------------------

SERVE: dict[str, Callable[[str], Any]] = {
    "raw": serve_raw,
    "proto": lambda host: asyncio.run(serve_proto(host)),
    "bare": lambda host: asyncio.run(serve_bare(host)),
    "plain": lambda host: asyncio.run(serve_plain(host)),
    "grpc": lambda host: asyncio.run(serve_grpc(host)),
    "near": lambda host: asyncio.run(serve_near(host)),
}


async def way_to(kind: str, address: str) -> Way:
    """Return a near end of `kind` to a far end at `address`."""
    if kind in OURS:
        return await LinkWay.open(kind, address)
    plain: dict[str, Callable[[str], Way]] = {"raw": RawWay, "proto": ProtoWay, "bare": BareWay}
    return plain[kind](address)
