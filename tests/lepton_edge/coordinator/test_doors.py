"""The coordinator dials what devices have registered, and says what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lepton_edge.coordinator import doors
from lepton_edge.core.errors import InvalidInput, Overloaded
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR, Description
from lepton_edge.wire import rpc


def device(name: str, *addresses: str, connected: bool = True) -> Any:
    return SimpleNamespace(
        name=name, stream="s" if connected else None, hello=SimpleNamespace(data_addresses=addresses)
    )


async def test_who_answers_who_does_not_and_who_is_somebody_else() -> None:
    async def describe() -> Description:
        return Description("agent", "pi", "0.1", PROTOCOL_MAJOR, PROTOCOL_MINOR)

    server, address = await rpc.open_server("127.0.0.1:0", rpc.describe_handlers(describe))
    try:
        told = await doors.document([device("pi", address, "127.0.0.1:1"), device("other", address)])
    finally:
        await server.stop(None)
    assert told["schema"] == "lepton-edge/doors/1"
    (answers, refused), (mistaken,) = (one["doors"] for one in told["devices"])
    assert answers["why"] == ""
    assert "refused" in refused["why"]
    assert mistaken["why"] == "agent pi answers there"


def test_one_device_or_all_that_are_attached() -> None:
    known = {name: device(name) for name in ("b", "a")}
    state = cast(Any, SimpleNamespace(devices=known, connected=lambda: list(known.values())))
    assert [one.name for one in doors.chosen(state, cast(Any, ""))] == ["a", "b"]
    assert [one.name for one in doors.chosen(state, cast(Any, "b"))] == ["b"]
    assert doors.chosen(state, cast(Any, "c")) == []


# --- a device that asks of itself: who has its key is not shown the coordinator's network -----------------


@pytest.fixture
async def listening() -> AsyncIterator[tuple[str, list[str]]]:
    """Somebody who is none of ours, as databases and consoles are; and where who dialled it came from."""
    dialled: list[str] = []

    async def come(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialled.append(str(writer.get_extra_info("peername")))
        writer.write(b"220 a mail server\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(come, "127.0.0.1", 0)
    yield rpc.join_address(*server.sockets[0].getsockname()), dialled
    server.close()
    await server.wait_closed()


def asking(peer: str = "127.0.0.1:9", name: str = "mallory") -> rpc.PeerContext:
    return rpc.PeerContext(peer, Identity(Role.AGENT, name), sealed=True)


async def test_a_scan_learns_neither_what_is_there_nor_by_how_long_it_takes(
    listening: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "PATIENCE", 0.8)
    open_port, dialled = listening
    own = doors.OwnDoors()
    told, took = [], []
    for address in (open_port, "127.0.0.1:1"):  # one that listens, one that does not
        begun = time.monotonic()
        found = await own.document([device("mallory", address)], None, asking())
        took.append(time.monotonic() - begun)
        told.append([(one["why"], one["seconds"]) for one in found["devices"][0]["doors"]])
    assert dialled, "it was tried"
    assert told[0] == told[1] == [(doors.SILENT, 0.0)]
    assert min(took) >= 0.8, took


async def test_who_is_elsewhere_has_nothing_of_the_coordinators_own_machine_dialled(
    listening: tuple[str, list[str]],
) -> None:
    address, dialled = listening
    found = await doors.OwnDoors().document([device("mallory", address)], None, asking("192.0.2.7:9"))
    assert [one["why"] for one in found["devices"][0]["doors"]] == [doors.SILENT]
    assert dialled == []


async def test_a_device_hears_that_it_answers() -> None:
    async def describe() -> Description:
        return Description("agent", "pi", "0.1", PROTOCOL_MAJOR, PROTOCOL_MINOR)

    server, address = await rpc.open_server("127.0.0.1:0", rpc.describe_handlers(describe))
    try:
        told = await doors.OwnDoors().document([device("pi", address)], None, asking(name="pi"))
    finally:
        await server.stop(None)
    assert told["devices"][0]["doors"] == [{"address": address, "why": "", "seconds": 0.0}]


async def test_whoever_asks_again_and_again_waits_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "PATIENCE", 0.01)
    own = doors.OwnDoors()

    async def ask_on() -> None:
        for _ in range(50):
            await own.document([device("mallory", "127.0.0.1:1")], None, asking())

    with pytest.raises(Overloaded) as late:
        await ask_on()
    assert late.value.retry_after
    await own.document([device("pi", "127.0.0.1:1")], None, asking(name="pi"))


@pytest.mark.parametrize(
    "addresses", [[f"10.0.0.{last}:8011" for last in range(9)], ["no address"], [f"{'a' * 300}:1"]]
)
def test_a_device_registers_few_addresses(addresses: list[str]) -> None:
    def registered(*given: str) -> Any:
        return SimpleNamespace(device="mallory", data_addresses=given)

    with pytest.raises(InvalidInput):
        doors.check_hello(registered(*addresses))
    doors.check_hello(registered(*(f"10.0.0.{last}:8011" for last in range(8)), *()))
