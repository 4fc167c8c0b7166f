"""How busy a shared cloud is, by whom, and how long that makes others wait."""

from __future__ import annotations

import dataclasses
import heapq
import random
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import limits, loads, reports
from lepton_edge.core import messages as m

TELEMETRY = m.Telemetry(0.5, 1 << 30, 1 << 20, 40.0, 0, 9, 0, 1.0)


@pytest.fixture
def street(pair: Any, make: Any) -> Any:
    """Two boards, of which each has an epoch of its own on one cloud: 1 and 2."""
    pair.attach(make.hello("shed"))
    for board in ("board", "shed"):
        pair.deploy(board=board)
        pair.run()
    return pair


def work(world: Any, seconds: float, workers: int = 1, **busy: float) -> None:
    """Let the cloud work for `seconds`, of which `busy` (epoch: part of them) on an epoch, 10 ms a run."""
    told = world.state.devices["cloud"].telemetry or TELEMETRY
    spent = {load.epoch: load.busy for load in told.loads}
    for _ in range(int(seconds / 1.5)):
        world.now += 1.5
        for name, part in busy.items():
            spent[int(name[1:])] = spent.get(int(name[1:]), 0.0) + 1.5 * part
        reports = tuple(m.LoadReport("net", epoch, sum_, round(sum_ / 0.01)) for epoch, sum_ in spent.items())
        told = dataclasses.replace(TELEMETRY, loads=reports, workers=workers)
        world.hear(world.state.devices["cloud"].stream, told)
        for name in ("board", "shed"):
            world.hear(world.state.devices[name].stream, TELEMETRY)
        world.do(e.Tick())


def test_utilisation_is_told_by_model_and_board(street: Any) -> None:
    work(street, 60, e1=0.3, e2=0.1)
    told = loads.shares(street.state, "cloud", street.now)
    assert [(one.model, one.board) for one in told] == [("net", "board"), ("net", "shed")]
    assert [one.part for one in told] == pytest.approx([0.3, 0.1], rel=0.02)
    assert loads.utilisation(street.state, "cloud", street.now) == pytest.approx(0.4, rel=0.02)


def test_only_the_others_count_for_a_board(street: Any) -> None:
    work(street, 60, e1=0.3, e2=0.1)
    of_board = loads.of_others(street.state, "cloud", "net", "board", street.now)
    assert of_board.part == pytest.approx(0.1, rel=0.02)
    assert [one.board for one in of_board.by] == ["shed"]
    newcomer = loads.of_others(street.state, "cloud", "net", "barn", street.now)
    assert newcomer.part == pytest.approx(0.4, rel=0.02)
    assert newcomer.wait == pytest.approx(0.4 / 0.6 / 2 * 0.01, rel=0.05), "M/D/1 with runs of 10 ms"


def test_a_device_that_falls_silent_is_idle_soon(street: Any) -> None:
    work(street, 60, e1=0.8)
    work(street, 30)
    assert loads.utilisation(street.state, "cloud", street.now) < 0.05
    work(street, 120)
    assert street.state.loads.keys() <= {("cloud", ("net", 1))}
    street.now += 200
    street.do(e.Tick())
    assert street.state.loads == {}


def test_an_agent_that_begins_anew_counts_from_nothing(street: Any) -> None:
    work(street, 60, e1=0.5)
    street.state.devices["cloud"].telemetry = TELEMETRY
    work(street, 1.5, e1=0.5)
    assert 0 <= loads.utilisation(street.state, "cloud", street.now) < 0.5
    work(street, 60, e1=0.5)
    assert loads.utilisation(street.state, "cloud", street.now) == pytest.approx(0.5, rel=0.05)


def test_more_workers_are_less_busy_and_let_one_wait_less(street: Any) -> None:
    work(street, 60, workers=4, e1=0.8)
    assert loads.utilisation(street.state, "cloud", street.now) == pytest.approx(0.2, rel=0.02)
    assert loads.wait(0.8, 0.01, 4) < loads.wait(0.8, 0.01, 1) / 4


def test_a_full_cloud_has_a_long_wait_and_no_endless_one() -> None:
    assert loads.wait(0.0, 0.01, 1) == 0.0
    assert loads.wait(5.0, 0.01, 1) == loads.wait(loads.FULLEST, 0.01, 1) == pytest.approx(0.095)


@pytest.mark.parametrize(("count", "part"), [(1, 0.3), (1, 0.7), (2, 0.6), (4, 0.8)])
def test_the_wait_is_that_of_a_queue_that_is_played_through(count: int, part: float) -> None:
    """Poisson arrivals, constant service, `count` workers, first come first served."""
    chance, service, now, waited = random.Random(11), 0.01, 0.0, 0.0
    free = [0.0] * count
    arrivals = 40_000
    for _ in range(arrivals):
        now += chance.expovariate(part * count / service)
        begin = max(now, heapq.heappop(free))
        heapq.heappush(free, begin + service)
        waited += begin - now
    assert loads.wait(part, service, count) == pytest.approx(waited / arrivals, rel=0.15)


def test_a_plan_for_one_board_is_ordered_with_the_load_of_the_others(street: Any) -> None:
    work(street, 60, e1=0.5, e2=0.4)
    street.deploy(board="shed")
    street.run()
    assert street.ordered[-1].load.part == pytest.approx(0.5, rel=0.03)
    assert street.ordered[-1].load.wait > 0.004
    work(street, 90)
    street.deploy(board="shed")
    street.run()
    assert street.ordered[-1].load is None, "nothing to notice"


def test_load_is_not_settled_until_a_while_after_the_last_move(street: Any) -> None:
    assert not loads.is_settled(street.state, ["cloud"], street.now)
    assert loads.is_settled(street.state, ["elsewhere"], street.now)
    work(street, loads.SETTLED + 3)
    assert loads.is_settled(street.state, ["cloud", "board"], street.now)
    street.deploy(board="shed")
    street.run()
    assert not loads.is_settled(street.state, ["cloud"], street.now)
    sharing = [record for record in street.state.active_epochs() if record.blocks_of("cloud")]
    assert [record.board for record in sharing] == ["board", "shed"]


def test_what_is_remembered_of_loads_is_bounded(street: Any) -> None:
    many = tuple(m.LoadReport("net", number, 1.0, 1) for number in range(10_000))
    street.hear(street.state.devices["cloud"].stream, dataclasses.replace(TELEMETRY, loads=many))
    assert len(street.state.loads) == limits.MAX_LOADS_TOLD


def test_a_deployment_tells_nobody_of_loads(street: Any) -> None:
    before = len(street.log)
    work(street, 3, e1=0.2)
    assert not [one for one in street.log[before:] if isinstance(one, c.Say)]


def test_a_device_is_shown_with_who_keeps_it_busy(street: Any) -> None:
    work(street, 60, e1=0.3)
    cloud = next(
        one for one in reports.devices(street.state, street.now)["devices"] if one["device"] == "cloud"
    )
    assert cloud["busy"] == pytest.approx(0.3, rel=0.02)
    assert [(one["model"], one["board"]) for one in cloud["shares"]] == [("net", "board")]
