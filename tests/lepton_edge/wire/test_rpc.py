"""Methods, typed errors and ports, over a real loopback connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from lepton_edge.core.errors import (
    AlreadyExists,
    CorruptFrame,
    IncompatibleVersion,
    InvalidInput,
    NotFound,
    PortInUse,
    Unavailable,
)
from lepton_edge.core.messages import (
    Activate,
    AdminCall,
    AdminEvent,
    AgentSays,
    CoordinatorSays,
    Description,
    Document,
    EpochStatus,
    ExplainPlan,
    FetchChunk,
    FetchRequest,
    ListDevices,
    Outcome,
    Progress,
    RemoveModel,
)
from lepton_edge.wire import rpc
from lepton_edge.wire.rpc import ControlStub, PeerContext
from partitioner.errors import LeptonError


class Servicer:
    """Answers just enough; `ended` tells that a stream's end was noticed."""

    def __init__(self) -> None:
        self.peers: list[str] = []
        self.ended = asyncio.Event()

    async def attach(
        self, said: AsyncIterator[AgentSays], peer: PeerContext
    ) -> AsyncIterator[CoordinatorSays]:
        self.peers.append(peer.peer)
        try:
            async for word in said:
                assert isinstance(word, EpochStatus | Outcome)
                if isinstance(word, Outcome):
                    raise AlreadyExists("two agents are called board", "choose another --name")
                yield Activate("c1", word.model, word.epoch)
        finally:
            self.ended.set()

    async def fetch(self, request: FetchRequest, peer: PeerContext) -> AsyncIterator[FetchChunk]:
        if not request.sha256:
            raise NotFound("no such artifact")
        for offset in range(request.offset, 30, 10):
            yield FetchChunk(offset, 30, bytes(10))  # type: ignore[arg-type]

    async def admin(self, calls: AsyncIterator[AdminCall], peer: PeerContext) -> AsyncIterator[AdminEvent]:
        async for call in calls:
            if isinstance(call, RemoveModel):
                raise ValueError("a bug")
            yield Progress("c", type(call).__name__, 1, 2)
            if isinstance(call, ExplainPlan):
                yield Document("lepton-edge/plan/1", " " * (rpc.LONGEST_MESSAGE + 1))
        yield Document("lepton-edge/devices/1", "[]")

    async def describe(self, peer: PeerContext) -> Description:
        return Description("coordinator", "here", "0.1", 1, 0)


@pytest.fixture
async def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def stub(servicer: Servicer) -> AsyncIterator[ControlStub]:
    server, address = await rpc.open_server("127.0.0.1:0", rpc.control_handlers(servicer))
    channel = rpc.open_channel(address)
    yield ControlStub(channel, address)
    await channel.close()
    await server.stop(None)


async def said(*words: AgentSays) -> AsyncIterator[AgentSays]:
    for word in words:
        yield word


STATUS = EpochStatus("m", "v", 3, "ready")  # type: ignore[arg-type]


async def test_describe(stub: ControlStub) -> None:
    assert (await stub.describe()).name == "here"


async def test_attach_goes_both_ways_and_knows_the_peer(stub: ControlStub, servicer: Servicer) -> None:
    heard = [word async for word in stub.attach(said(STATUS, STATUS))]
    assert heard == [Activate("c1", "m", 3)] * 2  # type: ignore[arg-type]
    assert servicer.peers[0].startswith("127.0.0.1:")


async def test_a_typed_error_crosses_with_its_hint(stub: ControlStub) -> None:
    heard = []
    with pytest.raises(AlreadyExists, match="called board") as caught:
        heard += [word async for word in stub.attach(said(STATUS, Outcome("c")))]
    assert caught.value.hint == "choose another --name"


async def test_the_servicer_notices_that_an_agent_is_gone(stub: ControlStub, servicer: Servicer) -> None:
    async def endless() -> AsyncIterator[AgentSays]:
        yield STATUS
        await asyncio.sleep(60)

    words = stub.attach(endless())
    await anext(words)
    await words.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for(servicer.ended.wait(), 2)


