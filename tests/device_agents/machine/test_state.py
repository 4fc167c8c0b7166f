"""What an agent knows, as it is told."""

from __future__ import annotations

import pytest

from device_agents.machine import step
from device_agents.machine.commands import RunSegment
from device_agents.machine.events import SegmentDone, Timing
from device_agents.machine.state import load_reports


def test_load_is_told_by_epoch_when_there_is_news_and_of_a_batch_each_its_share(world) -> None:
    state = world.agent()
    assert load_reports(state) == ()
    for number, batch in enumerate((0, 4)):
        run = world.only(world.ask(state, request_id=f"r{number}", page="local"), RunSegment)
        step(state, SegmentDone(run.work, run.run, Timing(0.5, 0.01, 0.04, 0.0, batch)), 0.1)
    [told] = load_reports(state)
    assert (told.model, told.epoch, told.runs) == ("net", 1, 2)
    assert told.busy == pytest.approx(0.05 + 0.02)
    assert load_reports(state) == (), "nothing new"
