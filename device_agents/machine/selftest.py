"""A synthetic inference of a stage, so that who asks knows that this device computes it, not only that it answers.

Law: pure. Zeros go in, yes or no comes out. What computed a request within the last minute needs no other proof; one
run at a time serves all that ask of a stage. It is no request: it has nobody's place and no figure in any report.
"""

from __future__ import annotations

import math

from device_agents.machine.commands import Command, Release, RunSegment
from device_agents.machine.events import LinkId, SegmentDone, SegmentFailed, WorkKey
from device_agents.machine.failures import as_wire
from device_agents.machine.memory import Asker, SelfTest
from device_agents.machine.state import EpochState, State
from device_agents.machine.terms import Terms
from lepton_edge.core.errors import Overloaded, StaleEpoch
from lepton_edge.core.frames import Frame, WireTensor
from partitioner.codecs import DTYPE_BYTES, RAW
from partitioner.plan import Frontier
from partitioner.units import RequestId, Seconds

FRESH = Seconds(60.0)
MAX_TESTS = 8
MAX_ASKERS = 64
"""Who waits for the end of one."""
LARGEST = 16 << 20
"""Bytes of zeros."""


def asked(state: State, held: EpochState, one: Asker, now: float) -> list[Command]:
    """Say yes where the stage computed of late, or cannot be tried; else try it, and say then.

    Raises:
        CorruptFrame, Unavailable: it is no stage that this device runs.
        Overloaded: too many wait.
    """
    zeros = _zeros(held.book.frontiers[one.frame.first_block])
    if zeros is None:
        return [one.yes()]
    frame = one.frame.but(tensors=zeros)
    terms = held.terms.stage(state.device, frame)
    run = terms.route.first, terms.route.last
    if now - held.memory.ran.get(run, -math.inf) <= FRESH:
        return [one.yes()]
    running = next((test for test in state.tests.values() if (test.key, test.run) == (held.key, run)), None)
    if len(state.tests) >= MAX_TESTS if running is None else len(running.askers) >= MAX_ASKERS:
        raise Overloaded(f"{state.device} proves to many others that it computes", "ask again")
    if running is not None:
        running.askers.append(one)
        return []
    return [_begun(state, held, one, terms, frame)]


def ended(state: State, event: SegmentDone | SegmentFailed, now: float) -> list[Command]:
    """Tell who waits how it ended."""
    test = state.tests.pop(event.work)
    if isinstance(event, SegmentFailed):
        return [Release(event.work), *(one.no(event.error, state.device) for one in test.askers)]
    state.epochs[test.key].memory.ran[test.run] = now
    return [Release(event.work), *(one.yes() for one in test.askers)]


def closed(state: State, held: EpochState) -> list[Command]:
    """Give up what is tried of an epoch that is closed."""
    gone = StaleEpoch(f"epoch {held.key.epoch} of {held.key.model} is retired on {state.device}", "try again")
    commands: list[Command] = []
    for work in [work for work, test in state.tests.items() if test.key == held.key]:
        askers = state.tests.pop(work).askers
        commands.append(Release(work))
        commands += [one.no(as_wire(gone, state.device), state.device) for one in askers]
    return commands


def gone(state: State, link: LinkId, request_id: str = "") -> None:
    """Forget those who asked on a link that is closed, or one that does not want to know any more."""
    for test in state.tests.values():
        test.askers = [
            one
            for one in test.askers
            if one.link != link or (request_id and one.frame.request_id != request_id)
        ]


def _begun(state: State, held: EpochState, one: Asker, terms: Terms, frame: Frame) -> RunSegment:
    state.tested += 1
    name = RequestId(f"selftest-{state.device}-{state.tested}")
    work = WorkKey(name, 0, 0, held.key.epoch, frame.page, frame.first_block)
    run = terms.route.first, terms.route.last
    state.tests[work] = SelfTest(held.key, run, [one])
    return RunSegment(
        work,
        1,
        held.key,
        *run,
        tensors=terms.tensors(frame),
        forward=terms.route.forward,
        outputs=terms.here,
        flow="selftest",
        cost=held.cost(*run),
    )


def _zeros(frontier: Frontier) -> tuple[WireTensor, ...] | None:
    """Return a frontier of zeros; None where its sizes are not known before, or too large to be made up."""
    made: list[WireTensor] = []
    left = LARGEST
    for spec in frontier.tensors:
        shape = tuple(dim for dim in spec.shape if isinstance(dim, int))
        if len(shape) < len(spec.shape) or spec.dtype not in DTYPE_BYTES:
            return None
        size = math.prod(shape) * DTYPE_BYTES[spec.dtype]
        left -= size
        if left < 0:
            return None
        made.append(WireTensor(spec.name, spec.dtype, shape, RAW.name, bytes(size)))
    return tuple(made)
