"""What runs faster is opened where requests stay, once, and one at a time; a page that lacks blocks gets them."""

from __future__ import annotations

import dataclasses

from device_agents.machine import step
from device_agents.machine.commands import OpenPieces, RunSegment
from device_agents.machine.events import EpochKey, LinksSeen, PiecesOpened, SegmentDone
from device_agents.machine.state import validate
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import LinkReport
from partitioner.plan import Block, Fused, Prediction, TurnRule

KEY = EpochKey("net", 1)
REFUSED = WireError("prepare_failed", "no room")


def spare(device="board", first=1, last=5, index=5):
    return Fused(device, first, last, Block(index, "onnx", (), ()))


def board(world, *pieces, hold=(0, 1, 2, 3, 4), **changes):
    book = dataclasses.replace(world.book("local"), spare=pieces, **changes)
    return world.agent(book=book, hold=hold)


def ask(world, state, now, page="local"):
    """Ask, let the first run end, and return what is opened for it."""
    commands = world.ask(state, now=now, request_id=f"{page}{now}", page=page)
    for run in [one for one in commands if isinstance(one, RunSegment)]:
        outputs = tuple(world.tensor(name, "float32", (1, 5), 20) for name in run.outputs)
        step(state, SegmentDone(run.work, run.run, outputs=outputs), now)
    validate(state)
    return [one for one in commands if isinstance(one, OpenPieces)]


def stay(world, state, begin=0.0, count=20, **fields):
    found = [opened for at in range(count) for opened in ask(world, state, begin + at * 0.1, **fields)]
    return [(one.first, one.last, one.blocks) for one in found]


def test_a_run_that_stays_is_opened_as_one_and_only_once(world) -> None:
    state = board(world, spare())
    assert stay(world, state, count=10) == [], "not yet a second"
    assert stay(world, state, 1.0) == [(0, 5, ())]
    assert stay(world, state, 3.0) == [], "one at a time"
    step(state, PiecesOpened(KEY, 0, 5), 5.0)
    assert stay(world, state, 5.0) == []


def test_a_device_without_a_piece_of_its_own_opens_nothing(world) -> None:
    assert stay(world, board(world, spare("cloud"))) == []
    assert stay(world, board(world, spare(first=1, last=5)), page="cut-4") == [], "its run ends before"
    assert stay(world, board(world)) == []


def test_what_could_not_be_opened_is_tried_again_much_later(world) -> None:
    state = board(world, spare())
    assert len(stay(world, state)) == 1
    step(state, PiecesOpened(KEY, 0, 5, error=REFUSED), 2.0)
    assert stay(world, state, 2.0) == []
    assert len(stay(world, state, 70.0)) == 1


def test_what_was_dropped_is_opened_again_when_requests_come_back_to_it(world) -> None:
    state = board(world, spare(), spare(first=0, last=4, index=6))
    assert stay(world, state) == [(0, 5, ())]
    step(state, PiecesOpened(KEY, 0, 5), 2.0)
    assert stay(world, state, 3.0, page="cut-4") == [(0, 4, ())]
    step(state, PiecesOpened(KEY, 0, 4, dropped=((1, 5),)), 5.0)
    assert stay(world, state, 6.0) == [(0, 5, ())]


def test_what_is_in_use_is_kept(world) -> None:
    state = board(world, spare(), spare(first=0, last=4, index=6))
    stay(world, state)
    step(state, PiecesOpened(KEY, 0, 5), 2.0)
    found = [one for at in range(20) for one in ask(world, state, 3.0 + at * 0.1, page="cut-4")]
    assert set(found[0].keep) == {(0, 5), (0, 4)}


def test_an_outcome_that_comes_after_the_end_of_its_epoch_does_no_harm(world) -> None:
    state = board(world, spare())
    stay(world, state)
    state.epochs.clear(), state.active.clear()
    assert step(state, PiecesOpened(KEY, 0, 5), 2.0) == []
    assert not state.opening_pieces


def test_a_page_that_would_be_best_gets_the_blocks_that_it_lacks(world) -> None:
    book = world.book("cloud-encoded")
    quick = dataclasses.replace(book.pages[0], prediction=Prediction(0.01, 0.01, 0, 0, 0, 0, 0))
    rule = TurnRule(("local", "cloud-encoded"))
    state = board(world, hold=(0, 1), pages=(quick, *book.pages[1:]), active="cloud-encoded", turning=rule)
    step(state, LinksSeen((LinkReport("cloud", up=1e5, down=1e5, round_trip=0.1, samples=9),)), 0.0)
    assert stay(world, state, count=3, page="") == [(0, 5, (2, 3, 4))]
    step(state, PiecesOpened(KEY, 0, 5, (2, 3, 4)), 2.0)
    run = next(one for one in world.ask(state, now=3.0, request_id="r") if isinstance(one, RunSegment))
    assert (run.first, run.last) == (0, 5)
