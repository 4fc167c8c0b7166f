"""The method table, and the one door for channels, servers, their options and (later) their credentials.

Law: gRPC is known here and in `streams.py` only. Nouns go in and come out; errors cross as their code in a
trailer and are rebuilt on the other side. Methods are served by generic handlers with identity serializers:
nothing is decoded by gRPC itself.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import math
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, cast
from urllib.parse import unquote

import grpc
import structlog

from lepton_edge.core.errors import (
    GRPC_STATUS,
    CorruptFrame,
    DeadlineExceeded,
    IncompatibleVersion,
    InvalidInput,
    Overloaded,
    PortInUse,
    Unavailable,
    from_code,
)
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import (
    AdminCall,
    AdminEvent,
    AgentSays,
    CoordinatorSays,
    Description,
    FetchChunk,
    FetchRequest,
)
from lepton_edge.wire import convert
from partitioner.errors import Fault, LeptonError
from partitioner.units import DeviceId

log = structlog.get_logger("wire")

PACKAGE = "lepton_edge.wire.v1"
CONTROL, DATA = f"{PACKAGE}.Control", f"{PACKAGE}.Data"
ATTACH, FETCH, ADMIN, DESCRIBE = "Attach", "Fetch", "Admin", "Describe"
ERROR_TRAILER = "lepton-error-bin"
FETCH_CHUNK = 1 << 20  # bytes of an artifact per message; gRPC's default limit of 4 MiB stays
MAX_CALLS = 512  # streams and calls that a server serves at a time, unless it is told otherwise
NEXT_PORTS = 32  # how far to look for the next free port

# Both sides must agree on pings: a server that is not told so drops clients that ping more often than every 5
# minutes.
_PINGS = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]
LONGEST_MESSAGE = 4 << 20  # bytes; tensors come in chunks below it
LONGEST_COMMAND = 64 << 20
"""Bytes of one message of the coordinator to agents and clients, who trust it: commands name each weight, documents
each layer."""
_CHANNEL_OPTIONS = [
    *_PINGS,
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection, never a broken shared one
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_http_proxy", 0),  # a device in the same room is not behind the office's proxy
]
_SERVER_OPTIONS = [
    *_PINGS,
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_connection_idle_ms", 60_000),  # a connection without a call: who has forgotten it dials again
    ("grpc.so_reuseport", 0),  # else two processes share one port and a taken port is never noticed
]

Handlers = Sequence[grpc.GenericRpcHandler]
Describe = Callable[[], Awaitable[Description]]


@dataclass(frozen=True)
class PeerContext:
    """Who is on the other side, as the transport knows it: "host:port"."""

    peer: str


# --- channels and servers -------------------------------------------------------------------------


def open_channel(address: str, longest: int = LONGEST_MESSAGE) -> grpc.aio.Channel:
    """Return a channel to "host:port"; it connects when first used. No message above `longest` bytes is taken."""
    options = [*_CHANNEL_OPTIONS, ("grpc.max_receive_message_length", longest)]
    return grpc.aio.insecure_channel(address, options=options)


async def open_server(
    address: str, handlers: Handlers, *, next_free: bool = True, calls: int = MAX_CALLS
) -> tuple[grpc.aio.Server, str]:
    """Start a server on "host:port", or on the next free port; return it and the address it truly has.

    It serves so many `calls` at a time, streams among them; more are refused as Overloaded.

    Port 0 lets the system choose. Raises PortInUse when the port (and, with `next_free`, the 31 after it) is
    taken, InvalidInput when the host is none of this machine's.
    """
    host, port = split_address(address)
    if not is_loopback(host):
        log.warning("listening beyond this machine without TLS", address=address)
    server = grpc.aio.server(options=_SERVER_OPTIONS, maximum_concurrent_rpcs=calls)
    server.add_generic_rpc_handlers(tuple(handlers))
    bound = _bind(server, host, range(port, port + (NEXT_PORTS if next_free and port else 1)))
    await server.start()
    return server, join_address(host, bound)


def _bind(server: grpc.aio.Server, host: str, ports: range) -> int:
    for port in ports:
        if not _is_free(host, port):  # asked first, because gRPC also complains on stderr, once a port
            continue
        with contextlib.suppress(RuntimeError):  # what gRPC raises for a taken port
            bound = int(server.add_insecure_port(join_address(host, port)))
            if bound:
                return bound
    raise PortInUse(f"{host} has no free port in {ports[0]}..{ports[-1]}", "choose another with --port")


def _is_free(host: str, port: int) -> bool:
    """Say whether `port` can be listened on; InvalidInput where `host` cannot; the rest is left to gRPC."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # elsewhere it would let two listen; here it skips what lingers
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise InvalidInput(f"{host!r} is no address of this machine", "listen on one that is") from error
        return error.errno != errno.EADDRINUSE
    return True


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of "host:port" or "[v6]:port"; InvalidInput when it is no address."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise InvalidInput(f"{address!r} is no address", "write HOST:PORT")
    return host.strip("[]"), int(port)


