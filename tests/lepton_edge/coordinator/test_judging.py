"""A plan that was made by itself is measured against the one before, which is there to go back to."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lepton_edge.coordinator import judging
from lepton_edge.coordinator.commands import Say
from lepton_edge.coordinator.events import Detached, RemoveAsked, Tick
from lepton_edge.coordinator.history import adaptation
from lepton_edge.coordinator.records import ACTIVE, DRAINING, READY, RETIRED
from lepton_edge.core import messages as m
from lepton_edge.core.changes import KEPT, PENDING, ROLLED_BACK
from lepton_edge.core.frames import WireError
from tests.lepton_edge.coordinator.arithmetic import planner, replans


@pytest.fixture
def tried(make: Any) -> Any:
    """A world whose second epoch was made by itself, and is on trial: requests took 0.3 s on the first."""
    world = planner(make.World)()
    world.most = 1
    world.attach(make.hello("board"))
    world.attach(make.hello("cloud", "cloud"))
    world.push()
    world.run()
    world.deploy()
    world.run()
    world.most = 3
    world.pass_time(25.0)
    world.slow_down("board", 6.0)
    while world.active.epoch == 1:
        world.answer_requests(0.3)
        world.pass_time(0.5)
    assert list(world.state.trials) == [("net", "board")]
    world.answer_requests(0.9, count=3)  # they find it cold
    world.pass_time(judging.WARM)
    return world


def state_of(world: Any, number: int) -> str:
    found: str = world.state.epochs["net", number].state
    return found


def settle(world: Any) -> None:
    """Let what was decided be carried out, and the next look be due."""
    world.pass_time(judging.APART)
    for _ in range(4):
        world.do(Tick())
        world.run()


def test_the_old_epoch_rests_prepared_while_the_new_one_is_tried(tried: Any) -> None:
    assert (state_of(tried, 1), state_of(tried, 2)) == (READY, ACTIVE)
    for name in ("board", "cloud"):
        assert tried.state.devices[name].epochs == {("net", 1): "draining", ("net", 2): "active"}
    assert replans(tried)[-1].verdict == PENDING
    assert replans(tried)[-1].measured_before == pytest.approx(0.3)
    assert adaptation(tried.state, tried.now)["targets"][0]["prepared"] == [1]


def test_what_is_better_is_kept_and_the_old_one_goes(tried: Any) -> None:
    tried.answer_requests(0.17, count=judging.ENOUGH)
    settle(tried)
    assert (state_of(tried, 1), state_of(tried, 2)) == (RETIRED, ACTIVE)
    assert tried.state.devices["cloud"].epochs == {("net", 2): "active"}
    told = replans(tried)[-1]
    assert (told.verdict, told.measured_after) == (KEPT, 0.17)
    assert tried.state.trials == {}


def test_a_little_worse_is_within_the_noise(tried: Any) -> None:
    tried.answer_requests(0.3 / 0.91)
    settle(tried)
    assert replans(tried)[-1].verdict == KEPT


def test_what_is_worse_twice_in_a_row_is_rolled_back_to_what_was_prepared(tried: Any) -> None:
    tried.answer_requests(0.4)
    settle(tried)
    assert state_of(tried, 2) == ACTIVE, "once is chance"
    prepared = sum(isinstance(one, m.Prepare) for one in sent(tried))
    tried.answer_requests(0.4)
    settle(tried)
    assert (state_of(tried, 1), state_of(tried, 2)) == (ACTIVE, RETIRED)
    assert sum(isinstance(one, m.Prepare) for one in sent(tried)) == prepared, "nothing was prepared again"
    assert tried.state.devices["board"].epochs == {("net", 1): "active"}
    told, back = replans(tried)[-1], list(tried.changes.values())[-1]
    assert (told.verdict, told.measured_after) == (ROLLED_BACK, 0.4)
    assert (back.kind, back.verdict, back.epoch) == ("rollback", ROLLED_BACK, 1)
    assert back.cause == "requests take 400.0 ms on epoch 2, they took 300.0 ms on epoch 1"


def sent(world: Any) -> list[Any]:
    return [one.message for one in world.log if isinstance(one, Say)]


def test_one_good_look_between_two_bad_ones_keeps_it(tried: Any) -> None:
    for mean in (0.4, 0.2):
        tried.answer_requests(mean)
        settle(tried)
    assert replans(tried)[-1].verdict == KEPT


def test_requests_that_fail_speak_against_it(tried: Any) -> None:
    for _ in range(2):
        tried.answer_requests(0.1, count=40, failed=4)
        settle(tried)
    assert state_of(tried, 1) == ACTIVE
    assert list(tried.changes.values())[-1].cause == "8 of 91 requests failed on epoch 2"


def test_few_requests_are_judged_after_a_minute_and_none_prove_nothing(tried: Any) -> None:
    tried.answer_requests(0.5, count=judging.FEW)
    tried.pass_time(30.0)
    assert replans(tried)[-1].verdict == PENDING
    tried.pass_time(35.0)
    assert replans(tried)[-1].verdict == ROLLED_BACK


def test_without_any_request_it_stays(tried: Any) -> None:
    tried.pass_time(65.0)
    assert (state_of(tried, 1), state_of(tried, 2)) == (RETIRED, ACTIVE)
    assert replans(tried)[-1].verdict == KEPT


def test_a_rolled_back_plan_rests_long_before_another_is_tried(tried: Any) -> None:
    for _ in range(2):
        tried.answer_requests(0.4)
        settle(tried)
    epochs = len(tried.state.epochs)
    for _ in range(10):
        tried.slow_down("board", 6.0)
        tried.answer_requests(0.3)
        tried.pass_time(5.0)
    assert len(tried.state.epochs) == epochs
    assert tried.state.adaptations["net", "board"].rest_until > tried.now


def test_a_persons_deployment_ends_the_trial(tried: Any) -> None:
    tried.deploy()
    tried.run()
    settle(tried)
    assert [state_of(tried, number) for number in (1, 2, 3)] == [RETIRED, RETIRED, ACTIVE]
    assert "another plan took its place" in replans(tried)[-1].message
    assert tried.state.trials == {}


def test_a_removed_model_ends_it_too(tried: Any) -> None:
    tried.call(lambda cause, call: RemoveAsked(cause, call, "net"))
    settle(tried)
    assert tried.state.trials == {}
    assert not any(one.state in (READY, ACTIVE, DRAINING) for one in tried.state.epochs.values())


def test_a_device_short_of_memory_keeps_nothing_to_go_back_to(tried: Any) -> None:
    total = tried.state.devices["cloud"].hello.hardware.memory_total
    tried.tell("cloud", memory_available=total // 100)
    settle(tried)
    assert state_of(tried, 1) == RETIRED
    for _ in range(2):
        tried.answer_requests(0.9)
        settle(tried)
    assert replans(tried)[-1].verdict == KEPT
    assert "nothing to go back to" in replans(tried)[-1].message


def test_where_a_device_of_the_old_one_is_away_it_cannot_be_gone_back_to(tried: Any, make: Any) -> None:
    tried.do(Detached("gone", tried.state.devices["cloud"].stream))
    tried.attach(make.hello("cloud", "cloud", "i2"))  # began anew: it holds nothing
    tried.run()
    for _ in range(2):
        tried.answer_requests(0.9)
        settle(tried)
    assert state_of(tried, 2) == ACTIVE
    assert "nothing to go back to" in replans(tried)[-1].message


def test_going_back_that_fails_leaves_what_was_active(tried: Any) -> None:
    tried.answer_requests(0.4)
    settle(tried)
    tried.answer_requests(0.4)
    tried.do(Tick())
    tried.run({m.Activate: WireError("stale_epoch", "it is gone")})
    assert state_of(tried, 2) == ACTIVE
    assert tried.state.running is None


def test_rates_are_of_the_last_reports_and_fade(tried: Any) -> None:
    for _ in range(6):
        tried.answer_requests(0.2, count=15)
    assert judging.rate(tried.state, tried.active, tried.now) == pytest.approx(10.0, rel=0.1)
    assert judging.rate(tried.state, tried.active, tried.now + judging.STALE + 1) == 0.0


def test_what_it_took_is_the_geometric_mean_of_the_last_window(tried: Any) -> None:
    """A few that took very long hardly move it; what came before the window does not count."""
    key, board = tried.active.key, tried.state.devices["board"]

    def report(count: int, logs: float) -> m.EpochReport:
        return m.EpochReport("net", key[1], count, 0, 9.9, 9.9, logs)  # type: ignore[arg-type]

    tried.state.fares.clear()
    judging.heard(tried.state, board, (report(20, 20 * math.log(0.5)),), tried.now + 1)
    judging.heard(tried.state, board, (report(30, 30 * math.log(0.5)),), tried.now + 2)
    assert tried.state.fares[key].mean == pytest.approx(0.5)
    later = 20 * math.log(0.5) + 39 * math.log(0.1) + math.log(60.0)
    judging.heard(tried.state, board, (report(60, later),), tried.now + 3)
    assert tried.state.fares[key].mean == pytest.approx(0.117, abs=0.001)


def test_the_first_requests_find_it_cold_and_do_not_count(tried: Any) -> None:
    trial = tried.state.trials["net", "board"]
    assert (trial.checked, trial.bad) == (3, 0), "0.9 s, and nothing was held against it"
