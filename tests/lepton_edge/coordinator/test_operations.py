"""Devices that are drained, removed, and take part again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.entries import description
from lepton_edge.coordinator.reach import relays
from lepton_edge.coordinator.records import ACTIVE
from lepton_edge.core import messages as m
from lepton_edge.core.frames import WireError

NO = WireError("prepare_failed", "no")


def _drain(world: Any, name: str, **how: Any) -> str:
    call: str = world.call(lambda cause, call: e.DrainAsked(cause, call, m.DrainDevice(name, **how)))
    return call


def _remove(world: Any, name: str, **how: Any) -> str:
    call: str = world.call(lambda cause, call: e.DeviceRemoveAsked(cause, call, m.RemoveDevice(name, **how)))
    return call


def _look(world: Any, times: int = 3, seconds: float = 0.25, refuse: Any = None) -> None:
    """Let time pass, and everybody answer."""
    for _ in range(times):
        world.now += seconds
        for device in world.state.connected():
            world.hear(device.stream, m.Telemetry(0.0, 1, 1, 0.0, 0, 0, 0, 1.0))
        world.do(e.Tick())
        world.run(refuse)


@pytest.fixture
def fleet(pair: Any, make: Any) -> Any:
    """Two boards and two clouds; the model runs on the first of each."""
    pair.attach(make.hello("board2"))
    pair.attach(make.hello("cloud2", "cloud"))
    pair.deploy(board="board", cloud="cloud")
    pair.run()
    return pair


def _active(world: Any) -> list[tuple[str, str]]:
    return [(record.board, record.cloud) for record in world.state.active_epochs()]


def test_a_drained_cloud_is_replaced_before_it_is_let_go(fleet: Any) -> None:
    call = _drain(fleet, "cloud")
    assert _active(fleet) == [("board", "cloud")], "it serves until the other one does"
    fleet.run()
    _look(fleet)
    assert _active(fleet) == [("board", "cloud2")]
    assert fleet.answer_of(call).ending == c.Drained("cloud")
    assert fleet.state.devices["cloud"].epochs == {}


@pytest.mark.parametrize(
    "order",
    [
        lambda world: _drain(world, "cloud"),
        lambda world: world.call(
            lambda cause, call: e.MoveAsked(cause, call, m.MoveModel("net", "cloud", "cloud2"))
        ),
        lambda world: world.pin(page="local"),
    ],
)
def test_what_is_moved_or_pinned_is_the_version_that_runs(fleet: Any, make: Any, order: Any) -> None:
    """A newer one that was pushed, or that was gone back from, waits for a deploy."""
    fleet.push(make.model(version="v2"))
    before = fleet.state.active_epoch("net").epoch
    order(fleet)
    fleet.run()
    _look(fleet)
    record = fleet.state.active_epoch("net")
    assert record.epoch > before
    assert record.version == "v1"


def test_without_another_cloud_the_board_goes_on_alone(pair: Any) -> None:
    pair.deploy()
    pair.run()
    call = _drain(pair, "cloud")
    pair.run()
    _look(pair)
    assert _active(pair) == [("board", "")]
    assert isinstance(pair.answer_of(call), c.Finish)


def test_a_drained_board_hands_over_to_the_other_one(fleet: Any) -> None:
    call = _drain(fleet, "board")
    fleet.run()
    _look(fleet)
    assert _active(fleet) == [("board2", "cloud")]
    assert fleet.answer_of(call).ending == c.Drained("board")


def test_what_stood_in_for_a_board_ends_when_the_board_has_its_model_again(pair: Any) -> None:
    pair.deploy()
    pair.run()
    _drain(pair, "board")
    pair.run()
    _look(pair)
    assert _active(pair) == [("", "cloud")]
    _drain(pair, "board", undo=True)
    pair.deploy()
    pair.run()
    assert _active(pair) == [("board", "cloud")]


def test_a_board_whose_model_another_board_has_is_only_drained(fleet: Any) -> None:
    fleet.deploy(board="board2", cloud="cloud")
    fleet.run()
    work = len(fleet.ordered)
    call = _drain(fleet, "board")
    fleet.run()
    _look(fleet)
    assert len(fleet.ordered) == work, "nothing was planned for it"
    assert _active(fleet) == [("board2", "cloud")]
    assert isinstance(fleet.answer_of(call), c.Finish)


def test_nobody_else_and_it_stays_as_it_is_unless_it_is_forced(pair: Any) -> None:
    pair.deploy(keep_input_on_board=True)
    pair.run()
    error = pair.answer_of(_drain(pair, "board")).error
    assert (error.code, "--force" in error.hint) == ("unavailable", True)
    assert _active(pair) == [("board", "cloud")]
    assert pair.state.drains == {}
    call = _drain(pair, "board", force=True)
    _look(pair)
    assert _active(pair) == []
    assert isinstance(pair.answer_of(call), c.Finish)


def test_it_gets_nothing_new_until_that_is_undone(fleet: Any) -> None:
    _drain(fleet, "cloud2")
    _look(fleet)
    refused = fleet.answer_of(fleet.deploy(board="board", cloud="cloud2")).error
    assert (refused.code, "--undo" in refused.hint) == ("unavailable", True)
    fleet.deploy(board="board")
    fleet.run()
    assert _active(fleet) == [("board", "cloud")], "of two clouds one was not to be chosen"
    undone = _drain(fleet, "cloud2", undo=True)
    assert fleet.answer_of(undone).ending == c.Drained("cloud2", undone=True)
    fleet.deploy(board="board", cloud="cloud2")
    fleet.run()
    assert _active(fleet) == [("board", "cloud2")]


def test_to_ask_twice_is_to_wait_together(fleet: Any) -> None:
    calls = [_drain(fleet, "cloud"), _drain(fleet, "cloud")]
    fleet.run()
    _look(fleet)
    calls.append(_drain(fleet, "cloud"))
    assert [fleet.answer_of(call).ending for call in calls] == [c.Drained("cloud")] * 3


def test_undone_while_it_is_drained_it_tells_who_waits(fleet: Any) -> None:
    call = _drain(fleet, "cloud")
    _drain(fleet, "cloud", undo=True)
    assert fleet.answer_of(call).error.code == "unavailable"
    fleet.run()
    _look(fleet)
    assert len(_active(fleet)) == 1


def test_it_waits_for_the_requests_that_run_there(fleet: Any) -> None:
    call = _drain(fleet, "cloud")
    fleet.run()
    busy = m.Telemetry(0.0, 1, 1, 0.0, 2, 0, 0, 1.0)
    fleet.hear(fleet.state.devices["cloud"].stream, busy)
    fleet.do(e.Tick())
    assert call not in fleet.answers
    _look(fleet, 1)
    assert call in fleet.answers


def test_what_cannot_be_moved_is_tried_again_and_then_told(fleet: Any) -> None:
    call = _drain(fleet, "cloud")
    fleet.run({m.Prepare: NO})
    assert call not in fleet.answers
    _look(fleet, 8, 5.0, {m.Prepare: NO})
    assert fleet.answer_of(call).error.code == "prepare_failed"
    assert _active(fleet) == [("board", "cloud")]
    assert "cloud" not in fleet.state.drains


def test_a_removed_device_is_forgotten_and_its_process_not_let_in_again(fleet: Any, make: Any) -> None:
    stream = fleet.state.devices["cloud"].stream
    call = _remove(fleet, "cloud")
    fleet.run()
    _look(fleet)
    assert fleet.answer_of(call).ending == c.DeviceGone("cloud")
    assert "cloud" not in fleet.state.devices
    assert not [key for key in fleet.state.profiles if key[2] == "cloud"]
    assert not [pair for pair in fleet.state.links if "cloud" in pair]
    assert stream in fleet.hung
    assert c.ForgetDevice in [type(kept) for kept in fleet.kept]
    again = fleet.attach(make.hello("cloud", "cloud"))
    assert again in fleet.hung
    anew = fleet.attach(make.hello("cloud", "cloud", "i2"))
    assert fleet.state.devices["cloud"].stream == anew


def test_to_remove_what_is_gone_already_is_fine_and_what_never_was_is_not(fleet: Any) -> None:
    _remove(fleet, "cloud2")
    _look(fleet)
    assert fleet.answer_of(_remove(fleet, "cloud2")).ending == c.DeviceGone("cloud2")
    assert fleet.answer_of(_remove(fleet, "cloud9")).error.code == "not_found"
    assert fleet.answer_of(_drain(fleet, "cloud9")).error.code == "not_found"


def test_a_device_that_is_away_can_be_removed(fleet: Any) -> None:
    fleet.do(e.Detached("gone", fleet.state.devices["cloud"].stream))
    call = _remove(fleet, "cloud")
    fleet.run()
    _look(fleet)
    assert fleet.answer_of(call).ending == c.DeviceGone("cloud")
    assert _active(fleet) == [("board", "cloud2")]


ACTIONS = (
    "drain board", "drain cloud", "undo cloud", "undo board", "remove cloud2", "remove board2", "force cloud",
    "deploy", "run", "refuse", "look", "long", "gone cloud", "gone board", "back cloud", "back board", "back cloud2",
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.lists(st.sampled_from(ACTIONS), max_size=30))
def test_every_call_ends_once_and_nothing_runs_on_what_is_drained(make: Any, words: list[str]) -> None:
    world = make.World()
    for name, role in (("board", "board"), ("board2", "board"), ("cloud", "cloud"), ("cloud2", "cloud")):
        world.attach(make.hello(name, role))
    world.push()
    world.deploy(board="board", cloud="cloud")
    world.run()
    asked = [_act(world, make, index, *word.split()) for index, word in enumerate(words)]
    for name in ("board", "cloud", "board2", "cloud2"):
        if name not in world.state.devices or world.state.devices[name].stream is None:
            world.attach(make.hello(name, name.rstrip("2"), "at the end"))
    _look(world, 40, 5.0)
    assert {call for call in asked if call} <= set(world.answers)
    for name in world.state.drains:
        assert not [one for one in world.state.active_epochs() if one.blocks_of(name)]
    assert all(record.state == ACTIVE or record.book is None for record in world.state.epochs.values())


def _act(world: Any, make: Any, index: int, action: str, name: str = "") -> str:
    there = world.state.devices.get(name)
    if action in ("drain", "undo", "force"):
        return _drain(world, name, undo=action == "undo", force=action == "force")
    if action == "remove":
        return _remove(world, name)
    if action == "deploy":
        return str(world.deploy(board="board"))
    if action == "gone" and there is not None and there.stream is not None:
        world.do(e.Detached("gone", there.stream))
    elif action == "back":
        world.attach(make.hello(name, name.rstrip("2"), f"i{index}"))
    elif action in ("run", "refuse"):
        world.run({m.Prepare: NO} if action == "refuse" else None)
    elif action in ("look", "long"):
        _look(world, 1, 400.0 if action == "long" else 1.0)
    return ""


def test_a_drained_device_is_no_entry_once_it_has_nothing_left(fleet: Any) -> None:
    def entries() -> set[str]:
        return {peer.device for peer in description(fleet.state, "c", "c:1").entries}

    assert "board" in entries()
    _drain(fleet, "board")
    assert "board" in entries(), "it serves until another one does"
    fleet.run()
    _look(fleet)
    assert "board" not in entries()
    _drain(fleet, "board", undo=True)
    assert "board" in entries()


def test_a_drained_device_relays_for_nobody_new(fleet: Any, make: Any) -> None:
    fleet.attach(make.hello("hub", "cloud", relay=True))
    assert [one.name for one in relays(fleet.state, "board", "cloud")] == ["hub"]
    _drain(fleet, "hub")
    assert relays(fleet.state, "board", "cloud") == []


# --- what the clients of a device are told whose models others serve now -------------------------------


def _directed(world: Any, device: str) -> list[tuple[str, ...]]:
    """Return where else each Drain said to `device`, oldest first, says that its model is."""
    stream = world.state.devices[device].stream
    told = [said.message for said in world.log if isinstance(said, c.Say) and said.stream == stream]
    return [message.elsewhere for message in told if isinstance(message, m.Drain)]


def _let_go(world: Any, name: str, **how: Any) -> None:
    _drain(world, name, **how)
    world.run()
    _look(world)


def _back(world: Any, make: Any, name: str, **changes: Any) -> None:
    """Let an agent start anew."""
    world.do(e.Detached("gone", world.state.devices[name].stream))
    world.attach(make.hello(name, incarnation="i2", **changes))
    world.run()


def test_a_drained_board_is_told_who_serves_its_model_now(fleet: Any) -> None:
    _let_go(fleet, "board")
    assert _directed(fleet, "board") == [("board2:8011",)]


def test_where_a_cloud_stands_in_the_board_is_told_so_and_is_the_one_that_is_named_afterwards(
    pair: Any,
) -> None:
    pair.deploy()
    pair.run()
    _let_go(pair, "board")
    assert _directed(pair, "board") == [("cloud:8011",)]
    _drain(pair, "board", undo=True)
    pair.deploy()
    pair.run()
    assert _active(pair) == [("board", "cloud")]
    assert all(said == () for said in _directed(pair, "cloud")), "it has a part in what the board runs"


def test_who_has_the_model_already_is_named_but_none_that_is_drained_itself_or_away(
    fleet: Any, make: Any
) -> None:
    for name in ("board2", "board3", "board4"):
        if name not in fleet.state.devices:
            fleet.attach(make.hello(name, data_addresses=(f"{name}:8011", f"{name}:9011")))
        fleet.deploy(board=name, cloud="cloud")
        fleet.run()
    fleet.do(e.Detached("gone", fleet.state.devices["board2"].stream))
    _let_go(fleet, "board3")
    assert _directed(fleet, "board3")[-1] == ("board:8011", "board4:8011", "board4:9011")
    _let_go(fleet, "board")
    assert _directed(fleet, "board")[-1] == ("board4:8011", "board4:9011")


def test_an_input_that_stays_on_its_board_is_sent_nowhere(fleet: Any) -> None:
    fleet.deploy(board="board", cloud="cloud", keep_input_on_board=True)
    fleet.run()
    _let_go(fleet, "board")
    assert _active(fleet) == [("board2", "cloud")]
    assert set(_directed(fleet, "board")) == {()}


def test_a_new_version_a_new_plan_or_a_model_that_is_removed_send_nobody_away(fleet: Any) -> None:
    fleet.deploy(board="board", cloud="cloud2")
    fleet.run()
    fleet.call(lambda cause, call: e.RemoveAsked(cause, call, "net"))
    fleet.run()
    assert len(_directed(fleet, "board")) == 2
    assert set(_directed(fleet, "board")) == {()}


def test_an_agent_that_restarts_is_told_again_if_it_was_drained(fleet: Any, make: Any) -> None:
    _let_go(fleet, "board")
    _back(fleet, make, "board")
    assert _directed(fleet, "board") == [("board2:8011",)]
    assert not fleet.state.pending
    _drain(fleet, "board", undo=True)
    fleet.deploy(board="board", cloud="cloud")
    fleet.run()
    _back(fleet, make, "board")
    assert _directed(fleet, "board") == [], "what it serves it serves"


def test_an_agent_that_only_restarts_sends_nobody_away(fleet: Any, make: Any) -> None:
    fleet.deploy(board="board2", cloud="cloud")
    fleet.deploy(board="board", cloud="cloud")
    fleet.run()
    _back(fleet, make, "board")
    assert _directed(fleet, "board") == []


def test_an_agent_of_the_release_before_is_told_nothing_that_it_does_not_know(fleet: Any, make: Any) -> None:
    _let_go(fleet, "board")
    _back(fleet, make, "board", protocol_minor=0)
    assert _directed(fleet, "board") == []


def test_a_board_that_was_away_while_it_was_drained_is_told_when_it_returns(fleet: Any, make: Any) -> None:
    fleet.do(e.Detached("gone", fleet.state.devices["board"].stream))
    _let_go(fleet, "board")
    assert _active(fleet) == [("board2", "cloud")]
    held = (m.EpochStatus("net", "v1", 1, "active"),)
    fleet.attach(make.hello("board", epochs=held))
    fleet.run()
    assert _directed(fleet, "board") == [("board2:8011",)]
    assert fleet.state.devices["board"].epochs == {}
    assert fleet.state.epochs["net", 1].state == "RETIRED"


def _answered_by(world: Any, name: str) -> None:
    """Let one device do all that it is told."""
    while own := [one for one in world.said if world.device(one[0]) == name]:
        world.said.remove(own[0])
        if not isinstance(own[0][1], m.Welcome):
            world.hear(own[0][0], m.Outcome(own[0][1].command))


def test_an_epoch_ends_though_its_entry_is_told_of_others_last_of_all(fleet: Any, make: Any) -> None:
    fleet.deploy(board="board2", cloud="cloud2")
    fleet.run()
    _drain(fleet, "board")
    fleet.do(e.Detached("gone", fleet.state.devices["board"].stream))
    fleet.attach(make.hello("board", epochs=(m.EpochStatus("net", "v1", 1, "active"),)))
    _answered_by(fleet, "cloud")
    assert fleet.epoch_states()[1] == "DRAINING"
    _answered_by(fleet, "board")
    assert fleet.epoch_states()[1] == "RETIRED"


def _tried_on(fleet: Any, make: Any, cloud: str) -> None:
    """Let a share of the requests try a new version by way of another cloud."""
    fleet.push(make.model(version="v2"))
    fleet.deploy(board="board", cloud=cloud, canary=0.1)
    fleet.run()
    assert fleet.state.devices[cloud].epochs == {("net", 2): "ready"}


def test_what_is_tried_on_a_drained_cloud_is_called_off(fleet: Any, make: Any) -> None:
    _tried_on(fleet, make, "cloud2")
    call = _drain(fleet, "cloud2")
    fleet.run()
    _look(fleet)
    assert fleet.answer_of(call).ending == c.Drained("cloud2")
    assert fleet.state.devices["cloud2"].epochs == {}
    assert _active(fleet) == [("board", "cloud")]


def test_what_is_kept_to_go_back_to_is_let_go_of_by_a_drained_cloud(fleet: Any, make: Any) -> None:
    fleet.push(make.model(version="v2"))
    fleet.deploy(board="board", cloud="cloud2")
    fleet.run()
    assert ("net", 1) in fleet.state.devices["cloud"].epochs, "the version before is kept"
    call = _remove(fleet, "cloud")
    fleet.run()
    for _ in range(3):
        fleet.now += 0.25
        fleet.do(e.Tick())
        fleet.run()
    assert fleet.answer_of(call).ending == c.DeviceGone("cloud")
    assert _active(fleet) == [("board", "cloud2")]
    assert fleet.state.devices["board"].epochs == {("net", 2): "active"}, "nobody can go back to it"


def test_a_board_whose_model_is_moved_is_told_so_too(fleet: Any, make: Any) -> None:
    fleet.call(lambda cause, call: e.MoveAsked(cause, call, m.MoveModel("net", "board", "board2")))  # type: ignore[arg-type]
    fleet.run()
    _look(fleet)
    assert _active(fleet) == [("board2", "cloud")]
    assert _directed(fleet, "board") == [("board2:8011",)]
    _back(fleet, make, "board")
    assert _directed(fleet, "board") == [("board2:8011",)]
