"""What time alone gives cause for: leases and deadlines that pass, plans that are looked at, what is tried again.

Law: pure; times come in. `PARTS` are independent of each other, so that one that fails keeps no other from being done.
"""

from __future__ import annotations

from collections.abc import Callable

from lepton_edge.coordinator import (
    adapting,
    aside,
    canary,
    causes,
    deployments,
    drift,
    epochs,
    judging,
    loads,
    losing,
    operations,
    pressure,
    pulse,
    registry,
    waves,
)
from lepton_edge.coordinator.commands import Command
from lepton_edge.coordinator.losing import OF_DEPLOYMENT
from lepton_edge.coordinator.state import Moment, Pending, State
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import Outcome
from partitioner.units import Seconds

FORGET_EVERY = Seconds(2.0)  # looking through all of it takes milliseconds where there are thousands


def leases(state: State, at: Moment) -> list[Command]:
    """Notice who was not heard for a lease."""
    registry.stood_still(state, at.now)
    return losing.silent(state, registry.silent(state, at.now), at)


def deadlines(state: State, at: Moment) -> list[Command]:
    """Go on without what was not answered in time."""
    said: list[Command] = []
    for pending in [p for p in state.pending.values() if p.deadline < at.now]:
        if pending.command in state.pending:  # an overdue one before it may have ended its deployment
            said += _overdue(state, pending, at)
    return said


def forget(state: State, at: Moment) -> list[Command]:
    """Forget what is over, and tell agents how often to be heard."""
    if at.now - state.forgot_at >= FORGET_EVERY:
        state.forgot_at = at.now
        drift.forget(state)
        loads.forget(state, at.now)
        waves.forget(state, at.now)
    return pulse.adjust(state, at)


def returned(state: State, at: Moment) -> list[Command]:
    """Try again to bring back what devices could not be given before."""
    said: list[Command] = []
    for device in state.connected():
        if device.retry_at is not None and device.retry_at <= at.now:
            said += epochs.restore(state, device, at)
    return said


def plans(state: State, at: Moment) -> list[Command]:
    """Judge what was planned anew, and plan anew what gives cause for it: what measures, one thing at a time."""
    said = [*judging.judge(state, at), *canary.judge(state, at)]
    pressure.look(state, causes.look(state, at), at)
    if state.running is not None or state.superseded:
        return said
    back = judging.to_go_back(state, at)
    if back is not None:
        return [*said, back[1], *deployments.go_back(state, back[0], at.now)]
    proven = canary.to_promote(state, at)
    if proven is not None:
        return [*said, proven[1], *deployments.go_back(state, proven[0], at.now)]
    return said + _replans(state, at)


def _replans(state: State, at: Moment) -> list[Command]:
    """Begin what is due, as many as there is room for: else each would take a look's pause."""
    said: list[Command] = []
    for _ in range(aside.MOST):
        replan = adapting.next_replan(state, at)
        if replan is None:
            break
        said += adapting.give_way(state, replan, at) + deployments.begin(state, replan, at.now)
    return said


def _overdue(state: State, pending: Pending, at: Moment) -> list[Command]:
    if pending.kind in OF_DEPLOYMENT:
        with aside.turned_to(state, aside.owner(state, pending.command)):
            return deployments.overdue(state, pending, at.now)
    state.pending.pop(pending.command)
    late = WireError("prepare_failed", f"{pending.device} did not answer in time ({pending.kind})")
    return epochs.answered(state, pending, Outcome(pending.command, late), at)


def awaited(state: State, at: Moment) -> list[Command]:
    """Go on with what waited for agents to come back after a start."""
    return deployments.look_again(state, at)


PARTS: dict[str, Callable[[State, Moment], list[Command]]] = {
    "leases": leases,
    "deadlines": deadlines,
    "forgetting": forget,
    "awaited": awaited,
    "plans": plans,
    "returned": returned,
    "drains": operations.advance,
}
"""In this order. Where all of it at once cannot be written down, each is decided alone."""
