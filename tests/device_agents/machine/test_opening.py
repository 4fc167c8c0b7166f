"""Where memory is bounded, the blocks of the pages in use are open, others fit beside them, and idle ones give way."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine import opening, step
from device_agents.machine.commands import CloseBlocks, OpenEpoch, OpenPieces, Persist, RunSegment
from device_agents.machine.events import (
    CoordinatorSaid,
    EpochKey,
    PiecesOpened,
    RequestArrived,
    Restored,
    SavedEpoch,
    SegmentDone,
)
from device_agents.machine.opening import KEPT, NO_ROOM, at_first, needed_by_all, want
from device_agents.machine.state import State
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import Prepare
from partitioner.plan import WeightRef

KEY = EpochKey("net", 1)
ALL = (0, 1, 2, 3, 4)
REFUSED = WireError("prepare_failed", "broken")


def weighing(book, *sizes, model="net"):
    """The book whose blocks read so many bytes of weights each, of the model's own."""
    weights = [(WeightRef(f"w{i}", 0, size, f"{model}{i}"),) if size else () for i, size in enumerate(sizes)]
    blocks = tuple(
        dataclasses.replace(block, weights=refs) for block, refs in zip(book.blocks, weights, strict=True)
    )
    return dataclasses.replace(book, blocks=blocks, model=model)


@pytest.fixture
def cloud(world) -> State:
    """A cloud of 100 bytes that serves a page of which it runs the last block, of 20 bytes."""
    book = weighing(world.book(), 0, 10, 20, 30, 20)
    return world.agent("cloud", book=book, budget=100)


def hold(state: State, key=KEY):
    return state.epochs[key].hold


def test_without_a_bound_all_is_opened_at_once(world) -> None:
    book = weighing(world.book(), 0, 10, 20, 30, 20)
    assert at_first(State("cloud"), book, ALL) == ALL


def test_the_active_page_is_opened_and_what_weighs_nothing(cloud: State) -> None:
    assert hold(cloud) == (0, 4)
    assert cloud.epochs[KEY].assigned == ALL


def test_the_fallback_is_opened_too(world) -> None:
    book = dataclasses.replace(weighing(world.book(), 0, 10, 20, 30, 20), fallback="local")
    assert at_first(State("board", budget=1), book, ALL) == ALL
    assert at_first(State("board", budget=1), dataclasses.replace(book, fallback=""), ALL) == (0, 1, 2, 3)
    assert needed_by_all(book, "cloud") == {4}


def test_the_rest_is_fetched_and_saved_and_the_restored_epoch_opens_as_little(world, cloud: State) -> None:
    book = cloud.epochs[KEY].book
    fresh = State("cloud", budget=100)
    said = world.only(step(fresh, CoordinatorSaid(Prepare("p", 1, book, ALL)), 0.0), OpenEpoch)
    assert (said.hold, said.later) == ((0, 4), (1, 2, 3))
    saved = [one for one in world.deploy(fresh, book=book, epoch=2) if isinstance(one, Persist)]
    assert saved[0].epochs[0].hold == ALL
    again = State("cloud", budget=100)
    restored = step(again, Restored((SavedEpoch(1, book, ALL),)), 0.0)
    assert world.only(restored, OpenEpoch).hold == (0, 4)


def test_what_is_prepared_already_is_not_prepared_again(cloud: State) -> None:
    book = cloud.epochs[KEY].book
    assert not any(
        isinstance(one, OpenEpoch) for one in step(cloud, CoordinatorSaid(Prepare("q", 1, book, ALL)), 1.0)
    )


def test_what_is_wanted_is_opened_where_it_fits_one_run_at_a_time(cloud: State) -> None:
    held = cloud.epochs[KEY]
    (asked,) = want(cloud, held, (2, 5), 1.0)
    assert isinstance(asked, OpenPieces)
    assert (asked.first, asked.last, asked.blocks) == (2, 5, (2, 3))
    assert want(cloud, held, (1, 5), 1.0) == [], "one at a time"
    step(cloud, PiecesOpened(KEY, 2, 5, (2, 3)), 2.0)
    assert hold(cloud) == (0, 2, 3, 4)
    assert want(cloud, held, (2, 5), 3.0) == [], "it is open"


def test_what_could_not_be_opened_stays_closed_and_is_tried_again_later(cloud: State) -> None:
    held = cloud.epochs[KEY]
    want(cloud, held, (2, 5), 1.0)
    step(cloud, PiecesOpened(KEY, 2, 5, error=REFUSED), 2.0)
    assert hold(cloud) == (0, 4)
    assert want(cloud, held, (2, 5), 3.0) == []
    assert want(cloud, held, (2, 5), 2.0 + opening.AGAIN)


