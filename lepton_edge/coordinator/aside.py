"""Replans beside the one deployment that measures: planned by as many workers as there are, prepared by their devices.

Law: pure. What is planned anew by itself steps aside once nothing is left to measure, at most `MOST` at a time and
one a board, so that neither a long plan nor a slow board keeps another one waiting. Until it is active or came to
nothing, answers about it are decided with it in the place of the deployment that runs. What a person asks for goes
first, as ever, and is never put aside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from lepton_edge.coordinator.adaptation import Target
from lepton_edge.coordinator.records import JobId
from lepton_edge.coordinator.state import ADAPT, Deployment, State
from partitioner.units import DeviceId

MOST = 8


def step_aside(state: State, run: Deployment) -> bool:
    """Let a deployment be planned or prepared beside others, where it may be; return whether another may run now."""
    if run.goal != ADAPT or run.back or state.aside.get(run.target) is run:
        return False
    if not (run.waiting or run.job) or len(state.aside) >= MOST:
        return False
    state.aside[run.target] = run
    state.running = None
    return True


def may_begin(state: State, target: Target) -> bool:
    """Return whether a target may be planned anew beside those that are under way: none of these is of its board."""
    boards = {run.board for run in state.aside.values()}
    return len(state.aside) < MOST and target not in state.aside and target[1] not in boards


def users(state: State, cloud: DeviceId) -> int:
    """Return how many of those that are under way move a board onto, on or off a cloud."""
    return sum(cloud in _clouds(state, run) for run in state.aside.values())


def _clouds(state: State, run: Deployment) -> set[DeviceId]:
    records = (run.record, state.active_epoch(*run.target))
    held = {
        hold.device for one in records if one is not None for hold in one.holds if hold.device != run.board
    }
    return held | ({run.cloud} if run.cloud else set())


def owner(state: State, command: str) -> Deployment | None:
    """Return the one of those that are under way which waits for a command."""
    return next((run for run in state.aside.values() if command in run.waiting), None)


def planned_by(state: State, job: JobId) -> Deployment | None:
    """Return the one of those that are under way which a job of a worker is for."""
    return next((run for run in state.aside.values() if run.job == job), None)


@contextmanager
def turned_to(state: State, run: Deployment | None) -> Iterator[None]:
    """Decide meanwhile with `run` as the deployment that runs, if it is one of those; nothing else begins."""
    if run is None:
        yield
        return
    others = state.running, state.waiting
    state.running, state.waiting = run, deque()
    yield
    if state.running is not run:  # it is over
        for target in [target for target, one in state.aside.items() if one is run]:
            del state.aside[target]
    state.running, state.waiting = others