async def test_fetch_goes_on_from_an_offset(stub: ControlStub) -> None:
    chunks = [c async for c in stub.fetch(FetchRequest("a" * 64, 10))]  # type: ignore[arg-type]
    assert [(c.offset, c.total, len(c.data)) for c in chunks] == [(10, 30, 10), (20, 30, 10)]
    with pytest.raises(NotFound):
        [c async for c in stub.fetch(FetchRequest(""))]  # type: ignore[arg-type]


async def test_admin_answers_with_progress_and_a_document(stub: ControlStub) -> None:
    async def calls() -> AsyncIterator[AdminCall]:
        yield ListDevices()

    events = [event async for event in stub.admin(calls())]
    assert events == [Progress("c", "ListDevices", 1, 2), Document("lepton-edge/devices/1", "[]")]


async def test_a_bug_in_the_servicer_is_an_error_of_the_tree_too(stub: ControlStub) -> None:
    async def calls() -> AsyncIterator[AdminCall]:
        yield RemoveModel("m")  # type: ignore[arg-type]

    with pytest.raises(Unavailable):
        [event async for event in stub.admin(calls())]


async def test_a_command_may_be_longer_than_a_chunk_where_that_is_agreed(servicer: Servicer) -> None:
    async def calls() -> AsyncIterator[AdminCall]:
        yield ExplainPlan("m")  # type: ignore[arg-type]

    server, address = await rpc.open_server("127.0.0.1:0", rpc.control_handlers(servicer))
    wide, narrow = rpc.open_channel(address, rpc.LONGEST_COMMAND), rpc.open_channel(address)
    documents = [one async for one in ControlStub(wide, address).admin(calls()) if isinstance(one, Document)]
    assert max(len(one.json) for one in documents) > rpc.LONGEST_MESSAGE
    with pytest.raises(LeptonError):
        [one async for one in ControlStub(narrow, address).admin(calls())]
    await asyncio.gather(wide.close(), narrow.close())
    await server.stop(None)


async def test_bytes_that_are_no_message_are_refused_typed(servicer: Servicer) -> None:
    server, address = await rpc.open_server("127.0.0.1:0", rpc.control_handlers(servicer))
    channel = rpc.open_channel(address)
    call = channel.unary_stream(f"/{rpc.CONTROL}/{rpc.FETCH}")(b"\xff\xff")
    with pytest.raises(CorruptFrame), rpc.typed(address):
        await call.read()
    await channel.close()
    await server.stop(None)


# --- ports ------------------------------------------------------------------------------------------


async def test_nobody_at_an_address_is_unavailable() -> None:
    channel = rpc.open_channel("127.0.0.1:9")
    with pytest.raises(Unavailable, match="127.0.0.1:9"):
        await ControlStub(channel, "127.0.0.1:9").describe()
    await channel.close()


async def test_another_kind_of_server_is_incompatible() -> None:
    server, address = await rpc.open_server("127.0.0.1:0", [])
    channel = rpc.open_channel(address)
    with pytest.raises(IncompatibleVersion, match="right port"):
        await ControlStub(channel).describe()
    await channel.close()
    await server.stop(None)


async def test_a_taken_port_gives_the_next_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server, address = await rpc.open_server(f"127.0.0.1:{port}", [])
        other, elsewhere = await rpc.open_server(address, [])
        assert port < rpc.split_address(address)[1] < rpc.split_address(elsewhere)[1] < port + rpc.NEXT_PORTS
        await server.stop(None)
        await other.stop(None)


async def test_a_taken_port_that_must_be_is_a_typed_error(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortInUse, match="--port"):
        await rpc.open_server(f"127.0.0.1:{taken.getsockname()[1]}", [], next_free=False)
    assert capfd.readouterr().err == "", "one clear error, and no noise"


async def test_a_host_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(InvalidInput, match="no address of this machine"):
        await rpc.open_server("203.0.113.1:0", [])


async def test_an_address_that_is_none_says_so() -> None:
    for text in ("", "host", "host:", "host:http", "host:99999"):
        with pytest.raises(InvalidInput, match="HOST:PORT"):
            await rpc.open_server(text, [])


def test_addresses() -> None:
    assert rpc.split_address("[::1]:80") == ("::1", 80)
    assert rpc.join_address("::1", 80) == "[::1]:80"
    assert rpc.is_loopback("localhost")
    assert rpc.is_loopback("127.9.9.9")
    assert not rpc.is_loopback("0.0.0.0")
    assert not rpc.is_loopback("example")