def test_what_does_not_fit_is_not_opened_and_asked_for_again_soon(cloud: State) -> None:
    cloud.budget = 69
    held = cloud.epochs[KEY]
    assert want(cloud, held, (2, 5), 1.0) == []
    cloud.budget = 70
    assert want(cloud, held, (2, 5), 1.0 + NO_ROOM / 2) == []
    assert want(cloud, held, (2, 5), 1.0 + NO_ROOM)


def crowded(world, cloud: State) -> EpochKey:
    """Another model beside the first, of whose blocks 2 and 3 are open: 90 bytes of 100 are taken."""
    want(cloud, cloud.epochs[KEY], (2, 5), 1.0)
    step(cloud, PiecesOpened(KEY, 2, 5, (2, 3)), 1.0)
    opening.touch(cloud, cloud.epochs[KEY], (2, 5), 10.0)
    opening.touch(cloud, cloud.epochs[KEY], (3, 5), 20.0)
    world.deploy(cloud, book=weighing(world.book(), 0, 10, 10, 10, 20, model="other"))
    return EpochKey("other", 1)


def test_idle_blocks_give_way_those_first_that_were_wanted_longest_ago(world, cloud: State) -> None:
    other = crowded(world, cloud)
    closed, asked = want(cloud, cloud.epochs[other], (2, 5), 21.0 + KEPT)
    assert closed == CloseBlocks(KEY, (2,)), "that is enough"
    assert asked.blocks == (2, 3)
    assert hold(cloud) == (0, 3, 4)


def test_what_was_wanted_of_late_does_not_give_way(world, cloud: State) -> None:
    other = crowded(world, cloud)
    assert want(cloud, cloud.epochs[other], (2, 5), 10.0 + KEPT) == []
    assert hold(cloud) == (0, 2, 3, 4), "and nothing is closed in vain"


def test_what_requests_are_on_their_way_to_does_not_give_way(world, cloud: State) -> None:
    other = crowded(world, cloud)
    mid = world.tensor("x", "float32", (1, 3, 224, 224), 16)
    frame = dataclasses.replace(
        world.request(tensors=(mid,)), epoch=1, page="cloud-encoded", first_block=3, remaining_ms=0
    )
    run = world.only(step(cloud, RequestArrived(1, frame), 20.0), RunSegment)
    late = 21.0 + KEPT
    closed, _ = want(cloud, cloud.epochs[other], (2, 5), late)
    assert closed == CloseBlocks(KEY, (2,)), "which lies behind it"
    step(cloud, PiecesOpened(other, 2, 5, (2, 3)), late)
    cloud.budget = 95
    assert want(cloud, cloud.epochs[other], (1, 5), late) == [], (
        "there is room for no more: block 3 is at work"
    )
    step(cloud, SegmentDone(run.work, 1), late)
    closed, _ = want(cloud, cloud.epochs[other], (1, 5), late + NO_ROOM + KEPT)
    assert closed == CloseBlocks(KEY, (3,))


def test_the_active_page_stays_whatever_is_wanted(world, cloud: State) -> None:
    other = crowded(world, cloud)
    cloud.budget = 60
    want(cloud, cloud.epochs[other], (2, 5), 1000.0)
    assert {0, 4} <= set(hold(cloud))
    assert {0, 4} <= set(hold(cloud, other))


def test_an_epoch_is_opened_in_any_case_and_idle_blocks_of_others_give_way_for_it(
    world, cloud: State
) -> None:
    crowded(world, cloud)
    third = weighing(world.book(), 0, 0, 0, 0, 40, model="third")
    commands = step(cloud, CoordinatorSaid(Prepare("p", 1, third, ALL)), 30.0 + KEPT)
    assert [type(one) for one in commands[:2]] == [CloseBlocks, OpenEpoch]
    assert commands[0] == CloseBlocks(KEY, (2, 3)), "one of them is not enough"
    full = weighing(world.book(), 0, 0, 0, 0, 400, model="full")
    assert (
        world.only(step(cloud, CoordinatorSaid(Prepare("q", 1, full, ALL)), 999.0), OpenEpoch).hold[-1] == 4
    )


def test_weights_that_epochs_share_count_once(world, cloud: State) -> None:
    """A new plan of the same model costs no room: its active page is open beside the one before."""
    book = cloud.epochs[KEY].book
    world.deploy(cloud, book=book, epoch=2)
    cloud.budget = 70
    assert want(cloud, cloud.epochs[EpochKey("net", 2)], (2, 5), 1.0)
