"""Devices short of memory: less at once, never the local page, and more again when it is there."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_edge.coordinator import pressure
from lepton_edge.coordinator.events import Detached
from tests.lepton_edge.coordinator import arithmetic
from tests.lepton_edge.coordinator.arithmetic import MIB, planner, replans

BLOCK = 4 * MIB


@pytest.fixture
def world(make: Any, monkeypatch: Any) -> Any:
    """A board and a cloud, and a planner that keeps within both's memory, 4 MiB a block."""
    every = arithmetic.pages

    def fits(page: Any, name: str, room: int) -> bool:
        blocks = sum(stage.last - stage.first for stage in page.stages if stage.device == name)
        return not room or blocks * BLOCK <= room

    def within(order: Any) -> list[Any]:
        rooms = (("board", order.board_memory), ("cloud", order.cloud_memory))
        return [page for page in every(order) if all(fits(page, name, room) for name, room in rooms)]

    monkeypatch.setattr(arithmetic, "pages", within)
    found = planner(make.World)()
    found.attach(make.hello("board"))
    found.attach(make.hello("cloud", "cloud"))
    found.push()
    found.run()
    found.deploy()
    found.run()
    found.answer_requests(0.09)
    found.pass_time(25.0)
    assert pages(found) == {"cut-0", "cut-1", "local"}
    return found


def pages(world: Any) -> set[str]:
    return {page.name for page in world.active.book.pages}


def free(world: Any, name: str, part: float, seconds: float) -> None:
    """For so long, a device tells that a part of its memory is free."""
    total = world.state.devices[name].hello.hardware.memory_total
    end = world.now + seconds
    while world.now < end:
        world.tell(name, memory_available=int(total * part))
        world.pass_time(1.0)


def test_a_device_short_of_memory_gets_less_at_once(world: Any) -> None:
    free(world, "cloud", 0.0498, 8.0)
    assert world.ordered[-1].cloud_memory < 2 * BLOCK
    assert pages(world) == {"cut-1", "local"}
    (told,) = replans(world)
    assert "cloud is short of memory" in told.cause


def test_a_board_that_holds_a_whole_model_keeps_its_local_page(world: Any) -> None:
    epoch, asked = world.active.epoch, len(world.ordered)
    free(world, "board", 0.01, 60.0)
    assert (world.active.epoch, len(world.ordered)) == (epoch, asked)
    world.do(Detached("gone", world.state.devices["cloud"].stream))
    assert "local" in pages(world)


def test_what_memory_took_comes_back_with_it(world: Any) -> None:
    free(world, "cloud", 0.0495, 8.0)
    epoch = world.active.epoch
    free(world, "cloud", 0.5, pressure.AGAIN - 5.0)
    assert world.active.epoch == epoch, "not yet"
    free(world, "cloud", 0.5, 60.0)
    assert pages(world) == {"cut-0", "cut-1", "local"}
    assert "cloud has memory again" in replans(world)[-1].cause
    epoch = world.active.epoch
    free(world, "cloud", 0.5, 300.0)
    assert world.active.epoch == epoch


def test_a_plan_made_for_another_cause_stays_within_what_is_left(world: Any) -> None:
    free(world, "cloud", 0.0495, 8.0)
    world.slow_down("board", 6.0)
    world.answer_requests(0.5)
    free(world, "cloud", 0.06, 150.0)
    assert world.ordered[-1].cloud_memory < 2 * BLOCK


def test_where_nothing_else_can_be_planned_it_is_seldom_tried(world: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("lepton_edge.coordinator.promises.differs", lambda *_: False)
    asked = len(world.ordered)
    free(world, "cloud", 0.01, 300.0)
    assert len(world.ordered) - asked <= 5


def test_memory_that_comes_and_goes_changes_little(world: Any) -> None:
    before = world.active.epoch
    for _ in range(15):
        free(world, "cloud", 0.0495, 60.0)
        free(world, "cloud", 0.5, 60.0)
    assert 2 <= world.active.epoch - before <= 10, "of 30"
