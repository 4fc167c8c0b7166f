"""Two coordinators by mistake: on copies of one state, or one that meets another's agents."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.state import Settings, State
from lepton_edge.core import messages as m

MINE = m.Leader("state-1", 3, "here")


@pytest.fixture
def led(make: Any) -> Any:
    """A world whose coordinator is the third start on its state, with a board, a cloud and a model."""
    settings = Settings("0.1", MINE.term, identity=MINE.identity, incarnation=MINE.incarnation)
    world = make.World(State(settings))
    world.attach(make.hello("board"))
    world.attach(make.hello("cloud", "cloud"))
    world.push()
    return world


def _rejected(world: Any) -> m.Rejected:
    found: m.Rejected = world.next_said(m.Rejected)[1]
    return found


def test_an_agent_is_told_whom_it_obeys(led: Any) -> None:
    assert led.next_said(m.Welcome)[1].leader == MINE


@pytest.mark.parametrize(
    "leader",
    [None, MINE, m.Leader("state-1", 2, "before"), m.Leader("", 9, "")],
    ids=["nobody", "this one", "an older start", "one that told no identity"],
)
def test_an_agent_that_obeyed_nobody_newer_is_let_in(led: Any, make: Any, leader: m.Leader | None) -> None:
    stream = led.attach(make.hello("board2", leader=leader))
    assert led.state.devices["board2"].stream == stream
    assert not led.state.superseded


def test_a_coordinator_that_hears_of_a_newer_term_stops_commanding(led: Any, make: Any) -> None:
    running, waiting = led.deploy(), led.deploy()
    led.attach(make.hello("board2", leader=m.Leader("state-1", 4, "there")))
    assert c.KeepTerm("stream s3", 4) in led.kept
    assert set(led.hung) == {"s1", "s2", "s3"}
    assert [led.answer_of(call).error.code for call in (running, waiting)] == ["not_leader"] * 2
    assert led.state.connected() == []
    assert not led.state.pending


def test_after_that_it_lets_nobody_in_and_changes_nothing(led: Any, make: Any) -> None:
    led.attach(make.hello("board2", leader=m.Leader("state-1", 4, "there")))
    led.said.clear()
    led.attach(make.hello("board"))
    assert _rejected(led).error.retryable
    for call in (led.deploy(), led.pin(), led.push()):
        assert led.answer_of(call).error.code == "not_leader"
    led.do(e.Tick())
    assert led.said == []


def test_of_two_with_one_term_each_keeps_its_own(led: Any, make: Any) -> None:
    led.attach(make.hello("board2", leader=m.Leader("state-1", 3, "there")))
    assert _rejected(led).error.code == "not_leader"
    assert not led.state.superseded
    assert c.KeepTerm("stream s3", 3) in led.kept, "the next start is above both"
    assert [device.name for device in led.state.connected()] == ["board", "cloud"]


def test_an_agent_that_serves_for_another_coordinator_is_left_to_it(led: Any, make: Any) -> None:
    held = (m.EpochStatus("net", "v1", 5, "active", "state-2"),)
    other = m.Leader("state-2", 9, "x")
    led.attach(make.hello("theirs", leader=other, epochs=held))
    error = _rejected(led).error
    assert (error.code, "--adopt" in error.hint) == ("not_leader", True)
    assert not led.state.superseded
    led.attach(make.hello("idle", leader=other))
    assert led.state.devices["idle"].stream is not None


def test_an_adopted_agent_gets_what_is_meant_for_it_whatever_number_it_holds(make: Any, led: Any) -> None:
    led.run()
    led.deploy()
    led.run()
    record = led.state.active_epoch("net")
    led.do(e.Detached("gone", led.state.devices["board"].stream))
    held = (m.EpochStatus("net", "v1", record.epoch, "active", "state-2"),)
    adopted = make.hello("board", "board", "i2", leader=m.Leader("state-2", 9, "x"), epochs=held, adopt=True)
    led.attach(adopted)
    assert led.next_said(m.Prepare)[1].epoch == record.epoch


def test_what_another_left_on_an_adopted_agent_ends_when_ours_runs_and_not_before(
    make: Any, led: Any
) -> None:
    led.run()
    led.deploy()
    led.run()
    led.do(e.Detached("gone", led.state.devices["board"].stream))
    held = (
        m.EpochStatus("net", "v1", 40, "active", "state-2"),
        m.EpochStatus("b", "v1", 1, "active", "state-2"),
    )
    led.attach(make.hello("board", "board", "i2", epochs=held, adopt=True))
    assert not [message for _, message in led.said if isinstance(message, m.Retire)]
    led.run()
    assert led.state.devices["board"].epochs == {("net", 1): "active", ("b", 1): "foreign"}


ACTIONS = ("hello mine", "hello newer", "hello tie", "hello other", "deploy", "pin", "run", "tick", "gone")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.sampled_from(ACTIONS), max_size=25))
def test_nothing_is_commanded_once_a_newer_term_was_heard_of(make: Any, words: list[str]) -> None:
    world = make.World(State(Settings("0.1", 3, identity="state-1", incarnation="here")))
    tokens = {"mine": MINE, "newer": m.Leader("state-1", 4, "b"), "tie": m.Leader("state-1", 3, "b"),
              "other": m.Leader("state-2", 1, "c")}  # fmt: skip
    asked = []
    world.push()
    for word in words:
        over, log = world.state.superseded, len(world.log)
        action, _, which = word.partition(" ")
        if action == "hello":
            world.attach(make.hello(f"device-{which}", leader=tokens[which], incarnation=f"i{log}"))
        elif action in ("deploy", "pin"):
            asked.append(getattr(world, action)())
        elif action == "run":
            world.run()
        elif action == "tick":
            world.now += 3.0
            world.do(e.Tick())
        elif connected := world.state.connected():
            world.do(e.Detached("gone", connected[0].stream))
        said = [one.message for one in world.log[log:] if isinstance(one, c.Say)]
        assert not over or all(isinstance(message, m.Rejected) for message in said)
    world.run()
    assert set(asked) <= set(world.answers)
