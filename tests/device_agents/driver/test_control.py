"""The stream to the coordinator: attached, broken, attached again, refused."""

from __future__ import annotations

import asyncio
import dataclasses
import gc

import pytest
import structlog

from device_agents.driver import control
from device_agents.driver.control import Control, Refused, Voice
from lepton_edge.core.errors import (
    AlreadyExists,
    DiscoveryFailed,
    NotLeader,
    Overloaded,
    Unauthenticated,
    Unavailable,
)
from lepton_edge.core.messages import (
    Description,
    Drain,
    FetchChunk,
    FetchRequest,
    Hardware,
    Hello,
    Outcome,
    Rejected,
    Telemetry,
    Welcome,
)
from lepton_edge.wire import rpc

HELLO = Hello("board", "board", "i1", "test", 1, 0, Hardware("", "", 1, 1, 1, "", (), ""), ("h:1",), 1.0)
BEAT = Telemetry(0.0, 1, 1, 0.0, 0, 0, 0, -1.0)


class Coordinator:
    """Says what a test gave it, and remembers what it heard."""

    def __init__(self, *says):
        self.says, self.heard, self.attached = list(says), [], 0
        self.hold = asyncio.Event()

    async def attach(self, said, peer):
        self.attached += 1
        self.heard.append(await said.__anext__())
        for word in self.says:
            yield word
        reading = asyncio.create_task(self._read(said))
        await self.hold.wait()
        reading.cancel()

    async def _read(self, said):
        async for word in said:
            self.heard.append(word)

    async def fetch(self, request, peer):
        yield FetchChunk(0, 3, b"abc")

    def admin(self, calls, peer):
        raise NotImplementedError

    async def describe(self, peer):
        return Description("coordinator", "c", "t", 1, 0)


class Caller:
    """A Control with a voice that remembers."""

    def __init__(self, find, heed=lambda said: None, trust=None):
        self.told, self.registered = [], []
        voice = Voice(find, lambda: HELLO, lambda: BEAT, self.told.append, self.registered.append, heed)
        voice = dataclasses.replace(voice, trust=trust)
        self.control = Control(voice)
        self.task = asyncio.create_task(self.control.run())

    async def until(self, condition):
        for _ in range(300):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it did not come to pass")

    async def close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(control, "FIRST_PAUSE", 0.02)


@pytest.fixture
async def served():
    """Serve a coordinator; return where."""
    servers = []

    async def serve(coordinator, address="127.0.0.1:0"):
        server, bound = await rpc.open_server(address, rpc.control_handlers(coordinator))
        servers.append(server)
        return server, bound

    yield serve
    for server in servers:
        await server.stop(0)


def _at(address):
    async def find():
        return address

    return find


WELCOME = Welcome("board", 6.0, 0.05, "test", 1)


async def test_it_says_hello_hears_commands_and_beats(served) -> None:
    coordinator = Coordinator(WELCOME, Drain("d", "net", 1))
    _, address = await served(coordinator)
    caller = Caller(_at(address))
    await caller.until(lambda: len(coordinator.heard) >= 3 and caller.told)
    assert coordinator.heard[:3] == [HELLO, BEAT, BEAT]
    assert [event.message for event in caller.told] == [Drain("d", "net", 1)]
    assert caller.registered == [address]
    caller.control.say(Outcome("d"))
    await caller.until(lambda: Outcome("d") in coordinator.heard)
    assert [chunk.data async for chunk in caller.control.fetch(FetchRequest("a" * 64))] == [b"abc"]
    await caller.close()


async def test_it_comes_back_by_itself(served) -> None:
    first, second = Coordinator(WELCOME), Coordinator(WELCOME)
    server, address = await served(first)
    caller = Caller(_at(address))
    await caller.until(lambda: caller.registered)
    first.hold.set()
    await server.stop(0)
    await caller.until(lambda: caller.control._stub is None)
    with pytest.raises(Unavailable, match="coordinator is away"):
        async for _ in caller.control.fetch(FetchRequest("a" * 64)):
            pass
    caller.control.say(Outcome("nobody listens"))
    await served(second, address)
    await caller.until(lambda: len(caller.registered) == 2)
    assert second.heard[0] == HELLO
    assert Outcome("nobody listens") not in second.heard
    await caller.close()