def join_address(host: str, port: int) -> str:
    """Return "host:port", with brackets where `host` is an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def peer_of(context: Any) -> PeerContext:
    """Return who called, as gRPC tells it."""
    return PeerContext(unquote(context.peer()).partition(":")[2])


# --- errors across the wire -----------------------------------------------------------------------


def wire_error(error: LeptonError, device: str = "") -> WireError:
    """Return `error` as it travels."""
    wait = math.ceil(error.retry_after * 1e3)
    return WireError(
        error.code, error.message, error.hint, error.fault, error.retryable, DeviceId(device), wait,
        error.elsewhere,
    )  # fmt: skip


def raised(error: WireError) -> LeptonError:
    """Return the error that `error` stands for, ready to be raised."""
    made = from_code(error.code, error.message, error.hint, cast(Fault, error.fault), error.retryable)
    made.retry_after, made.elsewhere = error.retry_after_ms / 1e3, error.elsewhere
    return made


_BY_STATUS: dict[grpc.StatusCode, tuple[type[LeptonError], str]] = {
    grpc.StatusCode.UNAVAILABLE: (Unavailable, "is it running, and is the address right?"),
    grpc.StatusCode.CANCELLED: (Unavailable, "the connection was closed: try again"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (DeadlineExceeded, ""),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (Overloaded, ""),
    grpc.StatusCode.UNIMPLEMENTED: (IncompatibleVersion, "is this the right port, and the same release?"),
    grpc.StatusCode.DATA_LOSS: (CorruptFrame, ""),
}


def from_rpc_error(error: grpc.aio.AioRpcError, address: str = "") -> LeptonError:
    """Return the typed error behind a gRPC failure: the one in its trailer, else the one its status means."""
    for key, value in error.trailing_metadata() or ():
        if key == ERROR_TRAILER:
            return raised(convert.decode(WireError, value))
    kind, hint = _BY_STATUS.get(error.code(), (Unavailable, ""))
    return kind(f"{address or 'the peer'}: {error.details() or error.code().name}", hint)


async def abort(context: Any, error: LeptonError) -> None:
    """End a call with `error`'s status and the error itself in the trailer."""
    status = getattr(grpc.StatusCode, GRPC_STATUS.get(error.code, "INTERNAL"))
    trailer = ((ERROR_TRAILER, convert.encode(wire_error(error))),)
    await context.abort(status, str(error)[:1024], trailer)


class typed:  # noqa: N801 (read as a word of a with statement)
    """Turn gRPC's failures in the body into errors of the tree.

    What led to the failed call is cut off: whoever kept the error would keep the call with it, and its connection.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del trace
        if isinstance(error, grpc.aio.AioRpcError):
            error.__traceback__ = None
            raise from_rpc_error(error, self._address) from error


# --- the control port: serving --------------------------------------------------------------------


class ControlServicer(Protocol):
    """What a coordinator answers. Errors of the tree reach the caller typed."""

    def attach(self, said: AsyncIterator[AgentSays], peer: PeerContext) -> AsyncIterator[CoordinatorSays]:
        """Serve one agent for as long as its stream lives."""
        ...

    def fetch(self, request: FetchRequest, peer: PeerContext) -> AsyncIterator[FetchChunk]:
        """Yield an artifact's bytes from the asked offset on."""
        ...

    def admin(self, calls: AsyncIterator[AdminCall], peer: PeerContext) -> AsyncIterator[AdminEvent]:
        """Serve one administrative call: its first message says what is wanted."""
        ...

    async def describe(self, peer: PeerContext) -> Description:
        """Say who answers here."""
        ...


