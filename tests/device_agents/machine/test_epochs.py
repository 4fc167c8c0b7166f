"""The life of an epoch."""

from __future__ import annotations

import dataclasses

from device_agents.machine import State, step
from device_agents.machine.commands import (
    CloseEpoch,
    Fail,
    KeepPeers,
    Measure,
    OpenEpoch,
    Persist,
    Reply,
    RunSegment,
    Say,
)
from device_agents.machine.events import (
    CoordinatorSaid,
    EpochKey,
    EpochOpened,
    EpochRefused,
    Measured,
    Restored,
    SavedEpoch,
    SegmentDone,
)
from device_agents.machine.state import validate
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import Activate, Drain, Outcome, Peer, Prepare, ProbeCommand, Retire


def _said(state, message):
    commands = step(state, CoordinatorSaid(message), 0.0)
    validate(state)
    return commands


def _outcomes(commands):
    return [said.message for said in commands if isinstance(said, Say) and isinstance(said.message, Outcome)]


def test_prepare_activate_then_the_board_keeps_a_link_and_a_copy(world) -> None:
    state = State("board")
    commands = world.deploy(state)
    assert world.only(commands, OpenEpoch).hold == (0, 1, 2, 3, 4)
    assert [outcome.command for outcome in _outcomes(commands)] == ["p", "a"]
    assert world.only(commands, Persist).epochs[0].epoch == 1
    kept = [command for command in commands if isinstance(command, KeepPeers)]
    assert [[peer.device for peer in command.peers] for command in kept] == [["cloud"], ["cloud"]]
    assert state.active == {"net": 1}


def test_the_cloud_keeps_it_too_since_only_it_may_be_able_to_dial(world) -> None:
    state = State("cloud")
    kept = [command for command in world.deploy(state) if isinstance(command, KeepPeers)]
    assert [[peer.device for peer in command.peers] for command in kept] == [["board"], ["board"]]


def test_a_failed_prepare_keeps_the_old_epoch(world) -> None:
    state = world.agent()
    said = Prepare("p2", 2, dataclasses.replace(world.book(), version="v2"), (0,))
    _said(state, said)
    full = WireError("storage_full", "no space")
    commands = step(state, EpochRefused(EpochKey("net", 2), full), 0.0)
    assert _outcomes(commands) == [Outcome("p2", full)]
    assert world.only(commands, CloseEpoch).key.epoch == 2
    assert state.active == {"net": 1}
    validate(state)


def test_what_is_said_twice_is_done_once(world) -> None:
    state = world.agent()
    again = Prepare("p9", 1, world.book(), (0, 1))
    assert _outcomes(_said(state, again)) == [Outcome("p9")]
    assert _outcomes(_said(state, Activate("a9", "net", 1))) == [Outcome("a9")]
    assert _outcomes(_said(state, Retire("x", "net", 44))) == [Outcome("x")]


def test_a_request_ends_on_the_epoch_it_began(world) -> None:
    state = world.agent()
    run = world.only(world.ask(state, page="local"), RunSegment)
    world.deploy(state, epoch=2)
    assert _outcomes(_said(state, Drain("d", "net", 1))) == []
    assert _outcomes(_said(state, Retire("t", "net", 1))) == []
    assert world.only(world.ask(state, request_id="r2", page="local"), RunSegment).epoch.epoch == 2
    commands = step(state, SegmentDone(run.work, 1), 0.1)
    assert world.only(commands, Reply).frame.epoch == 1
    assert [outcome.command for outcome in _outcomes(commands)] == ["d", "t"]
    assert world.only(commands, CloseEpoch).key == EpochKey("net", 1)
    validate(state)


def test_a_stage_of_a_draining_epoch_is_still_accepted(world) -> None:
    state = world.agent("cloud")
    _said(state, Drain("d", "net", 1))
    mid = world.tensor("mid", "float32", (1, 8))
    run = world.only(world.ask(state, tensors=(mid,), epoch=1, page="cut-4", first_block=4), RunSegment)
    assert world.ask(state, request_id="n")[0].frame.error.code == "unavailable"
    assert _outcomes(step(state, SegmentDone(run.work, 1), 0.1)) == [], "it was told once that it drained"


def test_an_epoch_that_nobody_waits_for_any_more_is_closed(world) -> None:
    state = State("board")
    assert step(state, EpochOpened(EpochKey("net", 1)), 0.0) == [CloseEpoch(EpochKey("net", 1))]


