"""A new version that a share of the requests tries: promoted, called off, and the version before again."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_edge.coordinator import canary
from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.records import ACTIVE, READY
from lepton_edge.core import messages as m

BOARD = ("net", "board")
SPREAD = 0.3  # of the logarithms of what requests take: as on a machine that others use too


class Entry:
    """The board of a world, which tells how requests fare on each epoch."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.fares: dict[int, list[float]] = {}
        self.random = random.Random(1)

    def answer(self, epoch: int, answered: int, mean: float = 0.010, failed: int = 0) -> None:
        """Tell of so many more requests."""
        fare = self.fares.setdefault(epoch, [0, 0, 0.0, 0.0, 0.0])
        logs = [math.log(mean) + self.random.gauss(0, SPREAD) for _ in range(answered)]
        squares = sum(log * log for log in logs)
        fare[:] = [fare[0] + answered, fare[1] + failed, mean, fare[3] + sum(logs), fare[4] + squares]
        told = tuple(
            m.EpochReport("net", n, int(a), int(f), t, t, s, q) for n, (a, f, t, s, q) in self.fares.items()
        )
        self.world.now += 1.0
        for device in self.world.state.connected():
            news = told if device.name == "board" else ()
            self.world.hear(device.stream, m.Telemetry(0.0, 4 << 30, 1, 0.0, 0, 0, 0, 1.0, epochs=news))
        self.world.do(e.Tick())
        self.world.run()


@pytest.fixture
def tried(pair: Any, make: Any) -> Any:
    """Epoch 1 of v1 is active, epoch 2 of v2 is tried by a tenth of the requests."""
    pair.deploy()
    pair.run()
    pair.push(make.model(version="v2"))
    pair.call_ = pair.deploy(canary=0.1, canary_requests=50)
    pair.run()
    pair.entry = Entry(pair)
    pair.entry.answer(1, 500, 0.5)  # what was before says nothing
    return pair


def _roll_back(world: Any) -> Any:
    call = world.call(lambda cause, call: e.RollBackAsked(cause, call, m.RollBack("net")))
    world.run()
    return world.answer_of(call)


def _states(world: Any) -> dict[int, str]:
    return {number: state for number, state in world.epoch_states().items() if state in (ACTIVE, READY)}


