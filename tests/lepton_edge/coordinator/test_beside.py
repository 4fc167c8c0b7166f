"""A version that is tried, and the version before, outlive the coordinator."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.coordinator import canary, writing
from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.records import ACTIVE, DRAINING, FAILED, READY, EpochRecord
from lepton_edge.coordinator.server import remembered
from lepton_edge.coordinator.state import Settings
from lepton_edge.coordinator.store import MIGRATIONS, Store
from lepton_edge.core import messages as m
from lepton_edge.core.changes import ROLLED_BACK

BOARD = ("net", "board")


class Life:
    """One coordinator after another on one store; each has its own clock."""

    def __init__(self, directory: Path, make: Any) -> None:
        self.directory, self.make = directory, make
        self.fares: dict[int, list[float]] = {}
        self.world = self._born(wall=1000.0)
        for name in ("board", "cloud"):
            self.world.attach(make.hello(name, name))
        self.world.push()
        self.world.deploy()
        self.world.run()
        self.world.push(make.model(version="v2"))

    def _born(self, wall: float) -> Any:
        self.store = Store(self.directory)
        settings = Settings("0.1", self.store.begin_term(), wall=wall)  # type: ignore[arg-type]
        return self.make.World(remembered(self.store.load(), settings))

    def restart(self, ahead: float = 0.0) -> None:
        """Begin again on what was written down, by a clock that is `ahead` of the one before."""
        writing.write(self.store, [one for one in self.world.log if writing.is_keep(one)])
        self.store.close()
        now = self.world.now + self.world.state.settings.wall + ahead
        self.world = self._born(wall=now - 5.0)  # 1 s passed, and the clock begins anew
        self.world.now = 6.0
        self.world.do(e.Tick())

    def back(self, name: str, incarnation: str = "i1", **held: str) -> None:
        statuses = tuple(m.EpochStatus("net", "v1", int(n[1:]), state) for n, state in held.items())
        self.world.attach(self.make.hello(name, name, incarnation, epochs=statuses))
        self.world.run()

    def answer(self, epoch: int, answered: int, mean: float = 0.010) -> None:
        fare = self.fares.setdefault(epoch, [0, 0.0, 0.0])
        log = math.log(mean)
        fare[:] = [fare[0] + answered, fare[1] + answered * log, fare[2] + answered * log * log]
        told = tuple(
            m.EpochReport("net", number, int(count), 0, mean, mean, logs, squares)
            for number, (count, logs, squares) in self.fares.items()
        )
        self.world.now += 1.0
        for device in self.world.state.connected():
            news = told if device.name == "board" else ()
            self.world.hear(device.stream, m.Telemetry(0.0, 4 << 30, 1, 0.0, 0, 0, 0, 1.0, epochs=news))
        self.world.do(e.Tick())
        self.world.run()

    def states(self) -> dict[int, str]:
        return {n: state for n, state in self.world.epoch_states().items() if state in (ACTIVE, READY)}


@pytest.fixture
def tried(tmp_path: Path, make: Any) -> Life:
    """Epoch 2 is tried by a tenth of the requests and gave 30 of 50 answers, when the coordinator is restarted."""
    life = Life(tmp_path, make)
    life.world.deploy(canary=0.1, canary_requests=50)
    life.world.run()
    life.answer(1, 500)
    life.answer(1, 300)
    life.answer(2, 30)
    life.restart()
    return life


def _tries(world: Any) -> list[tuple[str, int, float]]:
    said = [one for one in world.log if isinstance(one, c.Say) and isinstance(one.message, m.Activate)]
    return [(world.device(one.stream), one.message.epoch, one.message.share) for one in said]


def test_a_trial_goes_on_where_it_was(tried: Life) -> None:
    assert tried.states() == {1: ACTIVE, 2: READY}
    tried.back("cloud", e1="active", e2="ready")
    tried.back("board", e1="active", e2="ready")
    assert _tries(tried.world) == [("board", 2, 0.1)]
    tried.answer(1, 100)
    tried.answer(2, 15)
    assert tried.states() == {1: ACTIVE, 2: READY}, "45 answers are not enough"
    tried.answer(2, 5)
    assert tried.states() == {1: READY, 2: ACTIVE}


def test_a_clock_that_is_days_ahead_at_a_start_ends_no_trial(tried: Life) -> None:
    tried.restart(ahead=3 * canary.LONGEST)
    tried.back("cloud", e1="active", e2="ready")
    tried.back("board", e1="active", e2="ready")
    tried.answer(1, 100)
    assert tried.states() == {1: ACTIVE, 2: READY}
    tried.answer(2, 20)
    assert tried.states() == {1: READY, 2: ACTIVE}


def test_what_is_never_proven_ends_whatever_the_clock_says(tried: Life) -> None:
    tried.restart(ahead=3 * canary.LONGEST)
    tried.back("cloud", e1="active", e2="ready")
    tried.back("board", e1="active", e2="ready")
    tried.world.now += canary.LONGEST / 2 - 1.0
    tried.answer(1, 100)
    assert tried.states() == {1: ACTIVE, 2: READY}
    tried.answer(1, 100)
    assert tried.states() == {1: ACTIVE}


def test_what_was_slow_before_counts_against_it_after(tmp_path: Path, make: Any) -> None:
    life = Life(tmp_path, make)
    life.world.deploy(canary=0.1, canary_requests=50)
    life.world.run()
    life.answer(1, 500)
    life.answer(1, 300)
    life.answer(2, 19, mean=0.020)
    life.restart()
    life.back("cloud", e1="active", e2="ready")
    life.back("board", e1="active", e2="ready")
    life.answer(2, 5, mean=0.020)
    assert life.states() == {1: ACTIVE}
    assert [one.verdict for one in life.world.changes.values() if one.kind == "rollback"] == [ROLLED_BACK]


@pytest.mark.parametrize(("mean", "over"), [(0.010, {1: READY, 2: ACTIVE}), (0.030, {1: ACTIVE})])
def test_where_the_entry_was_restarted_too_it_begins_anew(
    tried: Life, mean: float, over: dict[int, str]
) -> None:
    tried.back("cloud", e1="active", e2="ready")
    tried.back("board", "i2", e1="active", e2="ready")
    assert _tries(tried.world) == [("board", 2, 0.1)]
    tried.fares.clear()
    tried.answer(1, 10)
    tried.answer(1, 60)
    tried.answer(2, 19, mean)
    assert tried.states() == {1: ACTIVE, 2: READY}, "nothing is known yet"
    tried.answer(2, 31, mean)
    assert tried.states() == over


def test_who_does_not_come_back_ends_it_but_not_before_a_lease(tried: Life) -> None:
    tried.back("board", e1="active", e2="ready")
    tried.answer(1, 10)
    assert tried.states() == {1: ACTIVE, 2: READY}
    for _ in range(12):
        tried.answer(1, 10)
    assert tried.states() == {1: ACTIVE}
    told = [one for one in tried.world.changes.values() if one.kind == "rollback"]
    assert [one.cause for one in told] == ["cloud was lost"]


def test_who_comes_back_without_it_ends_it(tried: Life) -> None:
    tried.back("cloud", e1="active")
    tried.back("board", e1="active", e2="ready")
    tried.answer(1, 10)
    assert tried.states() == {1: ACTIVE}
    assert tried.world.epoch_states()[2] not in (READY, ACTIVE)


def test_a_second_restart_finds_what_the_first_one_found(tried: Life) -> None:
    tried.restart()
    found = tried.world.state.canaries[BOARD]
    assert (found.new, found.old, found.share, found.enough) == (("net", 2), ("net", 1), 0.1, 50)
    assert found.begun is not None
    assert found.begun.answered == 500
    assert found.since < tried.world.now


def test_the_version_before_is_there_to_go_back_to(tmp_path: Path, make: Any) -> None:
    life = Life(tmp_path, make)
    life.world.deploy()
    life.world.run()
    life.restart()
    assert life.states() == {1: READY, 2: ACTIVE}
    life.back("cloud", e1="ready", e2="active")
    life.back("board", e1="ready", e2="active")
    call = life.world.call(lambda cause, call: e.RollBackAsked(cause, call, m.RollBack("net")))
    life.world.run()
    assert isinstance(life.world.answer_of(call), c.Finish)
    assert life.states() == {1: ACTIVE, 2: READY}


def test_what_is_over_is_forgotten(tried: Life) -> None:
    tried.back("cloud", e1="active", e2="ready")
    tried.back("board", e1="active", e2="ready")
    tried.world.call(lambda cause, call: e.RollBackAsked(cause, call, m.RollBack("net")))
    tried.world.run()
    tried.restart()
    assert tried.store.load().beside == ()
    assert tried.states() == {1: ACTIVE}


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_file_is_read_and_what_it_left_undecided_is_over(
    tmp_path: Path, make: Any, version: int
) -> None:
    rows = sqlite3.connect(tmp_path / "coordinator.db")
    for script in MIGRATIONS[:version]:
        rows.executescript(script)
    rows.execute(f"PRAGMA user_version = {version}")
    rows.commit()
    rows.close()
    store = Store(tmp_path)
    for number, state in ((1, ACTIVE), (2, READY), (3, DRAINING)):
        record = EpochRecord("net", "v1", number, state, make.book(), board="board")  # type: ignore[arg-type]
        store.keep_epoch(record)
    found = store.load()
    assert {record.epoch: record.state for record in found.epochs} == {1: ACTIVE, 2: FAILED, 3: "RETIRED"}
    assert found.beside == ()


def test_a_trial_is_as_old_as_it_is_though_the_clock_was_set_since(tmp_path: Path, make: Any) -> None:
    life = Life(tmp_path, make)
    life.world.deploy(canary=0.1, canary_requests=50)
    life.world.run()
    life.answer(1, 500)
    day = (
        life.world.state.settings.wall + 86_400.0 * 3
    )  # it had begun days early, as on a board without a clock
    life.world.do(e.ClockSet("clock", day))
    life.restart()
    life.back("cloud", e1="active", e2="ready")
    life.back("board", e1="active", e2="ready")
    life.answer(1, 100)
    assert life.states() == {1: ACTIVE, 2: READY}, "it is not three days old"