def test_activating_what_was_not_prepared_is_stale(world) -> None:
    state = State("board")
    [outcome] = _outcomes(_said(state, Activate("a", "net", 3)))
    assert outcome.error.code == "stale_epoch"


def test_a_reboot_serves_what_it_has_without_a_coordinator(world) -> None:
    state = State("board")
    saved = SavedEpoch(1, world.book(), (0, 1, 2, 3, 4), (Peer("cloud", ("h:1",)),))
    assert world.only(step(state, Restored((saved,)), 0.0), OpenEpoch).command == ""
    assert world.ask(state)[0].frame.error.code == "unavailable", "it is on its way"
    step(state, EpochOpened(EpochKey("net", 1)), 0.1)
    assert world.only(world.ask(state), RunSegment).epoch.epoch == 1
    validate(state)


def test_a_coordinator_may_prepare_what_is_being_restored(world) -> None:
    state = State("board")
    step(state, Restored((SavedEpoch(1, world.book(), (0, 1, 2, 3, 4)),)), 0.0)
    assert not [c for c in _said(state, Prepare("p", 1, world.book(), (0, 1))) if isinstance(c, OpenEpoch)]
    commands = step(state, EpochOpened(EpochKey("net", 1)), 0.1)
    assert [outcome.command for outcome in _outcomes(commands)] == ["p"]


def test_an_epoch_number_that_means_another_book_replaces_the_old_one(world) -> None:
    state = world.agent()
    world.ask(state)
    other = dataclasses.replace(world.book(), version="v2")
    commands = _said(state, Prepare("p2", 1, other, (0, 1)))
    assert world.only(commands, Fail).frame.error.code == "stale_epoch"
    order = [type(command) for command in commands if isinstance(command, CloseEpoch | OpenEpoch)]
    assert order == [CloseEpoch, OpenEpoch]


def test_measurements_are_bounded(world) -> None:
    state = State("board")
    probe = ProbeCommand("m", Peer("cloud", ()), (1,), 1.0)
    for _ in range(8):
        assert world.only(_said(state, probe), Measure)
    assert _outcomes(_said(state, probe))[0].error.code == "overloaded"
    step(state, Measured(Outcome("m")), 0.0)
    assert world.only(_said(state, probe), Measure)


def _of_board(world, board):
    """The same book for another board."""
    pages = tuple(
        dataclasses.replace(
            page,
            stages=tuple(
                dataclasses.replace(stage, device=board) if stage.device == "board" else stage
                for stage in page.stages
            ),
        )
        for page in world.book().pages
    )
    return dataclasses.replace(world.book(), pages=pages)


def test_a_cloud_serves_an_epoch_for_each_of_its_boards(world) -> None:
    state = world.agent("cloud")
    world.deploy(state, epoch=2, book=_of_board(world, "other"))
    validate(state)
    mid = world.tensor("mid", "float32", (1, 8))
    for epoch in (1, 2):
        commands = world.ask(
            state, request_id=f"r{epoch}", tensors=(mid,), epoch=epoch, page="cut-4", first_block=4
        )
        assert world.only(commands, RunSegment).epoch.epoch == epoch
    assert state.active == {"net": 2}, "who names none takes the newest"
    saved = world.only(_said(state, Drain("d", "net", 2)), Persist)
    assert [one.epoch for one in saved.epochs] == [1], "the other board's stays"
    assert state.active == {"net": 1}


def test_who_names_no_epoch_takes_one_that_begins_here(world) -> None:
    state = world.agent("cloud", book=_of_board(world, "cloud"))
    world.deploy(state, epoch=2)
    assert state.active == {"net": 1}, "the other one admits requests at the board"


def test_an_older_epoch_that_is_activated_again_counts_again(world) -> None:
    state = world.agent()
    world.deploy(state, epoch=2)
    assert state.active == {"net": 2}
    _said(state, Activate("a", "net", 1))
    assert state.active == {"net": 1}


def test_after_a_reboot_the_newest_activated_counts_whichever_opens_first(world) -> None:
    state = State("board")
    saved = tuple(SavedEpoch(number, world.book(), (0, 1, 2, 3, 4)) for number in (1, 2))
    step(state, Restored(saved), 0.0)
    for number in (2, 1):
        step(state, EpochOpened(EpochKey("net", number)), 0.1)
        validate(state)
    assert state.active == {"net": 2}
