"""What an agent tells of its stages: medians of requests that were alone, bounded, each told once."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from device_agents.machine import stages, step
from device_agents.machine.commands import RunSegment
from device_agents.machine.events import EpochKey, SegmentDone, StageLost, Timing
from device_agents.machine.state import validate

KEY = (EpochKey("net", 1), "local", 0, 5)


def answered(world, state, request_id: str, seconds: float, page: str = "local") -> None:
    run = world.only(world.ask(state, request_id=request_id, page=page), RunSegment)
    timing = Timing(queue=9.0, decode=0.001, compute=seconds, encode=0.002)
    outputs = (world.tensor("y@scores", "float32", (1, 5)), world.tensor("y@indices", "int64", (1, 5)))
    step(state, SegmentDone(run.work, 1, outputs=outputs, timing=timing), seconds + 0.1)


def test_the_median_and_spread_of_work_without_the_queue_told_once(world) -> None:
    state = world.agent()
    for number, seconds in enumerate((0.010, 0.012, 0.014, 0.5)):
        answered(world, state, f"r{number}", seconds)
    (report,) = stages.reports(state.stages)
    assert (report.model, report.epoch, report.page, report.first, report.last) == ("net", 1, "local", 0, 5)
    assert report.count == 4
    assert report.median == pytest.approx(0.016), "decode, compute and encode"
    assert report.total == pytest.approx(0.113)
    assert stages.reports(state.stages) == (), "nothing is new"
    answered(world, state, "r9", 0.010)
    assert [one.count for one in stages.reports(state.stages)] == [5]


def test_requests_that_share_the_device_do_not_count(world) -> None:
    state = world.agent()
    runs = [world.only(world.ask(state, request_id=name, page="local"), RunSegment) for name in ("r1", "r2")]
    for run in runs:
        step(state, SegmentDone(run.work, 1), 0.2)
    assert stages.reports(state.stages) == ()
    answered(world, state, "r3", 0.01)
    assert [one.count for one in stages.reports(state.stages)] == [1]


def test_a_request_during_a_measurement_or_by_another_way_does_not_count(world) -> None:
    state = world.agent()
    state.measuring = 1
    answered(world, state, "r1", 0.01)
    state.measuring = 0
    run = world.only(world.ask(state, request_id="r2", page="cut-4"), RunSegment)
    step(state, SegmentDone(run.work, 1, forward=(world.tensor("mid", "float32", (1, 8)),)), 0.1)
    again = world.only(step(state, StageLost(run.work, "the link is gone"), 0.2), RunSegment)
    step(state, SegmentDone(again.work, again.run), 0.3)
    assert stages.reports(state.stages) == ()
    assert state.served == 2


def test_stages_and_requests_of_each_are_bounded(world) -> None:
    kept: stages.Stages = OrderedDict()
    for last in range(stages.MAX_STAGES + 5):
        stages.note(kept, (*KEY[:3], last), 0.01, 0.02, 0.0)
    assert len(kept) == stages.MAX_STAGES
    assert (*KEY[:3], 0) not in kept, "the oldest goes first"
    for _ in range(100):
        stages.note(kept, KEY, 0.01, 0.02, 0.0)
    assert len(kept[KEY].busy) == stages.WINDOW
    state = world.agent()
    state.stages = kept
    validate(state)


def test_spread_is_half_of_the_interquartile_range() -> None:
    kept: stages.Stages = OrderedDict()
    for seconds in (1.0, 2.0, 3.0, 4.0, 5.0):
        stages.note(kept, KEY, seconds, seconds, 0.0)
    (report,) = stages.reports(kept)
    assert (report.median, report.spread) == (3.0, 1.0)


def test_the_quickest_of_the_last_requests_is_known_when_they_are_enough_and_new() -> None:
    kept: stages.Stages = OrderedDict()
    for seconds in range(7):
        stages.note(kept, KEY, 1.0 + seconds, 9.0, 100.0)
    assert stages.quickest(kept, KEY, 100.0) == 0.0
    stages.note(kept, KEY, 0.5, 9.0, 100.0)
    assert stages.quickest(kept, KEY, 105.0) == 0.5
    assert stages.quickest(kept, KEY, 111.0) == 0.0
