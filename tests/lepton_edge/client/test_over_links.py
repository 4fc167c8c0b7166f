"""The client against real servers on loopback: the same promises with a network between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from lepton_edge.client import AsyncClient, reply
from lepton_edge.client.upload import Part
from lepton_edge.core.errors import (
    DeadlineExceeded,
    IncompatibleVersion,
    InvalidInput,
    Overloaded,
    Unavailable,
    UnknownModel,
)
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import (
    PROTOCOL_MAJOR,
    PROTOCOL_MINOR,
    AdminCall,
    AdminEvent,
    Deploy,
    Description,
    Document,
    Peer,
    Progress,
    PushModel,
    Upload,
    Wishes,
)
from lepton_edge.link.link import Link
from lepton_edge.link.server import link_handlers
from lepton_edge.wire import rpc
from partitioner.units import DeviceId

X = {"x": np.arange(4, dtype=np.float32)}


@dataclass
class Agent:
    """An entry that doubles, or does what the model's name says."""

    frames: list[Frame] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    given_up: list[str] = field(default_factory=list)
    coordinator: str = ""

    async def serve(self, link: Link, frame: Frame) -> None:
        if frame.kind is FrameKind.CANCEL:
            self.cancelled.set()
            self.given_up.append(frame.request_id)
            return
        self.frames.append(frame)
        if frame.model == "silent":
            return
        if frame.model == "wrong":
            raise InvalidInput("x must be int64", "convert it")
        if frame.model == "full-once" and len(self.frames) == 1:
            full = Overloaded("full")
            full.retry_after = 0.3
            raise full
        if frame.model == "hangs-up-once" and len(self.frames) == 1:
            await link.close()
            return
        values = np.frombuffer(frame.tensors[0].payload, np.float32)
        await link.send(reply(frame, {"y": values * 2}))

    async def describe(self) -> Description:
        return Description("agent", "pi", "0.1.0", PROTOCOL_MAJOR, 0, self.coordinator)

    @asynccontextmanager
    async def running(self, address: str = "127.0.0.1:0") -> AsyncIterator[str]:
        handlers = link_handlers(
            LinkHello("agent", "pi"), self.serve, self.describe, on_open=self.links.append
        )
        server, bound = await rpc.open_server(address, handlers)
        try:
            yield bound
        finally:
            await server.stop(0)


@dataclass
class Coordinator:
    """Knows one entry, and answers pushes and status."""

    entries: tuple[str, ...]
    calls: list[AdminCall] = field(default_factory=list)
    minor: int = PROTOCOL_MINOR

    async def describe(self, peer: object) -> Description:
        peers = (Peer(DeviceId("pi"), self.entries),) if self.entries else ()
        return Description("coordinator", "c", "0.1.0", PROTOCOL_MAJOR, self.minor, "", peers)

    async def admin(self, calls: AsyncIterator[AdminCall], peer: object) -> AsyncIterator[AdminEvent]:
        async for call in calls:
            self.calls.append(call)
        if not isinstance(self.calls[0], PushModel):
            raise UnknownModel("no such model", "push it")
        yield Progress("c", "compile", 1, 1)
        yield Document("lepton-edge/model/1", json.dumps({"model": "net"}))

    async def attach(self, said: object, peer: object) -> AsyncIterator[object]:
        raise NotImplementedError
        yield

    async def fetch(self, request: object, peer: object) -> AsyncIterator[object]:
        raise NotImplementedError
        yield

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server, bound = await rpc.open_server("127.0.0.1:0", rpc.control_handlers(self))  # type: ignore[arg-type]
        try:
            yield bound
        finally:
            await server.stop(0)


async def test_an_agents_address_and_one_warm_link() -> None:
    agent = Agent()
    async with agent.running() as address, AsyncClient(address) as client:
        for _ in range(3):
            result = await client.infer("net", X)
            assert result["y"].tolist() == [0, 2, 4, 6]
        assert len(agent.links) == 1
        assert (agent.links[0].peer.kind, result.hops[0].device) == ("client", "client")


