"""Epochs opened, shared, checked and freed."""

from __future__ import annotations

import dataclasses
import hashlib
import io

import numpy as np
import pytest

from device_agents.driver.holdings import Holdings
from device_agents.engine import Engine, EngineConfig
from device_agents.machine.commands import OpenEpoch
from device_agents.machine.events import EpochKey
from device_agents.store import ArtifactStore, RetryPolicy
from lepton_edge.core.errors import NotFound, PrepareFailed, StaleEpoch
from lepton_edge.core.messages import FetchChunk
from partitioner.errors import ModelTooLarge
from partitioner.plan import Fused
from tests.device_agents.engine.models import small_model
from tests.device_agents.fleet import book_of


class World:
    """Holdings over a store in a folder, with everything to fetch in a dictionary."""

    def __init__(self, folder):
        (folder / "model").mkdir()
        self.model = small_model(folder / "model")
        self.book, self.artifacts = book_of(self.model, labels=b"tench\ncat\n")
        self.fetched, self.told = [], []
        self.engine = Engine(EngineConfig(threads=1))
        self.store = ArtifactStore(folder / "store", 1 << 30, RetryPolicy(attempts=1))
        self.holdings = Holdings(self.engine, self.store, self.fetch, lambda *words: self.told.append(words))

    async def fetch(self, request):
        self.fetched.append(request.sha256)
        if request.sha256 not in self.artifacts:
            raise NotFound("no such artifact")
        content = self.artifacts[request.sha256]
        yield FetchChunk(request.offset, len(content), content[request.offset :])

    def command(self, epoch=1, hold=(0, 1), **changes):
        book = dataclasses.replace(self.book, **changes)
        return OpenEpoch(EpochKey("net", epoch), book, hold, command="c")


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.engine.close()


async def test_an_epoch_is_fetched_opened_and_verified(world) -> None:
    opened = await world.holdings.open(world.command())
    assert len(opened.opened) == 2
    assert opened.resident > 0
    epoch = world.holdings.opened(EpochKey("net", 1))
    assert sorted(epoch.blocks.held) == [0, 1]
    assert {stage for _, stage, _, _ in world.told} == {"fetching", "opening", "verifying"}
    assert await world.holdings.check()


async def test_only_what_is_held_is_fetched(world) -> None:
    await world.holdings.open(world.command(hold=(1,)))
    refs = {ref.sha256 for ref in world.book.blocks[0].weights}
    assert world.book.blocks[0].artifact not in world.fetched
    assert not refs & set(world.fetched)


async def test_what_is_opened_later_is_fetched_at_once_and_kept(world) -> None:
    await world.holdings.open(dataclasses.replace(world.command(hold=(1,)), later=(0,)))
    assert sorted(world.holdings.opened(EpochKey("net", 1)).blocks.held) == [1]
    assert world.book.blocks[0].artifact in world.fetched
    fetched = len(world.fetched)
    await world.holdings.add(EpochKey("net", 1), [world.book.blocks[0]], [])
    assert sorted(world.holdings.opened(EpochKey("net", 1)).blocks.held) == [0, 1]
    assert len(world.fetched) == fetched
    assert world.book.blocks[0].artifact in next(iter(world.store._holders.values()))


async def test_blocks_that_were_added_are_proven_afterwards_and_only_where_they_are_still_there(
    world,
) -> None:
    key = EpochKey("net", 1)
    await world.holdings.open(dataclasses.replace(world.command(hold=(1,)), later=(0,)))
    await world.holdings.add(key, [world.book.blocks[0]], [])
    assert world.holdings.opened(key).blocks.held[0].by_rows is None
    await world.holdings.prove(key, (0,))
    assert world.holdings.opened(key).blocks.held[0].by_rows is False
    world.holdings.close_blocks(key, (0,))
    await world.holdings.prove(key, (0,))
    assert sorted(world.holdings.opened(key).blocks.held) == [1]
    world.holdings.close(key)
    with pytest.raises(StaleEpoch):
        await world.holdings.prove(key, (0,))


