"""From an address to the doors behind it."""

from __future__ import annotations

import gc

import grpc
import pytest

from lepton_edge.client import address
from lepton_edge.client.address import Doors, check_address, doors, entry_addresses, find_doors, is_local
from lepton_edge.core.errors import (
    DiscoveryFailed,
    IncompatibleVersion,
    InvalidInput,
    Unauthenticated,
    Unavailable,
)
from lepton_edge.core.messages import Description, Peer
from lepton_edge.wire import rpc
from partitioner.units import DeviceId


def peer(name: str, *addresses: str) -> Peer:
    return Peer(DeviceId(name), addresses)


def told(kind: str, coordinator: str = "", entries: tuple[Peer, ...] = (), major: int = 1) -> Description:
    return Description(kind, "it", "0.1.0", major, 0, coordinator, entries)


def test_an_agent_is_the_entry_itself() -> None:
    assert doors("pi:8011", told("agent", "c:8010")) == Doors("pi:8011", ("pi:8011",), "c:8010")


def test_a_coordinator_names_entries_and_one_on_this_machine_comes_first() -> None:
    found = told(
        "coordinator",
        entries=(peer("far", "198.51.100.1:8011", "198.51.100.2:8011"), peer("me", "127.0.0.1:8011")),
    )
    assert doors("c:8010", found) == Doors(
        "c:8010", ("127.0.0.1:8011", "198.51.100.1:8011", "198.51.100.2:8011"), "c:8010"
    )


def test_the_coordinators_order_holds_among_equals() -> None:
    order = ["127.0.0.1:9", "127.0.0.1:8", "127.0.0.1:7"]
    assert entry_addresses([peer(one, one) for one in order]) == order


@pytest.mark.parametrize(
    ("given", "here"),
    [("127.0.0.1:1", True), ("[::1]:1", True), ("198.51.100.1:1", False), ("no.such.host.invalid:1", False)],
)
def test_what_is_on_this_machine(given: str, here: bool) -> None:
    assert is_local(given) is here


@pytest.mark.parametrize(
    "given", ["", "host", "host:", ":8010", "host:port", "host:0", "host:70000", "http://host"]
)
def test_what_is_no_address(given: str) -> None:
    with pytest.raises(InvalidInput, match="host:port"):
        check_address(given)


async def test_nobody_at_an_address_is_said_at_once() -> None:
    with pytest.raises(Unavailable, match=r"nobody answers at 127\.0\.0\.1:9.*coordinator start"):
        await find_doors("127.0.0.1:9")


async def test_without_an_address_a_coordinator_here_chooses_then_an_agent_here_is_the_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board, cloud = f"{address.HERE}:8012", address.LOCAL_AGENT
    there = {
        address.LOCAL_AGENT: told("agent"),
        address.LOCAL_COORDINATOR: told("coordinator", entries=(peer("board", board), peer("cloud", cloud))),
    }

    async def describe(asked: str, timeout: float = 1.0, trust: object = None) -> Description:
        if asked not in there:
            raise Unavailable("nobody")
        return there[asked]

    monkeypatch.setattr(address, "describe", describe)
    assert (await find_doors(None)).entries == (board, cloud), "not whichever agent got the first port"
    there[address.LOCAL_COORDINATOR] = told("coordinator")
    assert (await find_doors(None)).entries == (address.LOCAL_AGENT,), "it knows of no agent yet"
    del there[address.LOCAL_AGENT]
    assert (await find_doors(None)).coordinator == address.LOCAL_COORDINATOR
    del there[address.LOCAL_COORDINATOR]
    there[address.LOCAL_AGENT] = told("agent")
    assert (await find_doors(None)).entries == (address.LOCAL_AGENT,)


async def test_without_anybody_the_failed_search_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(asked: str, timeout: float = 1.0, trust: object = None) -> Description:
        raise Unavailable("nobody")

    async def search(timeout: float) -> str:
        raise DiscoveryFailed("no multicast here")

    monkeypatch.setattr(address, "describe", nobody)
    monkeypatch.setattr(address.discovery, "find_coordinator", search)
    for find in (find_doors, address.find_coordinator):
        with pytest.raises(DiscoveryFailed, match="no multicast"):
            await find(None)


async def test_the_coordinator_whose_key_it_is_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    own, board = "127.0.0.1:8018", f"{address.HERE}:8012"
    there = {
        own: told("coordinator", entries=(peer("board", board),)),
        address.LOCAL_COORDINATOR: told("coordinator", entries=(peer("other", "10.0.0.9:1"),)),
    }

    async def describe(asked: str, timeout: float = 1.0, trust: object = None) -> Description:
        if asked not in there:
            raise Unavailable("nobody")
        return there[asked]

    monkeypatch.setattr(address, "describe", describe)
    assert (await find_doors(None, beside=own)).entries == (board,)
    assert await address.find_coordinator(None, beside=own) == own
    del there[own]
    assert await address.find_coordinator(None, beside=own) == address.LOCAL_COORDINATOR


async def test_who_else_is_here_is_no_obstacle_where_our_own_coordinator_has_no_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = "127.0.0.1:8018"

    async def describe(asked: str, timeout: float = 1.0, trust: object = None) -> Description:
        if asked != own:
            raise Unauthenticated("no certificate that is believed here")
        return told("coordinator")

    monkeypatch.setattr(address, "describe", describe)
    assert await find_doors(None, beside=own) == Doors(own, (), own)
    with pytest.raises(Unauthenticated) as caught:
        await find_doors(None)
    assert "is your own coordinator running?" in caught.value.hint


async def test_a_failed_search_says_who_is_there_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(asked: str, timeout: float = 1.0, trust: object = None) -> Description:
        raise Unavailable("nobody")

    async def search(timeout: float) -> str:
        raise DiscoveryFailed("no multicast here")

    monkeypatch.setattr(address, "describe", nobody)
    monkeypatch.setattr(address.discovery, "find_coordinator", search)
    monkeypatch.setattr(address, "is_free", lambda host, port: False)
    monkeypatch.setattr(address, "whose", lambda port: " by nginx (process 7)")
    with pytest.raises(DiscoveryFailed, match="no multicast here") as failed:
        await address.find_coordinator(None, beside="127.0.0.1:8018")
    assert "started here last, at 127.0.0.1:8018, does not answer" in failed.value.message
    assert (
        "127.0.0.1:8010 is taken by nginx (process 7), and answers as something else" in failed.value.message
    )


async def test_another_major_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stub:
        def __init__(self, *_: object) -> None: ...

        async def describe(self) -> Description:
            return told("agent", major=2)

    monkeypatch.setattr(address.rpc, "ControlStub", Stub)
    with pytest.raises(IncompatibleVersion, match="protocol 2"):
        await find_doors("127.0.0.1:9")


async def test_an_agent_that_fails_to_answer_keeps_no_connection_of_ours() -> None:
    """Nor is it left to the garbage collector, which may not come for hours."""

    async def fails() -> Description:
        raise Unavailable("starting")

    def channels() -> int:
        # by type: isinstance asks objects for their class, which some of other packages answer with a warning
        return sum(issubclass(type(one), grpc.aio.Channel) for one in gc.get_objects())

    server, where = await rpc.open_server("127.0.0.1:0", rpc.describe_handlers(fails))
    gc.collect()
    before = channels()
    gc.disable()
    try:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await address.describe(where)
        assert channels() == before
    finally:
        gc.enable()
        await server.stop(None)