async def test_streams_that_ended_leave_nothing_behind(served) -> None:
    coordinator = Coordinator()
    coordinator.hold.set()  # each stream ends at once
    _, address = await served(coordinator)
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    caller = Caller(_at(address))
    await caller.until(lambda: coordinator.attached >= 4)
    await caller.close()
    await asyncio.sleep(0.05)
    gc.collect()  # what still waits for a next word is destroyed here, and complains
    assert complaints == []


async def test_a_refusal_at_the_start_ends_it(served) -> None:
    _, address = await served(Coordinator(Rejected(rpc.wire_error(AlreadyExists("the name is taken")))))
    caller = Caller(_at(address))
    with pytest.raises(Refused, match="the name is taken"):
        await asyncio.wait_for(caller.task, 5)


async def test_a_coordinator_that_may_not_command_is_not_obeyed_and_asked_again(served) -> None:
    coordinator = Coordinator(WELCOME, Drain("d", "net", 1))
    _, address = await served(coordinator)

    def heed(said):
        raise NotLeader("another one commands")

    caller = Caller(_at(address), heed)
    await caller.until(lambda: coordinator.attached >= 2)
    assert (caller.told, caller.registered) == ([], [])
    await caller.close()


async def test_a_refusal_that_may_pass_is_tried_again(served) -> None:
    coordinator = Coordinator(Rejected(rpc.wire_error(Overloaded("too many devices"))))
    _, address = await served(coordinator)
    caller = Caller(_at(address))
    await caller.until(lambda: len(coordinator.heard) >= 2)
    assert not caller.task.done()
    assert coordinator.heard[:2] == [HELLO, HELLO]
    assert (caller.told, caller.registered) == ([], []), "a refusal is no welcome"
    await caller.close()


async def test_a_search_that_finds_nothing_is_tried_again() -> None:
    searches = []

    async def find():
        searches.append(1)
        raise DiscoveryFailed("no multicast route", "give the address")

    caller = Caller(find)
    await caller.until(lambda: len(searches) >= 2)
    assert not caller.task.done()
    assert (caller.told, caller.registered) == ([], []), "there was nobody to hear"
    await caller.close()


class ShutsOut(Coordinator):
    """Believes nobody until it is told to."""

    believes = False

    async def attach(self, said, peer):
        if not self.believes:
            self.attached += 1
            raise Unauthenticated("the certificate of agent 'board' is revoked", "join again")
        async for word in super().attach(said, peer):
            yield word


class Keys:
    """Stands for a `Trust`, as far as the pauses look at it."""

    credentials = "a key"


async def test_who_is_shut_out_says_so_once_asks_seldom_and_comes_back_with_another_key(
    served, monkeypatch
) -> None:
    monkeypatch.setattr(control, "LOOK", 0.01)
    monkeypatch.setattr(control, "LONGEST_PAUSE", 0.05)
    coordinator, keys = ShutsOut(WELCOME), Keys()
    _, address = await served(coordinator)
    real = rpc.open_channel
    monkeypatch.setattr(rpc, "open_channel", lambda *args, **more: real(*args, **{**more, "trust": None}))
    with structlog.testing.capture_logs() as logs:
        caller = Caller(_at(address), trust=keys)
        await caller.until(lambda: coordinator.attached >= 5)
        assert [line["log_level"] for line in logs if "shut out" in line["event"]] == ["warning"]
    assert caller.control._pause > 0.05, "it waits longer than who finds nobody"
    caller.control._pause = 3600.0
    await asyncio.sleep(0.7)  # the pause that had begun is over
    asked, coordinator.believes = coordinator.attached, True
    assert not caller.task.done(), "it goes on with what it has"
    keys.credentials = "another key"
    await caller.until(lambda: caller.registered)
    assert coordinator.attached <= asked + 2
    await caller.close()