def test_only_the_entry_is_told_and_only_of_a_share(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    pair.push(make.model(version="v2"))
    call = pair.deploy(canary=0.1)
    before = len(pair.log)
    pair.run()
    said = [
        one for one in pair.log[before:] if isinstance(one, c.Say) and isinstance(one.message, m.Activate)
    ]
    assert [(pair.device(one.stream), one.message.share) for one in said] == [("board", 0.1)]
    assert _states(pair) == {1: ACTIVE, 2: READY}
    ending = pair.answer_of(call).ending
    assert (ending.epoch, ending.version) == (2, "v2")


def test_what_is_no_worse_is_promoted_and_the_version_before_kept(tried: Any) -> None:
    tried.entry.answer(1, 400)
    tried.entry.answer(2, 49)
    assert _states(tried) == {1: ACTIVE, 2: READY}
    tried.entry.answer(2, 1)
    assert _states(tried) == {1: READY, 2: ACTIVE}
    assert tried.state.kept == {BOARD: ("net", 1)}
    assert "proved itself on 50 requests" in [one.cause for one in tried.changes.values()][-1]


def test_failures_end_it_at_once(tried: Any) -> None:
    tried.entry.answer(1, 100)
    tried.entry.answer(2, 5, failed=1)
    assert _states(tried) == {1: ACTIVE, 2: READY}, "one may be an accident"
    tried.entry.answer(2, 0, failed=1)
    assert _states(tried) == {1: ACTIVE}
    told = [one for one in tried.changes.values() if one.verdict == "rolled back"]
    assert [(one.kind, one.epoch) for one in told] == [("rollback", 2)]
    assert "2 of 7 requests failed" in told[0].cause


def test_who_fails_as_often_as_the_version_beside_it_is_not_to_blame(tried: Any) -> None:
    tried.entry.answer(1, 100, failed=50)
    tried.entry.answer(2, 20, failed=9)
    assert _states(tried) == {1: ACTIVE, 2: READY}


@pytest.mark.parametrize(("mean", "ends"), [(0.013, True), (0.011, False), (0.010, False), (0.005, False)])
def test_what_is_surely_slower_than_agreed_ends_it(tried: Any, mean: float, ends: bool) -> None:
    tried.state.canaries[BOARD].enough = 10**6
    for _ in range(100):
        tried.entry.answer(1, 45, 0.010)
        tried.entry.answer(2, 5, mean)
    assert (2 not in _states(tried)) == ends
    if ends:
        told = [one for one in tried.changes.values() if one.verdict == "rolled back"][0]
        assert "requests take" in told.cause
        assert told.measured_after > 1.2 * told.measured_before


def test_both_are_compared_over_the_same_hours(tried: Any) -> None:
    """A machine that is twice as slow for a while is so for both."""
    tried.state.canaries[BOARD].enough = 400
    for slow in (1, 2, 3, 2, 1) * 8:
        tried.entry.answer(1, 90, 0.010 * slow)
        tried.entry.answer(2, 10, 0.010 * slow)
    assert _states(tried)[2] == ACTIVE


def test_few_slow_answers_prove_nothing(tried: Any) -> None:
    tried.entry.answer(1, 100, 0.010)
    tried.entry.answer(2, 10, 0.030)
    assert _states(tried) == {1: ACTIVE, 2: READY}


def test_what_seems_slower_is_not_promoted(tried: Any) -> None:
    tried.entry.answer(1, 400, 0.010)
    tried.entry.answer(2, 50, 0.0117)
    assert _states(tried) == {1: ACTIVE, 2: READY}


def test_a_device_that_is_lost_ends_it(tried: Any) -> None:
    tried.do(e.Detached("gone", tried.state.devices["cloud"].stream))
    tried.do(e.Tick())
    tried.run()
    assert _states(tried) == {1: ACTIVE}


def test_a_person_calls_it_off(tried: Any) -> None:
    assert _roll_back(tried).ending == c.RolledBack("net", 1)
    assert _states(tried) == {1: ACTIVE}
    assert tried.state.canaries == {}


def test_back_and_forth_at_once_and_nothing_is_prepared(tried: Any) -> None:
    tried.entry.answer(1, 400)
    tried.entry.answer(2, 50)
    for active, kept in ((1, 2), (2, 1)):
        before = len(tried.log)
        answer = _roll_back(tried)
        assert (answer.ending.epoch, answer.ending.version) == (active, f"v{active}")
        assert _states(tried) == {active: ACTIVE, kept: READY}
        said = {type(one.message) for one in tried.log[before:] if isinstance(one, c.Say)}
        assert said == {m.Activate, m.Drain}
        assert tried.work == []


def test_a_plain_deploy_of_another_version_can_be_undone_as_well(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    pair.push(make.model(version="v2"))
    pair.deploy()
    pair.run()
    assert _roll_back(pair).ending.version == "v1"
    pair.deploy()
    pair.run()
    assert pair.state.active_epoch("net").version == "v2", "who deploys wants what was pushed last"


def test_there_may_be_nothing_to_go_back_to(pair: Any) -> None:
    assert _roll_back(pair).error.code == "not_found"
    pair.deploy()
    pair.run()
    pair.deploy()
    pair.run()
    assert _roll_back(pair).error.code == "not_found", "the same version is no version before"


def test_a_version_that_a_device_lost_cannot_be_gone_back_to(tried: Any, make: Any) -> None:
    tried.entry.answer(1, 400)
    tried.entry.answer(2, 50)
    tried.do(e.Detached("gone", tried.state.devices["cloud"].stream))
    tried.attach(make.hello("cloud", "cloud", "i2"))
    tried.run()
    assert _roll_back(tried).error.code == "not_found"


def test_a_further_deployment_takes_the_place_of_both(tried: Any) -> None:
    tried.deploy()
    tried.run()
    tried.do(e.Tick())
    tried.run()
    assert _states(tried) == {1: READY, 3: ACTIVE}
    assert tried.state.canaries == {}


def test_of_two_canaries_the_later_counts(tried: Any) -> None:
    tried.deploy(canary=0.5)
    tried.run()
    assert _states(tried) == {1: ACTIVE, 3: READY}
    assert tried.state.canaries[BOARD].share == 0.5


def test_where_nothing_is_active_there_is_nothing_to_try_it_beside(pair: Any) -> None:
    pair.deploy(canary=0.1)
    pair.run()
    assert _states(pair) == {1: ACTIVE}


def test_the_model_document_tells_of_it(tried: Any) -> None:
    from lepton_edge.coordinator import reports

    tried.entry.answer(2, 7)
    [board] = reports.model(tried.state, "net")["boards"]
    assert (board["epoch"], board["canary"]["epoch"], board["canary"]["share"]) == (1, 2, 0.1)
    assert board["canary"]["tried"]["answered"] == 7


ACTIONS = (
    "good",
    "slow",
    "fail",
    "old",
    "back",
    "deploy",
    "canary",
    "push",
    "gone",
    "hello",
    "tick",
    "remove",
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.lists(st.sampled_from(ACTIONS), max_size=25))
def test_in_any_order_one_epoch_is_active_and_what_is_kept_is_known(make: Any, words: list[str]) -> None:
    world = make.World()
    world.attach(make.hello("board"))
    world.attach(make.hello("cloud", "cloud"))
    world.push()
    world.deploy()
    world.run()
    entry, asked = Entry(world), []
    for number, word in enumerate(words):
        active = world.state.active_epoch("net")
        canary = world.state.canaries.get(BOARD)
        tried = canary.new[1] if canary else active.epoch if active else 1
        if word in ("good", "slow", "fail") and world.state.devices["board"].stream:
            entry.answer(
                tried, 30 if word != "fail" else 0, 0.02 if word == "slow" else 0.01, 3 * (word == "fail")
            )
        elif word == "old" and active is not None and world.state.devices["board"].stream:
            entry.answer(active.epoch, 50)
        elif word == "back":
            asked.append(world.call(lambda cause, call: e.RollBackAsked(cause, call, m.RollBack("net"))))
        elif word in ("deploy", "canary"):
            asked.append(world.deploy(canary=0.2 if word == "canary" else 0.0))
        elif word == "push":
            world.push(make.model(version=f"w{number}"))
        elif word == "gone" and world.state.devices["cloud"].stream:
            world.do(e.Detached("gone", world.state.devices["cloud"].stream))
        elif word == "hello":
            world.attach(make.hello("cloud", "cloud", f"i{number}"))
        elif word == "remove":
            asked.append(world.call(lambda cause, call: e.RemoveAsked(cause, call, "net")))
        world.now += 1.0
        world.do(e.Tick())
        world.run()
        _check(world)
    assert set(asked) <= set(world.answers)


def _check(world: Any) -> None:
    """Whatever is READY is tried or kept; a canary is beside an active epoch."""
    ready = {record.key for record in world.state.epochs.values() if record.state == READY}
    tried = {one.new for one in world.state.canaries.values()}
    assert ready <= tried | set(world.state.kept.values())
    for one in world.state.canaries.values():
        assert world.state.epochs[one.old].state == ACTIVE


def test_what_is_told_of_a_trial_names_the_slow_ones_too(tried: Any) -> None:
    tried.entry.answer(1, 100, 0.010)
    tried.entry.answer(2, 10, 0.012)
    told = canary.news(tried.state, BOARD)
    assert told is not None
    assert (told["tried"]["slow"], told["beside"]["slow"]) == (0.012, 0.010)  # type: ignore[index]
    assert told["tried"]["answered"] == 10  # type: ignore[index]
