"""What this device computes for a request."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine import runs, step
from device_agents.machine.commands import RunSegment, SendStage
from device_agents.machine.events import EpochKey, SegmentDone, TimerFired, Timing


@pytest.fixture
def state(world):
    return world.agent()


@pytest.fixture
def work(world, state):
    """A request on cut-4 whose first four blocks are to run."""
    world.ask(state, page="cut-4")
    return next(iter(state.works.values()))


def _left_by_the_cloud(world, state, work) -> RunSegment:
    run = RunSegment(work.key, 1, work.epoch, 0, 4)
    mid = world.tensor("mid", "float32", (1, 8), 32)
    sent = world.only(step(state, SegmentDone(run.work, 1, forward=(mid,)), 0.1), SendStage)
    return world.only(step(state, TimerFired(sent.work, "patience"), 5.0), RunSegment)


def test_its_own_stage_goes_on_by_the_pages_codecs_and_keeps_what_a_fallback_needs(state, work) -> None:
    run = runs.stage(state, work, ())
    assert (run.first, run.last, run.epoch) == (0, 4, EpochKey("net", 1))
    assert [(one.tensor, one.codec) for one in run.forward] == [("mid", "u8+zstd")]
    assert run.keep == ("mid",)


def test_the_rest_begins_where_the_stage_ended(world, state, work) -> None:
    rest = _left_by_the_cloud(world, state, work)
    assert (rest.first, rest.last) == (4, 5)
    assert set(rest.outputs) == {"y@scores", "y@indices"}
    assert rest.forward == ()
    assert runs.blocks(state, work) == 5


def test_a_run_is_charged_to_its_own_blocks_and_of_a_batch_its_share(world, state, work) -> None:
    held = state.epochs[work.epoch]
    runs.note_cost(state, work, Timing(decode=0.01, compute=0.4, encode=0.01, batch=4))
    assert held.cost(0, 4) == pytest.approx(0.12)
    _left_by_the_cloud(world, state, work)
    runs.note_cost(state, work, Timing(compute=0.03))
    assert held.cost(4, 5) == pytest.approx(0.03)
    assert held.cost(0, 4) == pytest.approx(0.0, abs=0.12), "what the stage takes is not mixed up with it"
    assert runs.cost(state, work) == held.cost(4, 5), "of what runs now"


def test_a_smaller_models_run_costs_what_that_model_takes(world, state, work) -> None:
    other = dataclasses.replace(world.book("local"), model="small")
    world.deploy(state, book=other)
    small = EpochKey("small", 1)
    state.epochs[small].note_cost(0, 5, 0.005)
    state.epochs[work.epoch].note_cost(0, 4, 0.5)
    work.phase, work.smaller = "smaller", small
    assert runs.cost(state, work) == pytest.approx(0.005)
    runs.note_cost(state, work, Timing(compute=0.02))
    assert state.epochs[small].runs == 1
    assert state.epochs[work.epoch].cost(0, 4) == pytest.approx(0.5), (
        "it says nothing of the model that was asked for"
    )
    work.original = work.asked.tensors or (world.tensor("x"),)
    run = runs.whole(state, work, small, work.terms)
    assert (run.fresh, run.epoch, run.cost) == (True, small, state.epochs[small].cost(0, 4))
