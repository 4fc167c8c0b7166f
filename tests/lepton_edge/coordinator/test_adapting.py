"""When a plan is made anew by itself, and when it is left alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import adapting, causes, waves
from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator.adaptation import Haste
from lepton_edge.coordinator.events import Detached, Tick
from lepton_edge.coordinator.state import ADAPT, Moment
from lepton_edge.core import messages as m
from lepton_edge.core.frames import WireError
from tests.lepton_edge.coordinator.arithmetic import MIB, planner, replans


@pytest.fixture
def world(make: Any) -> Any:
    """A board and a cloud; the best page of their book sends block 1 to the cloud."""
    found = planner(make.World)()
    found.attach(make.hello("board"))
    found.attach(make.hello("cloud", "cloud"))
    found.push()
    found.run()
    found.deploy()
    found.run()
    assert found.active.book.active == "cut-1"
    found.answer_requests(0.09)
    found.answer_requests(0.09)
    found.pass_time(25.0)
    return found


def slower_board(world: Any, times: float = 6.0) -> None:
    """The board becomes slower than the pages of a narrow book can turn away from: cut-0 is not in it."""
    world.slow_down("board", times)
    world.answer_requests(0.3)
    world.answer_requests(0.3)


@pytest.fixture
def narrow(world: Any) -> Any:
    """The same, on a book of two pages: to leave the board takes a new one."""
    world.most = 1
    world.deploy()
    world.run()
    assert [page.name for page in world.active.book.pages] == ["cut-1", "local"]
    world.most = 3
    world.answer_requests(0.09)
    world.answer_requests(0.09)
    world.pass_time(25.0)
    return world


# --- causes -----------------------------------------------------------------------------------------------


def test_a_drift_that_no_page_turns_away_from_is_planned_anew_with_the_scaled_profile(narrow: Any) -> None:
    before = narrow.active.epoch
    slower_board(narrow)
    narrow.pass_time(40.0)
    assert narrow.active.epoch == before + 1
    assert narrow.active.book.active == "cut-0"
    assert narrow.ordered[-1].speeds == (m.DeviceSpeed("board", pytest.approx(1 / 6)),)
    (told,) = replans(narrow)
    assert "board is 6.00 times as slow as measured" in told.cause
    assert told.predicted_after < 0.85 * told.predicted_before
    assert not [job for job in narrow.log if isinstance(job, c.MakeTrial)][2:], "nothing was measured"


def test_it_is_looked_at_twice_apart_and_the_first_time_nothing_is_cut(narrow: Any) -> None:
    asked = len(narrow.ordered)
    slower_board(narrow)
    while len(narrow.ordered) == asked:
        narrow.pass_time(0.5)
    assert [order.explain_only for order in narrow.ordered[asked:]] == [True]
    narrow.pass_time(adapting.SUSTAINED - 3)
    assert len(narrow.ordered) == asked + 1, "not yet"
    narrow.pass_time(4.0)
    assert [order.explain_only for order in narrow.ordered[asked:]] == [True, False]


def test_where_a_page_of_the_book_is_as_good_nothing_is_planned_anew(world: Any) -> None:
    epoch = world.active.epoch
    slower_board(world)
    world.pass_time(120.0)
    assert world.active.epoch == epoch
    assert replans(world) == []
    assert [one.kind for one in world.changes.values()][-1] == "drift", "but it is told"


def test_what_is_back_before_the_second_look_changes_nothing(narrow: Any) -> None:
    epoch = narrow.active.epoch
    slower_board(narrow)
    narrow.pass_time(7.0)
    narrow.now += 15.0  # drift is not followed more often than that
    narrow.answer_requests(0.09)
    narrow.slow_down("board", 1.0)
    narrow.pass_time(60.0)
    assert narrow.active.epoch == epoch
    assert replans(narrow) == []


def test_a_throttled_device_is_planned_for_at_once_when_its_drift_shows(narrow: Any) -> None:
    narrow.tell("board", throttled=True)
    epoch = narrow.active.epoch
    record = narrow.active
    took = record.book.page("cut-1").prediction.board * 6
    report = m.StageReport("net", record.epoch, "cut-1", 0, 1, 6, took, took / 100, took)
    narrow.tell("board", throttled=True, stages=(report,))
    narrow.pass_time(adapting.JITTER + 1)
    assert narrow.active.epoch == epoch + 1
    assert "throttled" in replans(narrow)[-1].cause


def test_a_cloud_that_joins_serves_a_board_that_had_none(make: Any) -> None:
    world = planner(make.World)()
    world.attach(make.hello("board"))
    world.push()
    world.run()
    world.deploy()
    world.run()
    assert world.active.book.active == "local"
    world.attach(make.hello("cloud", "cloud"))
    world.pass_time(60.0)
    assert world.active.book.active == "cut-1"
    assert "cloud joined" in replans(world)[-1].cause


def test_a_cloud_that_is_lost_for_long_is_replaced_by_another(world: Any, make: Any) -> None:
    world.attach(make.hello("cloud2", "cloud"))
    world.pass_time(60.0)
    assert world.active.cloud == "cloud", "another one alone is no reason"
    world.do(Detached("gone", world.state.devices["cloud"].stream))
    world.pass_time(causes.LOST_GRACE + 3.0)
    assert world.active.cloud == "cloud", "it may be back in a moment: entries turn pages meanwhile"
    world.pass_time(15.0)
    assert world.active.cloud == "cloud2"
    assert (replans(world)[-1].cause, replans(world)[-1].verdict) == ("cloud is lost", "pending")


def lose(world: Any, name: str) -> None:
    world.do(Detached("gone", world.state.devices[name].stream))


def test_who_left_the_choice_of_the_cloud_open_has_it_open_after_each_change(world: Any, make: Any) -> None:
    world.attach(make.hello("cloud2", "cloud"))
    for turn, (gone, other) in enumerate((("cloud", "cloud2"), ("cloud2", "cloud"), ("cloud", "cloud2"))):
        lose(world, gone)
        world.pass_time(40.0)
        assert (world.active.cloud, world.active.request.cloud) == (other, "")
        world.attach(make.hello(gone, "cloud", f"again {turn}"))
        world.pass_time(100.0)
        assert world.active.cloud == other, "that it is back alone is no reason"


def test_a_plan_that_was_made_anew_remembers_what_the_person_asked_for(narrow: Any) -> None:
    slower_board(narrow)
    narrow.pass_time(40.0)
    assert (narrow.active.cloud, narrow.active.request.cloud) == ("cloud", "")
    narrow.pin(page="local")
    narrow.run()
    assert (narrow.active.request.page, narrow.active.request.cloud) == ("local", "")


@pytest.mark.parametrize("asked", [("*",), ("cloud2",)])
def test_a_first_cloud_that_comes_back_stands_in_for_who_took_its_place(
    world: Any, make: Any, asked: tuple[str, ...]
) -> None:
    world.attach(make.hello("cloud2", "cloud"))
    world.deploy(cloud="cloud", replicas=asked)
    world.run()
    for turn, (gone, other) in enumerate((("cloud", "cloud2"), ("cloud2", "cloud"))):
        lose(world, gone)
        world.pass_time(30.0)
        assert (world.active.cloud, world.active.replicas) == (other, ())
        world.attach(make.hello(gone, "cloud", f"again {turn}"))
        world.pass_time(90.0)
        assert (world.active.cloud, world.active.replicas) == (other, (gone,))
        assert (world.active.request.cloud, world.active.request.replicas) == ("cloud", asked)


def test_a_cloud_that_joins_stands_in_where_every_cloud_shall(world: Any, make: Any) -> None:
    world.deploy(replicas=("*",))
    world.run()
    world.attach(make.hello("cloud2", "cloud"))
    world.pass_time(90.0)
    assert (world.active.cloud, world.active.replicas) == ("cloud", ("cloud2",))
    epoch = world.active.epoch
    world.pass_time(300.0)
    assert world.active.epoch == epoch


def test_a_cloud_without_room_to_stand_in_is_seldom_asked(world: Any, make: Any) -> None:
    small = m.Hardware("x86_64", "Linux", 4, 1 * MIB, 1 * MIB, "a processor", ("CPU",), "onnxruntime 1")
    world.deploy(replicas=("*",))
    world.run()
    world.attach(make.hello("cloud2", "cloud", hardware=small))
    epoch, asked = world.active.epoch, len(world.ordered)
    world.pass_time(600.0)
    assert world.active.epoch == epoch
    assert len(world.ordered) - asked <= 5


def test_a_cloud_that_was_not_asked_for_takes_no_part(world: Any, make: Any) -> None:
    world.deploy(cloud="cloud")
    world.run()
    world.attach(make.hello("cloud2", "cloud"))
    epoch = world.active.epoch
    lose(world, "cloud")
    world.pass_time(300.0)
    assert world.active.epoch == epoch


def test_a_lost_cloud_is_replaced_though_a_plan_is_on_trial(world: Any, make: Any) -> None:
    clouds = ["cloud", "cloud2"]
    world.attach(make.hello("cloud2", "cloud"))
    lose(world, "cloud")
    world.pass_time(15.0)
    world.attach(make.hello("cloud", "cloud", "i2"))
    assert (world.active.cloud, list(world.state.trials)) == (clouds[1], [("net", "board")])
    lose(world, "cloud2")
    world.pass_time(20.0)
    assert world.active.cloud == clouds[0]
    first, _ = replans(world)
    assert (first.verdict, "not judged: cloud2 is lost" in first.message) == ("kept", True)


def test_a_lost_cloud_is_replaced_though_a_version_is_tried(world: Any, make: Any) -> None:
    world.push(make.model(version="v2"))
    world.deploy(canary=0.1)
    world.run()
    assert world.state.canaries
    world.attach(make.hello("cloud2", "cloud"))
    lose(world, "cloud")
    world.pass_time(20.0)
    assert (world.active.cloud, world.active.version, world.state.canaries) == ("cloud2", "v1", {})


def test_without_another_cloud_a_lost_one_changes_no_epoch(world: Any, make: Any) -> None:
    epoch = world.active.epoch
    world.do(Detached("gone", world.state.devices["cloud"].stream))
    world.pass_time(300.0)
    assert world.active.epoch == epoch
    world.attach(make.hello("cloud", "cloud"))
    world.pass_time(60.0)
    assert world.active.epoch == epoch, "it came back to what it did"


def test_a_link_that_is_another_one_for_long_is_looked_at_once(world: Any) -> None:
    asked = len(world.ordered)
    shown = m.LinkReport("cloud", up=100_000.0, down=100_000.0, round_trip=0.01, samples=20)

    def link(seconds: float) -> None:
        end = world.now + seconds
        while world.now < end:
            world.tell("board", links=(shown,))
            world.pass_time(1.0)

    link(15.0)
    assert len(world.ordered) == asked, "entries turn pages meanwhile"
    link(25.0)
    assert len(world.ordered) == asked + 1
    assert world.ordered[-1].link.up == pytest.approx(shown.up, rel=0.1)
    link(120.0)
    assert len(world.ordered) == asked + 1, "the book has a page for it: nothing more comes of it"
    assert replans(world) == []


# --- what is left alone -----------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", [{"fixed": True}, {"page": "cut-1"}, {"wishes": m.Wishes(own_cut="a")}])
def test_a_pinned_or_fixed_plan_is_left_alone(narrow: Any, wish: dict[str, Any]) -> None:
    narrow.most = 1
    narrow.deploy(**wish)
    narrow.run()
    narrow.most = 3
    epoch = narrow.active.epoch
    slower_board(narrow)
    narrow.pass_time(120.0)
    assert narrow.active.epoch == epoch


def test_a_push_is_no_deployment_a_replan_keeps_the_version_that_runs(narrow: Any, make: Any) -> None:
    narrow.push(make.model(version="v2"))
    slower_board(narrow)
    narrow.pass_time(60.0)
    assert (narrow.active.version, narrow.active.book.active) == ("v1", "cut-0")


def test_what_saves_less_than_it_costs_is_left(narrow: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("lepton_edge.coordinator.promises.HORIZON", 0.1)
    epoch = narrow.active.epoch
    slower_board(narrow)
    narrow.pass_time(60.0)
    assert narrow.active.epoch == epoch


def test_rests_grow_while_nothing_comes_of_it_and_begin_anew_after_calm(world: Any) -> None:
    adaptation = world.state.adaptations.setdefault(
        ("net", "board"), adapting.Adaptation(pause=adapting.REST)
    )
    rests = []
    for _ in range(4):
        adapting.wish(world.state, world.active, "a cause", moment(world))
        world.pass_time(adaptation.due - world.now + 2.0)
        rests.append(adaptation.rest_until - world.now)
    assert rests == pytest.approx([30.0, 60.0, 120.0, 240.0], abs=3.0)
    world.pass_time(adapting.CALM * adaptation.pause + 300.0, 5.0)
    adapting.wish(world.state, world.active, "a cause", moment(world))
    world.pass_time(10.0)
    assert adaptation.rest_until - world.now < 31.0


def moment(world: Any) -> Moment:
    return Moment(world.now, "test")


# --- beside people ----------------------------------------------------------------------------------------


def test_a_persons_call_goes_first_and_the_replan_is_tried_again(narrow: Any) -> None:
    slower_board(narrow)
    while not narrow.state.aside:
        narrow.now += 0.5
        narrow.do(Tick())
    [replan] = narrow.state.aside.values()
    assert (replan.goal, replan.phase) == (ADAPT, "planning")
    planned = replan.job
    call = narrow.what_if()
    assert narrow.state.running.call == call, "it runs at once"
    assert any(isinstance(one, c.Abandon) and one.job == planned for one in narrow.log)
    narrow.run()
    assert isinstance(narrow.answer_of(call), c.Finish)
    narrow.pass_time(60.0)
    assert narrow.active.book.active == "cut-0", "later it is done"


def test_no_replan_begins_while_somebody_deploys(narrow: Any) -> None:
    slower_board(narrow)
    narrow.deploy("net", dry_run=True)
    for _ in range(100):
        narrow.now += 0.5
        for device in narrow.state.devices.values():
            device.heard = narrow.now
        narrow.do(Tick())
    assert narrow.state.running.goal == "plan"


def test_a_replan_that_cannot_be_prepared_is_told_and_rests(narrow: Any) -> None:
    slower_board(narrow)
    epoch = narrow.active.epoch
    refusing = {m.Prepare: WireError("storage_full", "no space")}
    end = narrow.now + 40.0
    while narrow.now < end:
        narrow.now += 0.5
        for device in narrow.state.devices.values():
            device.heard = narrow.now
        narrow.do(Tick())
        narrow.run(refusing)
    assert narrow.active.epoch == epoch
    told = [one for one in narrow.changes.values() if one.kind == "rollback"]
    assert [(one.verdict, "6.00 times" in one.cause) for one in told] == [("refused", True)]
    assert narrow.state.adaptations["net", "board"].rest_until > narrow.now - 40.0


def test_the_most_urgent_cause_counts_and_is_not_overwritten(world: Any) -> None:
    at = moment(world)
    adaptation = adapting.wish(world.state, world.active, "lost", at, Haste.ANYWAY)
    adapting.wish(world.state, world.active, "slow", at)
    assert (adaptation.cause, adaptation.haste) == ("lost", Haste.ANYWAY)


def test_many_targets_are_looked_at_apart(world: Any) -> None:
    records = [dataclasses.replace(world.active, board=f"b{number}") for number in range(50)]
    due = {adapting.wish(world.state, record, "all at once", moment(world)).due for record in records}
    assert len(due) > 40
    assert max(due) - min(due) <= adapting.JITTER


def test_of_thousands_that_wait_for_one_cloud_one_asks_for_room(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(waves, "has_room", lambda state, clouds, now: asked.append(clouds))
    for number in range(50):
        record = dataclasses.replace(world.active, epoch=100 + number, board=f"b{number}")
        world.state.epochs[record.key] = record
        adapting.wish(world.state, record, "all at once", moment(world))
    later = Moment(world.now + 60.0, "tick")
    assert adapting.next_replan(world.state, later) is None
    assert len(asked) == 1
    world.state.adaptations["net", "b7"].haste = Haste.ANYWAY
    found = adapting.next_replan(world.state, later)
    assert found is not None
    assert found.board == "b7", "what is urgent does not wait for the others"