async def test_two_hundred_calls_at_once_from_a_cold_client_share_one_link() -> None:
    agent = Agent()
    async with agent.running() as address, AsyncClient(address) as client:
        await asyncio.gather(*(client.infer("net", X) for _ in range(200)))
        results = [result async for result in client.stream("net", [X] * 50)]
    assert len(results) == 50
    assert len(agent.links) == 1
    assert len({frame.request_id for frame in agent.frames}) == 250


async def test_leaving_a_stream_frees_its_requests_at_the_agent() -> None:
    agent = Agent()
    async with agent.running() as address, AsyncClient(address) as client:
        stream = client.stream("silent", [X] * 50, in_flight=6)
        reading = asyncio.ensure_future(anext(stream))
        while len(agent.frames) < 6:
            await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        while len(agent.given_up) < 6:
            await asyncio.sleep(0.01)
        assert sorted(agent.given_up) == sorted(frame.request_id for frame in agent.frames)
        assert (await client.infer("net", X))["y"].tolist() == [0, 2, 4, 6], "the link lives on"


async def test_a_coordinators_address_leads_to_its_entry() -> None:
    agent = Agent()
    async with (
        agent.running() as entry,
        Coordinator((entry,)).running() as address,
        AsyncClient(address) as client,
    ):
        assert (await client.infer("net", X))["y"].tolist() == [0, 2, 4, 6]


async def test_a_typed_error_crosses_the_link() -> None:
    async with Agent().running() as address, AsyncClient(address) as client:
        with pytest.raises(InvalidInput, match="int64") as caught:
            await client.infer("wrong", X)
        assert caught.value.hint == "convert it"


async def test_a_deadline_cancels_on_the_far_side() -> None:
    agent = Agent()
    async with agent.running() as address, AsyncClient(address) as client:
        with pytest.raises(DeadlineExceeded):
            await client.infer("silent", X, deadline=0.3)
        await asyncio.wait_for(agent.cancelled.wait(), 2)
        assert 0 < agent.frames[0].remaining_ms <= 300
        assert (await client.infer("net", X))["y"].tolist() == [0, 2, 4, 6], "the link lives on"


async def test_one_who_was_refused_comes_back_when_told_to() -> None:
    async with Agent().running() as address, AsyncClient(address) as client:
        with pytest.raises(Overloaded) as caught:
            await client.infer("full-once", X, deadline=0.25)
        assert caught.value.retry_after == pytest.approx(0.3), "too late for the deadline: told at once"
    agent = Agent()
    async with agent.running() as address, AsyncClient(address) as client:
        result = await client.infer("full-once", X)
    first, second = agent.frames
    assert (first.request_id, first.attempt) == (second.request_id, 0)
    assert second.attempt == 1
    assert result.hops[0].queue >= 0.3


async def test_a_link_lost_in_flight_costs_one_more_try_of_the_same_request() -> None:
    agent = Agent()
    async with agent.running() as address, AsyncClient(address) as client:
        assert (await client.infer("hangs-up-once", X))["y"].tolist() == [0, 2, 4, 6]
    first, second = agent.frames
    assert first.request_id == second.request_id
    assert len(agent.links) == 2


async def test_an_agent_that_restarts_is_found_again() -> None:
    client = AsyncClient("127.0.0.1:0")
    async with Agent().running() as address:
        client = AsyncClient(address)
        await client.infer("net", X)
    with pytest.raises(Unavailable):
        await client.infer("net", X, deadline=5)
    async with Agent().running(address):
        assert (await client.infer("net", X))["y"].tolist() == [0, 2, 4, 6]
        await client.close()


async def test_closing_ends_what_is_in_flight() -> None:
    async with Agent().running() as address:
        client = AsyncClient(address)
        waiting = asyncio.create_task(client.infer("silent", X))
        await asyncio.sleep(0.2)
        await client.close()
        with pytest.raises(Unavailable):
            await waiting