async def test_an_epoch_that_is_restored_serves_before_it_is_known_what_may_be_batched(world) -> None:
    restored = dataclasses.replace(world.command(), command="")
    await world.holdings.open(restored)
    assert [one.by_rows for one in world.holdings.opened(restored.key).blocks.held.values()] == [None, None]
    await world.holdings.prove(restored.key)
    found = [one.by_rows for one in world.holdings.opened(restored.key).blocks.held.values()]
    prepared = dataclasses.replace(world.command(epoch=2))
    world.holdings.close(restored.key)
    await world.holdings.open(prepared)
    assert found == [one.by_rows for one in world.holdings.opened(prepared.key).blocks.held.values()]
    assert None not in found


async def test_a_block_that_another_epoch_holds_is_not_opened_twice_beside_requests_either(world) -> None:
    await world.holdings.open(world.command())
    await world.holdings.open(world.command(epoch=2, hold=(1,)))
    await world.holdings.add(EpochKey("net", 2), [world.book.blocks[0]], [])
    first, second = (world.holdings.opened(EpochKey("net", epoch)).blocks for epoch in (1, 2))
    assert first.held[0].runner is second.held[0].runner


async def test_blocks_are_closed_and_what_runs_them_as_one_with_them(world) -> None:
    holdings = Holdings(world.engine, world.store, world.fetch, lambda *words: None, "board")
    await holdings.open(world.command(fused=as_one(world)))
    running = holdings.opened(EpochKey("net", 1)).blocks
    holdings.close_blocks(EpochKey("net", 1), (0,))
    left = holdings.opened(EpochKey("net", 1)).blocks
    assert (sorted(left.held), left.fused) == ([1], {})
    assert running.span(0, 2).steps, "what runs on them ends on them"
    holdings.close_blocks(EpochKey("net", 9), (0,))


async def test_a_block_of_another_open_epoch_is_not_opened_twice(world) -> None:
    await world.holdings.open(world.command())
    opened = await world.holdings.open(world.command(epoch=2))
    assert opened.opened == (0.0, 0.0)
    first, second = (world.holdings.opened(EpochKey("net", epoch)).blocks for epoch in (1, 2))
    assert first.held[0].runner is second.held[0].runner
    other = await world.holdings.open(world.command(epoch=3, blob="0" * 64, hold=()))
    assert other.opened == ()


async def test_what_another_open_epoch_proved_is_not_run_again(world, monkeypatch) -> None:
    """A cloud of a thousand boards is told of one set of blocks a thousand times."""
    ran, verify = [], world.engine.verify

    async def counted(blocks, golden, tolerance):
        ran.append(sorted(blocks.held))
        return await verify(blocks, golden, tolerance)

    monkeypatch.setattr(world.engine, "verify", counted)
    first, second = world.command(), world.command(epoch=2)
    await world.holdings.open(first)
    await world.holdings.open(second)
    assert ran == [[0, 1]]
    blocks = [world.holdings.opened(one.key).blocks for one in (first, second)]
    assert blocks[0].activation == blocks[1].activation
    assert await world.holdings.check()
    assert ran == [[0, 1], [0, 1]]
    await world.holdings.open(world.command(epoch=3, tolerance=world.book.tolerance / 2))
    assert len(ran) == 3, "it must be within less"
    for key in (first.key, second.key, EpochKey("net", 3)):
        world.holdings.close(key)
    await world.holdings.open(world.command(epoch=4))
    assert len(ran) == 4, "what was closed proves nothing"


async def test_what_cannot_be_prepared_is_not_held(world) -> None:
    with pytest.raises(NotFound):
        await world.holdings.open(world.command(golden="0" * 64))
    with pytest.raises(StaleEpoch):
        world.holdings.opened(EpochKey("net", 1))
    assert world.store._holders == {}


async def test_a_device_that_computes_something_else_is_found_out(world) -> None:
    with np.load(io.BytesIO(world.artifacts[world.book.golden])) as arrays:
        changed = {**arrays, "mid": arrays["mid"] * 1.1}
    golden = io.BytesIO()
    np.savez(golden, **changed)
    name = hashlib.sha256(golden.getvalue()).hexdigest()
    world.artifacts[name] = golden.getvalue()
    with pytest.raises(PrepareFailed, match="block 0 computes 'mid' differently"):
        await world.holdings.open(world.command(golden=name))


