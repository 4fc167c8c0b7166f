"""Replans that their devices prepare, beside the one deployment that measures and plans: a slow board keeps no other.

Law: pure. What was planned by itself steps aside once its devices are told to prepare it, at most `MOST` at a time and
one a board; until it is active or came to nothing, answers about it are decided with it in the place of the deployment
that runs. What a person asks for goes first, as ever, and is never put aside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from lepton_edge.coordinator.adaptation import Target
from lepton_edge.coordinator.state import ADAPT, Deployment, State
from partitioner.units import DeviceId

MOST = 8


def step_aside(state: State, run: Deployment) -> bool:
    """Let a deployment be prepared beside others, where it may be; return whether it is."""
    if run.goal != ADAPT or run.back or not run.waiting or len(state.aside) >= MOST:
        return False
    state.aside[run.target] = run
    state.running = None
    return True


def may_begin(state: State, target: Target) -> bool:
    """Return whether a target may be planned anew beside those that are prepared: none of these is of its board."""
    boards = {run.board for run in state.aside.values()}
    return len(state.aside) < MOST and target not in state.aside and target[1] not in boards


def users(state: State, cloud: DeviceId) -> int:
    """Return how many of those that are prepared move a board onto, on or off a cloud."""
    return sum(cloud in _clouds(state, run) for run in state.aside.values())


def _clouds(state: State, run: Deployment) -> set[DeviceId]:
    records = (run.record, state.active_epoch(*run.target))
    return {
        hold.device for one in records if one is not None for hold in one.holds if hold.device != run.board
    }


def owner(state: State, command: str) -> Deployment | None:
    """Return the one of those that are prepared which waits for a command."""
    return next((run for run in state.aside.values() if command in run.waiting), None)


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
