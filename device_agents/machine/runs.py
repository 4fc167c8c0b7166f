"""What this device computes for a request: its own stage, the rest of the model, a smaller model.

Law: pure; makes `RunSegment`s and counts them. Whatever ran before under another count no longer matters.
"""

from __future__ import annotations

from device_agents.machine.commands import RunSegment
from device_agents.machine.events import EpochKey, Timing
from device_agents.machine.state import State, Work
from device_agents.machine.terms import Terms
from lepton_edge.core.frames import WireTensor


def stage(state: State, work: Work, tensors: tuple[WireTensor, ...]) -> RunSegment:
    """Run the work's own stage, on what came in, or (`tensors` empty) on what was kept of the run before."""
    terms, route = work.terms, work.terms.route
    return RunSegment(
        work.key,
        work.run,
        work.epoch,
        route.first,
        route.last,
        tensors=tensors,
        forward=route.forward,
        outputs=terms.here,
        keep=terms.keep,
        priority=work.asked.priority,
        flow=work.flow,
        cost=state.epochs[work.epoch].cost(route.first, route.last),
    )


def rest(state: State, work: Work) -> RunSegment:
    """Run all that comes after the work's stage, from what was kept of it, or passed on as it came."""
    first, last = work.route.last, blocks(state, work)
    return RunSegment(
        work.key,
        work.run,
        work.epoch,
        first,
        last,
        tensors=work.given,
        outputs=work.terms.beyond,
        priority=work.asked.priority,
        flow=work.flow,
        cost=state.epochs[work.epoch].cost(first, last),
    )


def whole(state: State, work: Work, epoch: EpochKey, terms: Terms) -> RunSegment:
    """Run all of another model, on what the caller gave."""
    return RunSegment(
        work.key,
        work.run,
        epoch,
        terms.route.first,
        terms.route.last,
        tensors=terms.tensors(work.asked.carrying(work.original)),
        outputs=terms.wanted,
        priority=work.asked.priority,
        flow=work.flow,
        cost=state.epochs[epoch].cost(terms.route.first, terms.route.last),
        fresh=True,
    )


def blocks(state: State, work: Work) -> int:
    """Return how many blocks the work's model has."""
    return len(state.epochs[work.epoch].book.blocks)


def cost(state: State, work: Work) -> float:
    """Return the seconds that what runs here for a work takes of late, all of it."""
    loaded = state.epochs[work.runs_on]
    return loaded.cost(*(_ends(state, work) if work.phase != "smaller" else (0, len(loaded.book.blocks))))


def note_cost(state: State, work: Work, spent: Timing) -> None:
    """Note what a run cost: of what was computed together, its share. A smaller model's run is not its stage."""
    seconds = spent.decode + spent.compute / max(1, spent.batch) + spent.encode
    loaded = state.epochs[work.runs_on]
    loaded.busy, loaded.runs = loaded.busy + seconds, loaded.runs + 1
    if work.phase == "smaller":
        return
    state.epochs[work.epoch].note_cost(*_ends(state, work), seconds)


def _ends(state: State, work: Work) -> tuple[int, int]:
    """Return which blocks [first, last) of its own model run here for a work."""
    first, last = work.route.first, work.route.last
    return (last, blocks(state, work)) if work.phase == "fallback" else (first, last)
