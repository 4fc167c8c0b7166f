"""Where a device sends its own clients, and when it sends nobody anywhere."""

from __future__ import annotations

import pytest

from device_agents.machine import State, step
from device_agents.machine.commands import Refuse, RunSegment
from device_agents.machine.events import CoordinatorSaid, Restored, SavedEpoch
from device_agents.machine.moved import MAX_ADDRESSES, MAX_MOVED
from device_agents.machine.state import validate
from lepton_edge.core.messages import Activate, Drain, Leader, Outcome, Prepare, Retire, Welcome

SHED = ("shed:8011", "10.0.0.7:8011")


def _said(state, message):
    commands = step(state, CoordinatorSaid(message), 0.0)
    validate(state)
    return commands


def _refused(world, state, request_id="n"):
    return world.only(world.ask(state, request_id=request_id), Refuse).frame.error


@pytest.fixture
def drained(world):
    state = world.agent()
    _said(state, Drain("d", "net", 1, SHED))
    _said(state, Retire("t", "net", 1))
    return state


def test_a_client_of_a_model_that_moved_is_told_where_to_go(world, drained) -> None:
    error = _refused(world, drained)
    assert (error.code, error.retryable, error.elsewhere) == ("unavailable", True, SHED)
    assert "board was told" in error.message
    assert "shed:8011" in error.hint


def test_it_is_told_so_from_the_drain_on_while_what_is_under_way_ends_here(world) -> None:
    state = world.agent()
    world.only(world.ask(state, page="local"), RunSegment)
    _said(state, Drain("d", "net", 1, SHED))
    assert _refused(world, state).elsewhere == SHED


def test_a_board_that_serves_the_model_again_sends_nobody_away(world, drained) -> None:
    world.deploy(drained, epoch=3)
    world.only(world.ask(drained, page="local"), RunSegment)
    _said(drained, Drain("d", "net", 3))
    _said(drained, Retire("t", "net", 3))
    assert _refused(world, drained).elsewhere == (), "it was removed, not moved"


def test_a_later_word_counts(world, drained) -> None:
    _said(drained, Drain("d2", "net", 1, ("attic:8011",)))
    assert _refused(world, drained).elsewhere == ("attic:8011",)
    _said(drained, Drain("d3", "net", 1))
    assert _refused(world, drained).code == "unknown_model"


def test_an_agent_that_starts_anew_is_told_by_the_coordinator_and_not_by_its_disk(world) -> None:
    state = State("board")
    saved = SavedEpoch(1, world.book(), (0, 1, 2, 3, 4))
    step(state, Restored((saved,)), 0.0)
    error = _refused(world, state)
    assert (error.code, error.elsewhere) == ("unavailable", ()), (
        "it is being opened again: nobody is sent away"
    )
    fresh = State("board")
    assert _refused(world, fresh).code == "unknown_model"
    assert [one.message for one in _said(fresh, Drain("d", "net", 1, SHED))] == [Outcome("d")]
    assert _refused(world, fresh).elsewhere == SHED


def test_a_stage_of_an_epoch_is_nobodys_client(world, drained) -> None:
    refused = world.only(world.ask(drained, epoch=1, page="cut-4"), Refuse).frame.error
    assert (refused.code, refused.elsewhere) == ("stale_epoch", ())


def test_another_coordinators_word_is_forgotten(world, drained) -> None:
    for leader in (Leader("a", 1, "i"), Leader("a", 2, "i")):
        _said(drained, Welcome("board", 5.0, 1.0, "1", 1, leader))
        _said(drained, Drain("d", "net", 1, SHED))
        assert _refused(world, drained).elsewhere == SHED
    _said(drained, Welcome("board", 5.0, 1.0, "1", 3, Leader("a", 3, "i")))
    assert _refused(world, drained).elsewhere == SHED
    _said(drained, Welcome("board", 5.0, 1.0, "1", 1, Leader("b", 1, "i")))
    assert _refused(world, drained).code == "unknown_model"


def test_what_is_remembered_is_bounded(world) -> None:
    state = world.agent()
    for number in range(MAX_MOVED + 9):
        _said(state, Drain("d", f"m{number}", 1, SHED * MAX_ADDRESSES))
    assert len(state.moved) == MAX_MOVED
    assert "m0" not in state.moved
    assert {len(addresses) for addresses in state.moved.values()} == {MAX_ADDRESSES}


def test_a_model_that_is_only_prepared_has_moved_all_the_same(world, drained) -> None:
    _said(drained, Prepare("p", 4, world.book(), (0, 1, 2, 3, 4)))
    assert _refused(world, drained).elsewhere == SHED
    assert _said(drained, Activate("a", "net", 4))[0].message.error is not None
    assert _refused(world, drained).elsewhere == SHED
