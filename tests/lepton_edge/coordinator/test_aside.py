"""Replans are prepared side by side: a board that takes long keeps nobody else waiting."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import adapting, aside, causes
from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.adaptation import Haste
from lepton_edge.coordinator.records import FAILED
from lepton_edge.coordinator.state import Moment
from lepton_edge.core import messages as m
from lepton_edge.core.frames import WireError
from tests.lepton_edge.coordinator.arithmetic import planner, replans


@pytest.fixture
def town(make: Any) -> Any:
    """Three boards, each with a cloud of its own, and another cloud."""

    class Slow(planner(make.World)):  # type: ignore[misc]
        slow: frozenset[str] = frozenset()
        held: tuple[Any, ...] = ()

        def _is_slow(self, stream: str, message: Any) -> bool:
            return isinstance(message, m.Prepare) and self.device(stream) in self.slow

        def do(self, event: e.Event) -> list[c.Command]:
            made: list[c.Command] = super().do(event)
            self.held += tuple(one for one in self.said if self._is_slow(*one))
            self.said = [one for one in self.said if not self._is_slow(*one)]
            return made

    world = Slow()
    for number in (1, 2, 3):
        world.attach(make.hello(f"board{number}"))
        world.attach(make.hello(f"cloud{number}", "cloud"))
    world.push()
    for number in (1, 2, 3):
        world.deploy(board=f"board{number}", cloud=f"cloud{number}")
        world.run()
    for number in (1, 2, 3):
        record = world.state.active_epoch("net", f"board{number}")
        request = m.Deploy("net", board=f"board{number}")
        world.state.epochs[record.key] = dataclasses.replace(record, request=request)
    world.attach(make.hello("spare", "cloud"))
    world.run()
    return world


@pytest.fixture
def struck(town: Any) -> Any:
    """Each loses its cloud, and the first board answers no prepare yet."""
    world = town
    world.slow = frozenset({"board1"})
    for number in (1, 2, 3):
        world.do(e.Detached("x", world.state.devices[f"cloud{number}"].stream))
    world.pass_time(world.state.settings.lease + causes.LOST_GRACE + 20.0)
    return world


def clouds(world: Any) -> dict[str, str]:
    return {record.board: record.cloud for record in world.state.active_epochs()}


def test_one_that_takes_long_keeps_no_other(struck: Any) -> None:
    assert clouds(struck) == {"board1": "cloud1", "board2": "spare", "board3": "spare"}
    assert list(struck.state.aside) == [("net", "board1")]
    assert struck.state.running is None


def test_it_is_active_when_it_is_ready_at_last(struck: Any) -> None:
    struck.slow, struck.said = frozenset(), list(struck.held)
    struck.run()
    assert clouds(struck)["board1"] == "spare"
    assert struck.state.aside == {}
    assert len(replans(struck)) == 3


def planning(world: Any) -> dict[str, str]:
    return {run.board: run.phase for run in world.state.aside.values()}


@pytest.fixture
def hesitant(town: Any) -> Any:
    """Three boards are to be planned anew with what was measured before, and no worker has begun."""
    for number in (1, 2, 3):
        town.deploy(board=f"board{number}", cloud="spare", dry_run=True)
        town.run()
    for number in (1, 2, 3):
        town.do(e.Detached("x", town.state.devices[f"cloud{number}"].stream))
    for _ in range(60):
        town.now += 0.5
        for device in town.state.connected():
            device.heard = town.now
        town.do(e.Tick())
    return town


def test_all_of_them_are_planned_at_once(hesitant: Any) -> None:
    assert planning(hesitant) == {f"board{number}": "planning" for number in (1, 2, 3)}
    assert len(hesitant.work) == 3
    hesitant.run()
    assert hesitant.state.aside == {}
    assert set(clouds(hesitant).values()) == {"spare"}


def test_all_that_is_due_begins_at_one_look(town: Any) -> None:
    for number in (1, 2, 3):
        town.deploy(board=f"board{number}", cloud="spare", dry_run=True)
        town.run()
    for record in town.state.active_epochs():
        adapting.wish(town.state, record, "a test", Moment(town.now, "test"), Haste.ANYWAY).due = town.now
    town.do(e.Tick())
    assert sorted(planning(town)) == ["board1", "board2", "board3"]


def test_a_plan_that_comes_late_is_for_its_own_board(hesitant: Any) -> None:
    """The last job is done first, and no answer is taken for another one's."""
    hesitant.work.reverse()
    hesitant.run()
    for record in hesitant.state.active_epochs():
        used = {stage.device for page in record.book.pages for stage in page.stages}
        assert used == {record.board, "spare"}


