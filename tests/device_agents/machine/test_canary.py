"""A new version that a share of the requests tries."""

from __future__ import annotations

import dataclasses

import pytest

from device_agents.machine import canary, step
from device_agents.machine.commands import Fail, Reply, RunSegment
from device_agents.machine.events import (
    CoordinatorSaid,
    SegmentDone,
    SegmentFailed,
    Timing,
)
from device_agents.machine.state import validate
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import Activate, Drain, Retire

BROKEN = WireError("compute_failed", "NaN", fault="device")


@pytest.fixture
def tried(world):
    """A board alone with epoch 1 active and epoch 2, of another version, on trial by 30 % of the requests."""
    state = world.agent(book=_local(world, "v1"))
    world.deploy(state, epoch=2, book=_local(world, "v2"), share=0.3)
    validate(state)
    return state


def _local(world, version):
    book = world.book("local")
    return dataclasses.replace(book, version=version, pages=book.pages[:1])


def _epoch_of(world, state, name, **fields):
    run = world.only(world.ask(state, request_id=name, **fields), RunSegment)
    return run.epoch.epoch


def _end(state, name, error=None, attempt=0, now=0.25):
    work = next(key for key in state.works if key.request_id == name)
    if error:
        return step(state, SegmentFailed(work, 1, error), now)
    return step(state, SegmentDone(work, 1, Timing(compute=0.2)), now)


def test_about_a_share_of_the_requests_tries_it_and_the_same_ones_each_time(world, tried):
    epochs = {}
    for index in range(400):
        epochs[f"r{index}"] = _epoch_of(world, tried, f"r{index}")
        _end(tried, f"r{index}")
    assert 80 < sum(epoch == 2 for epoch in epochs.values()) < 160
    other = {name: _epoch_of(world, tried, f"{name}", step=1) for name in list(epochs)[:50]}
    assert other == {name: epochs[name] for name in other}
    validate(tried)


def test_a_page_that_only_the_old_version_has_is_run_on_the_old_one(world):
    state = world.agent(book=world.book("cloud-encoded"))
    pages = tuple(page for page in world.book("cloud-encoded").pages if page.name != "cut-4")
    book = dataclasses.replace(world.book("cloud-encoded"), version="v2", pages=pages)
    world.deploy(state, epoch=2, book=book, share=0.5)
    for index in range(40):
        assert _epoch_of(world, state, f"r{index}", page="cut-4") == 1
        _end(state, f"r{index}", BROKEN)
    assert {_epoch_of(world, state, f"s{index}", page="local") for index in range(20)} == {1, 2}


def test_how_requests_fare_is_told_of_either(world, tried):
    names = {1: _named(tried, False), 2: _named(tried, True)}
    for epoch, name in names.items():
        assert _epoch_of(world, tried, name) == epoch
    _end(tried, names[1], now=0.25)
    _end(tried, names[2], BROKEN)
    told = {report.epoch: report for report in canary.reports(tried)}
    assert (told[1].answered, told[1].failed, told[1].mean, told[1].slow) == (1, 0, 0.25, 0.25)
    assert (told[2].answered, told[2].failed) == (0, 1)


def _named(state, tries):
    """Return the name of a request that tries the new version, or does not."""
    held = state.canary("net")
    return next(f"r{i}" for i in range(1000) if (canary._place(f"r{i}") < held.share) == tries)


def test_who_fails_on_it_is_asked_to_try_again_and_meets_the_old_one(world, tried):
    name = _named(tried, True)
    assert _epoch_of(world, tried, name) == 2
    error = world.only(_end(tried, name, BROKEN), Fail).frame.error
    assert (error.code, error.retryable) == ("unavailable", True)
    assert _epoch_of(world, tried, name, attempt=1) == 1


def test_the_callers_fault_is_told_as_it_is(world, tried):
    name = _named(tried, True)
    _epoch_of(world, tried, name)
    bad = WireError("invalid_input", "no picture", fault="caller")
    assert world.only(_end(tried, name, bad), Fail).frame.error.code == "invalid_input"
    assert canary.reports(tried) == ()


def test_promoted_everybody_takes_it(world, tried):
    step(tried, CoordinatorSaid(Activate("b", "net", 2)), 0.0)
    assert {_epoch_of(world, tried, f"r{index}") for index in range(20)} == {2}
    assert tried.canaries == {}
    validate(tried)


@pytest.mark.parametrize("command", [Drain, Retire])
def test_called_off_everybody_takes_the_old_one_and_who_began_ends_on_it(world, tried, command):
    name = _named(tried, True)
    assert _epoch_of(world, tried, name) == 2
    step(tried, CoordinatorSaid(command("d", "net", 2)), 0.0)
    assert {_epoch_of(world, tried, f"s{index}") for index in range(20)} == {1}
    assert world.only(_end(tried, name), Reply).epoch.epoch == 2
    validate(tried)


def test_one_is_tried_at_a_time(world, tried):
    world.deploy(tried, epoch=3, book=_local(world, "v3"), share=0.5)
    epochs = [_epoch_of(world, tried, f"r{index}") for index in range(100)]
    assert set(epochs) == {1, 3}