def control_handlers(servicer: ControlServicer) -> Handlers:
    """Return the handlers of a control port."""

    async def attach(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        said = _decoded(requests, convert.AGENT_SAYS.decode)
        async for word in _guarded(servicer.attach(said, peer_of(context)), context):
            yield convert.COORDINATOR_SAYS.encode(word)

    async def fetch(request: bytes, context: Any) -> AsyncIterator[bytes]:
        asked = await _decoded_one(FetchRequest, request, context)
        async for chunk in _guarded(servicer.fetch(asked, peer_of(context)), context):
            yield convert.encode(chunk)

    async def admin(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        calls = _decoded(requests, convert.ADMIN_CALL.decode)
        async for event in _guarded(servicer.admin(calls, peer_of(context)), context):
            yield convert.ADMIN_EVENT.encode(event)

    methods = {
        ATTACH: grpc.stream_stream_rpc_method_handler(attach),
        FETCH: grpc.unary_stream_rpc_method_handler(fetch),
        ADMIN: grpc.stream_stream_rpc_method_handler(admin),
        DESCRIBE: unary(lambda _, peer: servicer.describe(peer)),
    }
    return [grpc.method_handlers_generic_handler(CONTROL, methods)]


def describe_handlers(describe: Describe) -> Handlers:
    """Return the handler of Describe alone, for a data port."""
    return [grpc.method_handlers_generic_handler(CONTROL, {DESCRIBE: unary(lambda _, peer: describe())})]


def unary(ask: Callable[[bytes, PeerContext], Awaitable[Any]]) -> grpc.RpcMethodHandler:
    """Return the handler of a method with one question and one answer; what `ask` returns is encoded."""

    async def answer(request: bytes, context: Any) -> bytes:
        try:
            return convert.encode(await ask(request, peer_of(context)))
        except LeptonError as error:
            await abort(context, error)
            raise

    return grpc.unary_unary_rpc_method_handler(answer)


async def _decoded(requests: AsyncIterator[bytes], decode: Callable[[bytes], Any]) -> AsyncIterator[Any]:
    async for encoded in requests:
        yield decode(encoded)


async def _decoded_one(kind: type, encoded: bytes, context: Any) -> Any:
    try:
        return convert.decode(kind, encoded)
    except LeptonError as error:
        await abort(context, error)
        raise


async def _guarded(answers: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
    """Pass answers on; turn a typed error into the call's end, with the error in its trailer."""
    try:
        async for answer in answers:
            yield answer
    except LeptonError as error:
        await abort(context, error)
    finally:
        close = getattr(answers, "aclose", None)
        if close is not None:
            await close()


# --- the control port: calling --------------------------------------------------------------------


class ControlStub:
    """The methods of a control port, called over one channel; typed errors come out."""

    def __init__(self, channel: grpc.aio.Channel, address: str = "") -> None:
        self._address = address
        self._attach = channel.stream_stream(f"/{CONTROL}/{ATTACH}")
        self._fetch = channel.unary_stream(f"/{CONTROL}/{FETCH}")
        self._admin = channel.stream_stream(f"/{CONTROL}/{ADMIN}")
        self._describe = channel.unary_unary(f"/{CONTROL}/{DESCRIBE}")

    def attach(self, said: AsyncIterator[AgentSays]) -> AsyncIterator[CoordinatorSays]:
        """Attach an agent: yield what the coordinator says for as long as the stream lives."""
        call = self._attach(_encoded(said, convert.AGENT_SAYS.encode))
        return self._answers(call, convert.COORDINATOR_SAYS.decode)

    def fetch(self, request: FetchRequest) -> AsyncIterator[FetchChunk]:
        """Yield an artifact's bytes from `request.offset` on, in order."""
        call = self._fetch(convert.encode(request))
        return self._answers(call, lambda encoded: convert.decode(FetchChunk, encoded))

    def admin(self, calls: AsyncIterator[AdminCall]) -> AsyncIterator[AdminEvent]:
        """Make one administrative call: yield progress and the answer."""
        return self._answers(
            self._admin(_encoded(calls, convert.ADMIN_CALL.encode)), convert.ADMIN_EVENT.decode
        )

    async def describe(self, timeout: float = 5.0) -> Description:
        """Ask who answers at this address; works on control and data ports."""
        with typed(self._address):
            return convert.decode(Description, await self._describe(b"", timeout=timeout))

    async def _answers(self, call: Any, decode: Callable[[bytes], Any]) -> AsyncIterator[Any]:
        try:
            with typed(self._address):
                async for encoded in call:
                    yield decode(encoded)
        finally:
            call.cancel()


async def _encoded(nouns: AsyncIterator[Any], encode: Callable[[Any], bytes]) -> AsyncIterator[bytes]:
    async for noun in nouns:
        yield encode(noun)