def test_a_plan_that_cannot_be_made_ends_its_own_alone(hesitant: Any) -> None:
    job = hesitant.work.pop(0)
    failed = job.order.board.device
    hesitant.do(e.WorkFailed(job.cause, job.job, WireError("service_error", "killed")))
    assert len(planning(hesitant)) == 2
    hesitant.run()
    assert clouds(hesitant) == {
        board: board.replace("board", "cloud") if board == failed else "spare"
        for board in ("board1", "board2", "board3")
    }


def test_a_board_that_is_lost_while_it_is_planned_for_ends_that(hesitant: Any) -> None:
    [job] = [one.job for one in hesitant.work if one.order.board.device == "board2"]
    hesitant.do(e.Detached("x", hesitant.state.devices["board2"].stream))
    assert sorted(planning(hesitant)) == ["board1", "board3"]
    assert job in [one.job for one in hesitant.log if isinstance(one, c.Abandon)]


def test_what_a_person_asks_for_ends_what_is_planned(hesitant: Any) -> None:
    jobs = {one.job for one in hesitant.work}
    hesitant.deploy(board="board2", cloud="spare")
    assert jobs <= {one.job for one in hesitant.log if isinstance(one, c.Abandon)}
    assert hesitant.state.aside == {}


def test_what_a_person_asks_for_goes_first(struck: Any) -> None:
    call = struck.deploy(board="board2", cloud="spare")
    struck.run()
    assert isinstance(struck.answer_of(call), c.Finish)
    assert struck.state.aside == {}
    assert FAILED in struck.epoch_states().values()


def test_a_board_that_is_lost_ends_its_own_alone(struck: Any) -> None:
    struck.do(e.Detached("x", struck.state.devices["board1"].stream))
    assert struck.state.aside == {}
    assert clouds(struck) == {"board1": "cloud1", "board2": "spare", "board3": "spare"}


def test_one_that_never_answers_is_given_up(struck: Any) -> None:
    struck.pass_time(320.0, 5.0)
    assert FAILED in struck.epoch_states().values()


@pytest.mark.parametrize("broken", [e.Broke, e.StoreFailed])
def test_one_whose_answer_cannot_be_decided_is_not_waited_for(struck: Any, broken: Any) -> None:
    [run] = struck.state.aside.values()
    [command] = run.waiting
    stream = struck.state.devices["board1"].stream
    error, said = WireError("internal", "a bug"), e.Heard(stream, stream, m.Outcome(command))
    struck.do(e.Broke("x", said, error) if broken is e.Broke else e.StoreFailed("x", error, said))
    assert struck.state.aside == {}
    assert struck.state.epochs[run.record.key].state == FAILED


def test_a_model_that_is_being_prepared_is_not_removed(struck: Any) -> None:
    call = struck.call(lambda cause, call: e.RemoveAsked(cause, call, "net"))
    assert struck.answer_of(call).error.code == "overloaded"


def test_only_so_many_at_a_time(struck: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert aside.may_begin(struck.state, ("net", "board2"))
    assert not aside.may_begin(struck.state, ("other", "board1")), "one a board"
    monkeypatch.setattr(aside, "MOST", 1)
    assert not aside.may_begin(struck.state, ("net", "board2"))
