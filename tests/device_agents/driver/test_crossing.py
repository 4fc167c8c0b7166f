"""Two agents that dialled each other at once: one link stays, and no request is lost by the others."""

from __future__ import annotations

import asyncio

import pytest

from device_agents.driver import peers as room
from tests.device_agents.engine.models import small_model
from tests.device_agents.fleet import Fleet, ask, book_of


@pytest.fixture
async def fleet(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "QUIET", 0.4)
    (tmp_path / "model").mkdir()
    made, model = Fleet(tmp_path), small_model(tmp_path / "model")
    await made.puppet.start()
    await asyncio.gather(made.start("board"), made.start("cloud"))
    await made.registered("board", "cloud")
    book, made.puppet.artifacts = book_of(model)
    await made.puppet.deploy(book, {"cloud": (0, 1), "board": (0, 1)})
    await made.linked()
    made.x = model.input()
    yield made
    await made.close()


def ways(fleet, name, peer):
    return fleet.agents[name].peers._links.get(peer, [])


async def test_one_link_of_many_stays_and_every_request_goes_through(fleet):
    client, pages = await fleet.client(), []
    over = asyncio.Event()

    async def keep_asking():
        while not over.is_set():
            reply = await client.request(ask(fleet.x, "cloud-raw"), 10)
            pages.append((reply.page, reply.reason))

    asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
    for _ in range(2):
        for name, peer in (("cloud", "board"), ("board", "cloud")):
            agent = fleet.agents[name]
            agent.peers.add(await agent._dial(fleet.agents[peer].addresses[0]), dialled=True)
            await asyncio.sleep(0.01)
    assert len(ways(fleet, "board", "cloud")) > 2
    for _ in range(300):
        if len(ways(fleet, "board", "cloud")) == len(ways(fleet, "cloud", "board")) == 1:
            break
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    over.set()
    await asyncio.gather(*asking)
    assert [way.dialled for way in ways(fleet, "board", "cloud")] == [True], "the board's name is first"
    assert [way.dialled for way in ways(fleet, "cloud", "board")] == [False]
    assert len(pages) > 20
    assert {page for page, _ in pages} == {"cloud-raw"}, "none was answered by the board for want of a link"
    await client.close()
