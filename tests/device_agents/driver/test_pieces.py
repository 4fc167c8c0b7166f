"""Pieces are opened beside requests, verified, within a bound of memory, and without waiting in the requests' queue."""

from __future__ import annotations

import asyncio
import dataclasses
import threading

import numpy as np
import pytest

from device_agents.driver.holdings import Holdings
from device_agents.driver.pieces import SHARE, Background, weight_of
from device_agents.engine import Work
from device_agents.machine.commands import OpenPieces
from device_agents.machine.events import EpochKey
from lepton_edge.core.errors import PrepareFailed, StaleEpoch
from tests.device_agents.driver.test_holdings import World, as_one

KEY = EpochKey("net", 1)
ALL = OpenPieces(KEY, 0, 2)


class Place(World):
    """The holdings' world, on a board that opens pieces beside requests."""

    def __init__(self, folder):
        super().__init__(folder)
        self.holdings = Holdings(self.engine, self.store, self.fetch, lambda *words: None, "board")
        self.background = Background(self.holdings, self.engine, "board")

    def steps(self, first=0, last=2):
        blocks = self.holdings.opened(KEY).blocks
        return [one.block.index for one in blocks.span(first, last).steps]


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.engine.close()


async def test_a_spare_piece_is_opened_and_runs_from_then_on(place) -> None:
    await place.holdings.open(place.command(spare=as_one(place)))
    assert place.steps() == [0, 1]
    told = await place.background.open(ALL)
    assert (told.first, told.last, told.dropped, told.error) == (0, 2, (), None)
    assert place.steps() == [2]
    assert place.steps(1, 2) == [1], "another page runs as before"
    assert await place.holdings.check()
    fetched = len(place.fetched)
    await place.background.open(ALL)
    assert len(place.fetched) == fetched, "and nothing is opened twice"


async def test_what_runs_goes_on_meanwhile(place, monkeypatch) -> None:
    await place.holdings.open(place.command(spare=as_one(place)))
    slow, opening = threading.Event(), place.engine._open_one

    def waits(*given):
        slow.wait(5)
        return opening(*given)

    monkeypatch.setattr(place.engine, "_open_one", waits)
    task = asyncio.ensure_future(place.background.open(ALL))
    await asyncio.sleep(0.05)
    blocks = place.holdings.opened(KEY).blocks
    given = {spec.name: np.zeros([1 if isinstance(d, str) else d for d in spec.shape], spec.dtype)
             for spec in place.book.blocks[0].inputs}  # fmt: skip
    done = await asyncio.wait_for(
        place.engine.run(Work(blocks, 0, 2, given, keep=frozenset({place.book.blocks[1].outputs[0].name}))), 5
    )
    assert done.arrays
    assert not task.done()
    slow.set()
    await task
    assert place.steps() == [2]


async def test_a_piece_that_computes_something_else_is_not_used(place, monkeypatch) -> None:
    await place.holdings.open(place.command(spare=as_one(place)))

    def differs(*_given):
        raise PrepareFailed("block 2 computes 'out' differently")

    monkeypatch.setattr("device_agents.engine.engine.check_block", differs)
    with pytest.raises(PrepareFailed, match="differently"):
        await place.background.open(ALL)
    assert place.steps() == [0, 1]


async def test_pieces_take_a_part_of_the_memory_at_most(place, monkeypatch) -> None:
    (one,) = as_one(place)
    size = weight_of(one.block)
    assert size > 0
    await place.holdings.open(place.command(spare=(one,)))
    monkeypatch.setattr(place.engine, "resident", lambda: int(size / SHARE) - 10)
    with pytest.raises(PrepareFailed, match="0.0 MB may be spent"):
        await place.background.open(ALL)
    monkeypatch.setattr(place.engine, "resident", lambda: int(size / SHARE) + 10)
    await place.background.open(ALL)
    assert place.steps() == [2]


async def test_a_piece_that_nobody_uses_gives_way(place, monkeypatch) -> None:
    (whole,) = as_one(place)
    part = dataclasses.replace(whole, first=1, block=dataclasses.replace(place.book.blocks[1], index=3))
    await place.holdings.open(place.command(fused=(part,), spare=(whole,)))
    small, large = weight_of(part.block), weight_of(whole.block)
    monkeypatch.setattr(place.engine, "resident", lambda: int(large / SHARE) + small + 10)
    with pytest.raises(PrepareFailed):
        await place.background.open(dataclasses.replace(ALL, keep=((1, 2),)))
    told = await place.background.open(ALL)
    assert told.dropped == ((1, 2),)
    assert (place.steps(), place.steps(1, 2)) == ([2], [1])


async def test_what_gave_way_for_a_piece_that_could_not_be_opened_is_told(place, monkeypatch) -> None:
    (whole,) = as_one(place)
    part = dataclasses.replace(whole, first=1, block=dataclasses.replace(place.book.blocks[1], index=3))
    await place.holdings.open(place.command(fused=(part,), spare=(whole,)))
    small, large = weight_of(part.block), weight_of(whole.block)
    monkeypatch.setattr(place.engine, "resident", lambda: int(large / SHARE) + small + 10)

    def differs(*_given):
        raise PrepareFailed("block 2 computes 'out' differently")

    monkeypatch.setattr("device_agents.engine.engine.check_block", differs)
    told = await place.background.open(ALL)
    assert told.dropped == ((1, 2),)
    assert told.error.code == "prepare_failed"
    assert place.steps() == [0, 1]


async def test_blocks_that_a_page_lacks_are_fetched_and_opened(place) -> None:
    await place.holdings.open(place.command(hold=(1,)))
    await place.background.open(dataclasses.replace(ALL, blocks=(0,)))
    assert place.steps() == [0, 1]


async def test_a_page_does_not_wait_for_what_would_run_it_faster(place, monkeypatch) -> None:
    await place.holdings.open(place.command(hold=(1,), spare=as_one(place)))
    monkeypatch.setattr(place.engine, "resident", lambda: 1)
    await place.background.open(dataclasses.replace(ALL, blocks=(0,)))
    assert place.steps() == [0, 1], "there is no memory for the piece"


async def test_an_epoch_that_is_closed_meanwhile_stays_closed(place, monkeypatch) -> None:
    await place.holdings.open(place.command(spare=as_one(place)))
    add = place.engine.add

    async def closes(*given):
        place.holdings.close(KEY)
        return await add(*given)

    monkeypatch.setattr(place.engine, "add", closes)
    with pytest.raises(StaleEpoch):
        await place.background.open(ALL)
    with pytest.raises(StaleEpoch):
        place.holdings.opened(KEY)