async def test_administration_through_an_agent_reaches_its_coordinator() -> None:
    async with (
        Coordinator(()).running() as control,
        Agent(coordinator=control).running() as address,
        AsyncClient(address) as client,
    ):
        with pytest.raises(UnknownModel, match="push it"):
            await client.explain("net")


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.remove("net", dry_run=True),
        lambda client: client.deploy("net", wishes=Wishes(keep_output=True)),
        lambda client: client.pin("net", page="local"),
    ],
    ids=["dry run", "wishes", "pin"],
)
async def test_an_older_coordinator_is_not_asked_what_it_would_overlook(
    ask: Callable[[AsyncClient], Awaitable[object]],
) -> None:
    """It would remove the model, or plan as if nothing had been wished."""
    older = Coordinator((), minor=0)
    async with (
        older.running() as control,
        Agent(coordinator=control).running() as agent,
        AsyncClient(control) as client,
        AsyncClient(agent) as through,
    ):
        for one in (client, through):
            with pytest.raises(IncompatibleVersion, match=r"speaks protocol 1\.0.*nothing was changed"):
                await ask(one)
        assert older.calls == []
        with pytest.raises(UnknownModel):
            await client.deploy("net")
        assert older.calls == [Deploy("net")]  # type: ignore[arg-type]
    async with Coordinator(()).running() as control, AsyncClient(control) as client:
        with pytest.raises(UnknownModel):
            await ask(client)


async def test_a_push_streams_pieces_and_shows_progress(tmp_path: object) -> None:
    model = f"{tmp_path}/net.onnx"
    with open(model, "wb") as file:
        file.write(b"x" * (3 << 20))
    coordinator, seen = Coordinator(()), list[Progress]()
    async with coordinator.running() as control, AsyncClient(control) as client:
        assert await client.push("net", model, progress=seen.append) == {"model": "net"}
    pieces = [call for call in coordinator.calls if isinstance(call, Upload)]
    assert sum(len(piece.data) for piece in pieces) == 3 << 20
    assert [piece.last for piece in pieces] == [False, False, True]
    assert [step.stage for step in seen] == ["compile"]


async def test_a_file_that_vanishes_under_a_push_is_said_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")
    (tmp_path / "net.toml").write_text("")

    def vanish(*_: object) -> list[Part]:
        return [Part("model", tmp_path / "net.onnx"), Part("manifest", tmp_path / "gone.toml")]

    async with Coordinator(()).running() as control, AsyncClient(control) as client:
        monkeypatch.setattr("lepton_edge.client.control.parts", vanish)
        with pytest.raises(InvalidInput, match="gone.toml"):
            await client.push("net", tmp_path / "net.onnx")


async def test_a_wrong_path_or_name_costs_the_coordinator_nothing(tmp_path: Path) -> None:
    coordinator = Coordinator(())
    async with coordinator.running() as control, AsyncClient(control) as client:
        for call in (client.push("net", tmp_path / "gone.onnx"), client.explain("\ud800"), client.deploy(3)):  # type: ignore[arg-type]
            with pytest.raises(InvalidInput):
                await call
    assert coordinator.calls == []


async def test_a_cancelled_call_is_cancelled(tmp_path: Path) -> None:
    class Silent(Coordinator):
        async def admin(self, calls: AsyncIterator[AdminCall], peer: object) -> AsyncIterator[AdminEvent]:
            await asyncio.sleep(60)
            yield Progress("c", "never", 0, 0)

    async with Silent(()).running() as control, AsyncClient(control) as client:
        asked = asyncio.create_task(client.status())
        await asyncio.sleep(0.2)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked


async def test_an_agent_without_a_coordinator_says_so() -> None:
    async with Agent().running() as address, AsyncClient(address) as client:
        with pytest.raises(Unavailable, match="knows no coordinator"):
            await client.models()


async def test_many_calls_at_once_each_get_their_own_answer() -> None:
    async with Agent().running() as address, AsyncClient(address, max_in_flight=16) as client:
        asked = [client.infer("net", {"x": np.float32([number])}) for number in range(100)]
        answers = await asyncio.gather(*asked)
    assert [answer["y"].tolist() for answer in answers] == [[2 * number] for number in range(100)]


async def test_an_overload_stays_typed() -> None:
    class Full(Agent):
        async def serve(self, link: Link, frame: Frame) -> None:
            raise Overloaded("64 requests wait")

    async with Full().running() as address, AsyncClient(address) as client:
        with pytest.raises(Overloaded, match="64"):
            await client.infer("net", X)
