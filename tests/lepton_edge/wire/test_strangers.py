"""Bounds on those who have not proved who they are."""

from __future__ import annotations

import asyncio

import pytest

from lepton_edge.core.errors import Overloaded
from lepton_edge.wire import strangers
from lepton_edge.wire.strangers import BURST, Stranger, Strangers


async def stay(among: Strangers, host: str, inside: list[str]) -> None:
    with among.inside(host):
        inside.append(host)
        try:
            await asyncio.sleep(60)
        finally:
            inside.remove(host)


async def begun(among: Strangers, hosts: list[str], inside: list[str]) -> list[asyncio.Task[None]]:
    tasks = []
    for host in hosts:
        tasks.append(asyncio.create_task(stay(among, host, inside)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return tasks


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_whose_address_has_most_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "MOST", 4)
    among, inside = Strangers(), []
    tasks = await begun(among, ["10.0.0.1"] * 3 + ["10.0.0.2"], inside)
    tasks += await begun(among, ["10.0.0.3"], inside)
    await asyncio.sleep(0)
    assert sorted(inside) == ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3"]
    refused = (await begun(among, ["10.0.0.1"], inside))[0]
    with pytest.raises(Overloaded):
        await refused
    await ended(tasks)
    assert not inside


async def test_who_holds_a_place_from_many_addresses_keeps_nobody_out_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strangers, "MOST", 3)
    now, inside = [0.0], []
    among = Strangers(clock=lambda: now[0])
    tasks = await begun(among, ["10.0.0.1", "10.0.0.2", "10.0.0.3"], inside)
    early = (await begun(among, ["10.0.0.4"], inside))[0]
    with pytest.raises(Overloaded):
        await early
    now[0] = strangers.LEAST_STAY
    tasks += await begun(among, ["10.0.0.4"], inside)
    await asyncio.sleep(0)
    assert sorted(inside) == ["10.0.0.2", "10.0.0.3", "10.0.0.4"], "who was there longest gives way"
    await ended(tasks)


async def test_neighbours_of_one_ipv6_network_are_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "MOST", 2)
    among, inside = Strangers(), []
    tasks = await begun(among, ["2001:db8::1", "2001:db8::2"], inside)
    tasks += await begun(among, ["2001:db8:0:1::1", "2001:db8::3"], inside)
    await asyncio.sleep(0)
    assert sorted(inside) == ["2001:db8:0:1::1", "2001:db8::2"]
    await ended(tasks[:3])
    with pytest.raises(Overloaded):
        await tasks[3]


async def begin(among: Strangers, address: str, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(among.turn(address)) for _ in range(count)]
    await asyncio.sleep(0.01)
    return tasks


async def test_an_address_that_proves_nothing_gets_so_many_handshakes() -> None:
    now = [100.0]
    among = Strangers(clock=lambda: now[0])
    tasks = await begin(among, "10.0.0.1", 2 * BURST)
    assert sum(task.done() for task in tasks) == BURST
    assert (await begin(among, "10.0.0.2", 1))[0].done(), "another one is not concerned"
    now[0] += 0.5
    await asyncio.sleep(2 / strangers.RATE)
    assert sum(task.done() for task in tasks) == BURST + int(strangers.RATE / 2)
    await ended(tasks)


async def test_who_gave_up_takes_nobodys_turn() -> None:
    now = [100.0]
    among = Strangers(clock=lambda: now[0])
    await begin(among, "10.0.0.1", BURST)
    gone, waiting = await begin(among, "10.0.0.1", 2)
    await ended([gone])
    now[0] += 1.2 / strangers.RATE
    await asyncio.wait_for(waiting, 5.0)


async def test_who_proves_who_it_is_is_never_held_up() -> None:
    among = Strangers(clock=lambda: 100.0)
    for _ in range(3 * BURST):
        with among.inside("10.0.0.1") as one:
            assert isinstance(one, Stranger)
            await asyncio.wait_for(one.turn(), 1.0)
            one.known()


async def test_addresses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "_ADDRESSES", 3)
    among = Strangers()
    for number in range(10):
        await among.turn(f"10.0.0.{number}")
    assert len(among._allowances) == 3