async def test_a_closed_epoch_is_gone_and_its_files_may_go(world) -> None:
    await world.holdings.open(world.command())
    world.holdings.close(EpochKey("net", 1))
    with pytest.raises(StaleEpoch):
        world.holdings.opened(EpochKey("net", 1))
    assert world.store._holders == {}
    assert not await world.holdings.check(), "nothing to run"


def as_one(world, device="board"):
    """The two blocks of the small model as one, by the file that it has for all."""
    model = world.model
    file = model.whole_file.read_bytes()
    name = hashlib.sha256(file).hexdigest()
    world.artifacts[name] = file
    whole = dataclasses.replace(model.whole, index=len(world.book.blocks), artifact=name)
    return (Fused(device, 0, 2, whole),)


async def test_a_fused_stage_of_this_device_is_opened_and_verified_and_run(world) -> None:
    holdings = Holdings(world.engine, world.store, world.fetch, lambda *words: None, "board")
    await holdings.open(world.command(fused=as_one(world)))
    blocks = holdings.opened(EpochKey("net", 1)).blocks
    assert [one.block.index for one in blocks.span(0, 2).steps] == [2]
    assert sorted(blocks.held) == [0, 1]
    await holdings.open(world.command(epoch=2, fused=as_one(world)))
    again = holdings.opened(EpochKey("net", 2)).blocks
    assert again.fused[0, 2].runner is blocks.fused[0, 2].runner


async def test_a_fused_stage_of_another_device_is_not_fetched(world) -> None:
    holdings = Holdings(world.engine, world.store, world.fetch, lambda *words: None, "board")
    await holdings.open(world.command(fused=as_one(world, "cloud")))
    assert holdings.opened(EpochKey("net", 1)).blocks.fused == {}
    assert set(world.fetched).isdisjoint(one.block.artifact for one in as_one(world))


async def test_without_the_memory_for_it_a_stage_runs_block_by_block(world, monkeypatch) -> None:
    holdings = Holdings(world.engine, world.store, world.fetch, lambda *words: None, "board")
    refuse = world.engine._refuse_too_large

    def refuse_the_fused(blocks):
        refuse(blocks)
        if any(block.index == 2 for block in blocks):
            raise ModelTooLarge("no room")

    monkeypatch.setattr(world.engine, "_refuse_too_large", refuse_the_fused)
    await holdings.open(world.command(fused=as_one(world)))
    blocks = holdings.opened(EpochKey("net", 1)).blocks
    assert [one.block.index for one in blocks.span(0, 2).steps] == [0, 1]


async def test_a_fused_stage_that_cannot_be_fetched_runs_block_by_block(world) -> None:
    """A device that starts again without a network, its cache trimmed, still serves what it has."""
    holdings = Holdings(world.engine, world.store, world.fetch, lambda *words: None, "board")
    fused = as_one(world)
    del world.artifacts[fused[0].block.artifact]
    await holdings.open(world.command(fused=fused))
    assert sorted(holdings.opened(EpochKey("net", 1)).blocks.held) == [0, 1]
    assert holdings.opened(EpochKey("net", 1)).blocks.fused == {}


async def test_a_fused_stage_that_is_broken_runs_block_by_block(world) -> None:
    holdings = Holdings(world.engine, world.store, world.fetch, lambda *words: None, "board")
    (one,) = as_one(world)
    name = hashlib.sha256(b"no model").hexdigest()
    world.artifacts[name] = b"no model"
    broken = dataclasses.replace(one, block=dataclasses.replace(one.block, artifact=name))
    await holdings.open(world.command(fused=(broken,)))
    assert holdings.opened(EpochKey("net", 1)).blocks.fused == {}


async def test_a_fused_stage_that_answers_otherwise_runs_block_by_block(world, monkeypatch) -> None:
    holdings = Holdings(world.engine, world.store, world.fetch, lambda *words: None, "board")
    verify = world.engine.verify

    async def differs(blocks, golden, tolerance):
        if 2 in blocks.held:
            raise PrepareFailed("block 2 computes 'out' differently")
        return await verify(blocks, golden, tolerance)

    monkeypatch.setattr(world.engine, "verify", differs)
    await holdings.open(world.command(fused=as_one(world)))
    blocks = holdings.opened(EpochKey("net", 1)).blocks
    assert [one.block.index for one in blocks.span(0, 2).steps] == [0, 1]
    assert await holdings.check(), "a device is not ill for a stage that it does not run"
