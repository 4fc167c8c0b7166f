"""The method table, and the one door for channels, servers, their options and their credentials.

Law: gRPC is known here and in `streams.py` only. Nouns go in and come out; errors cross as their code in a
trailer and are rebuilt on the other side. Methods are served by generic handlers with identity serializers:
nothing is decoded by gRPC itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

import grpc
import structlog

from lepton_edge.core.errors import (
    PortInUse,
)
from lepton_edge.core.identity import NODE_HOST, Identity
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
from lepton_edge.wire.addresses import is_free
from lepton_edge.wire.addresses import is_loopback as is_loopback
from lepton_edge.wire.addresses import join_address as join_address
from lepton_edge.wire.addresses import split_address as split_address
from lepton_edge.wire.crossing import ERROR_TRAILER as ERROR_TRAILER
from lepton_edge.wire.crossing import abort as abort
from lepton_edge.wire.crossing import from_rpc_error as from_rpc_error
from lepton_edge.wire.crossing import raised as raised
from lepton_edge.wire.crossing import typed as typed
from lepton_edge.wire.crossing import wire_error as wire_error
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError
from partitioner.units import DeviceId

log = structlog.get_logger("wire")

PACKAGE = "lepton_edge.wire.v1"
CONTROL, DATA = f"{PACKAGE}.Control", f"{PACKAGE}.Data"
ATTACH, FETCH, ADMIN, DESCRIBE = "Attach", "Fetch", "Admin", "Describe"
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
    """Who is on the other side, as the transport knows it.

    Attributes:
        peer: "host:port".
        identity: who it proved to be; None where it proved nothing, or this is an --insecure port.
        sealed: whether it came by TLS.
    """

    peer: str
    identity: Identity | None = None
    sealed: bool = False


# --- channels and servers -------------------------------------------------------------------------


def open_channel(
    address: str,
    longest: int = LONGEST_MESSAGE,
    *,
    trust: Trust | None = None,
    host: str = NODE_HOST,
    only: bytes = b"",
) -> grpc.aio.Channel:
    """Return a channel to "host:port"; it connects when first used. No message above `longest` bytes is taken.

    With `trust` over TLS, to somebody whose certificate names `host` (and is `only`, PEM, where that is given); without
    it in the open.
    """
    options: list[tuple[str, int | str]] = [*_CHANNEL_OPTIONS, ("grpc.max_receive_message_length", longest)]
    if trust is None:
        return grpc.aio.insecure_channel(address, options=options)
    shown = trust.credentials
    credentials = grpc.ssl_channel_credentials(
        only or shown.authority, shown.key or None, shown.certificate or None
    )
    options.append(("grpc.ssl_target_name_override", host))
    return grpc.aio.secure_channel(address, credentials, options=options)


async def open_server(
    address: str, handlers: Handlers, *, next_free: bool = True, calls: int = MAX_CALLS, streams: int = 0
) -> tuple[grpc.aio.Server, str]:
    """Start a server on "host:port", or on the next free port; return it and the address it truly has.

    It serves so many `calls` at a time, streams among them; more are refused as Overloaded. One connection has
    `streams` calls at a time (0: any); more of them wait.

    Port 0 lets the system choose. Raises PortInUse when the port (and, with `next_free`, the 31 after it) is
    taken, InvalidInput when the host is none of this machine's.
    """
    host, port = split_address(address)
    if not is_loopback(host):
        log.warning("listening beyond this machine without TLS", address=address)
    server = _server(handlers, calls, streams)
    bound = _bind(server, host, range(port, port + (NEXT_PORTS if next_free and port else 1)))
    await server.start()
    return server, join_address(host, bound)


async def open_unix_server(path: Path, handlers: Handlers, *, calls: int, streams: int) -> grpc.aio.Server:
    """Start a server as `open_server` does, on a socket at `path`; RuntimeError where gRPC cannot listen there."""
    server = _server(handlers, calls, streams)
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    return server


def _server(handlers: Handlers, calls: int, streams: int) -> grpc.aio.Server:
    options = [*_SERVER_OPTIONS, *([("grpc.max_concurrent_streams", streams)] if streams else [])]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=calls)
    server.add_generic_rpc_handlers(tuple(handlers))
    return server


def _bind(server: grpc.aio.Server, host: str, ports: range) -> int:
    for port in ports:
        if not is_free(host, port):  # asked first, because gRPC also complains on stderr, once a port
            continue
        with contextlib.suppress(RuntimeError):  # what gRPC raises for a taken port
            bound = int(server.add_insecure_port(join_address(host, port)))
            if bound:
                return bound
    raise PortInUse(f"{host} has no free port in {ports[0]}..{ports[-1]}", "choose another with --port")


_behind: dict[str, PeerContext] = {}
"""Who is behind what the fronts of this process pass on to their gRPC servers, by the address that these see."""


def peer_of(context: Any) -> PeerContext:
    """Return who called; where a front passed the connection on, as that knows it, else as gRPC tells it."""
    caller = unquote(context.peer()).partition(":")[2]
    return _behind.get(caller) or PeerContext(caller)


@contextlib.contextmanager
def passed_on(inner: str, who: PeerContext) -> Iterator[None]:
    """Have `peer_of` know meanwhile who is behind the connection that comes from `inner`."""
    _behind[inner] = who
    try:
        yield
    finally:
        del _behind[inner]


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


def describe_handlers(describe: Describe, *, known: bool = False) -> Handlers:
    """Return the handler of Describe alone, for a data port; if `known`, strangers are told the version alone."""

    async def described(_: bytes, peer: PeerContext) -> Description:
        told = await describe()
        return told if peer.identity is not None or not known else to_stranger(told)

    return [grpc.method_handlers_generic_handler(CONTROL, {DESCRIBE: unary(described)})]


def to_stranger(told: Description) -> Description:
    """Return what somebody without a certificate may hear of a description: kind and version."""
    return Description(told.kind, DeviceId(""), told.software, told.protocol_major, told.protocol_minor)


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
