"""The life of a request: accepted, run here, run there, answered once.

Law: pure. A request ends by `_end`, and by nothing else. The ladder of a failed stage, in this first form:
the rest of the blocks here, from what this entry still has; else a typed, retryable error.

    (waiting ──one before it ended──>) local ──SegmentDone──> remote ──StageReplied──> answered
       │                                 │                       ├──StageLost, ERROR, patience──> fallback
       └── superseded                    └── last stage: answered     (a late reply still wins)   └──> answered
"""

from __future__ import annotations

from device_agents.machine import answers, links
from device_agents.machine.commands import CancelStage, Command, RunSegment, SendStage, SetTimer
from device_agents.machine.door import is_answer
from device_agents.machine.events import (
    CancelArrived,
    LinkId,
    SegmentDone,
    SegmentFailed,
    StageLost,
    StageReplied,
    TimerFired,
    Timing,
    WorkKey,
)
from device_agents.machine.failures import CANCELLED, GONE, as_wire
from device_agents.machine.state import State, Work
from lepton_edge.core.errors import DeadlineExceeded, Superseded, Unavailable
from lepton_edge.core.frames import Frame, FrameKind, WireError, WireTensor
from partitioner.units import Bytes, Seconds

PATIENCE = 4.0
"""How many times its predicted time a remote stage may take before the entry answers by itself."""
PATIENCE_OF_LATE = 2.0
"""How many times what it took of late it may take: a far side that is busy with others is not gone, and to answer here
instead makes this device busier yet."""
PATIENCE_MOST = Seconds(10.0)
"""What was slow of late is waited for so long at most; a link that is dead is found out before."""
PATIENCE_FLOOR = Seconds(1.0)
"""Below this a remote stage is never called late: one lost packet on a slow link costs as much."""
WAY_HOME = 0.1
"""What part of a deadline's rest is kept for the answer's way home when the far side is given up."""
LIFETIME = Seconds(600.0)
"""A request without a deadline ends after this, so that nothing ever hangs."""
_NO_ANSWER = WireError(
    "protocol_error",
    "what came is neither the tensors that were asked for nor an error",
    "do both devices run the same release?",
    retryable=True,
)


def begin(state: State, work: Work, tensors: tuple[WireTensor, ...], now: float) -> list[Command]:
    """Start accepted work, or let it wait in its line; its deadline runs in either case."""
    state.works[work.key] = work
    state.room.enter(work.flow, work.size)
    deadline = SetTimer(work.key, "deadline", Seconds(max(0.0, work.deadline - now)))
    rule = work.terms.line
    if work.line is None or rule is None or state.lines.enter(work.line, work.key, rule):
        return [deadline, *_start(state, work, tensors, now)]
    work.phase, work.given = "waiting", tensors
    return [deadline]


def follow(state: State, now: float) -> list[Command]:
    """Start what waited in a line for something that has ended."""
    commands: list[Command] = []
    while state.following:
        work = state.works.get(state.following.popleft())
        if work is not None:  # not ended in the same step
            tensors, work.given, work.phase = work.given, (), "local"
            work.timing += Timing(queue=now - work.arrived)
            commands += _start(state, work, tensors, now)
    return commands


def supersede(state: State, key: WorkKey, now: float) -> list[Command]:
    """End work that waits, since newer work takes its place."""
    work = state.works[key]
    gone = Superseded(
        f"a newer request for {work.epoch.model} took its place after {(now - work.arrived) * 1e3:.0f} ms in the queue",
        "take the newer answer; the queue policy of the model says so",
    )
    return answers.fail(state, work, as_wire(gone, state.device), now)


def _start(state: State, work: Work, tensors: tuple[WireTensor, ...], now: float) -> list[Command]:
    """Run the first blocks, or send on where there are none to run."""
    work.begun = now
    _note_company(state, work)
    if not work.terms.passes:
        return [_first_run(state, work, tensors)]
    work.given = tensors if work.terms.keep else ()
    return _send(state, work, tensors, now)


def _note_company(state: State, work: Work) -> None:
    """Two requests at a time share the device: neither tells how fast it is."""
    others = len(state.works) - state.lines.waits - 1
    if not others:
        return
    work.alone = False
    if others == 1:  # of two, both know already
        for other in state.works.values():
            other.alone = other.alone and (other.phase == "waiting" or other is work)


def segment_done(state: State, event: SegmentDone, now: float) -> list[Command]:
    """Go on after a run of blocks: to the next stage, or to the answer."""
    work = state.works.get(event.work)
    if work is None or event.run != work.run or work.phase == "remote":
        return []
    _note_cost(state, work, event.timing)
    work.timing += event.timing
    work.outputs += event.outputs
    if work.phase == "local" and work.route.peer:
        return _send(state, work, event.forward, now)
    return answers.reply(state, work, now) + _cancel_remote(work)


def _note_cost(state: State, work: Work, spent: Timing) -> None:
    """Note what a run cost: of what was computed together, its share."""
    seconds = spent.decode + spent.compute / max(1, spent.batch) + spent.encode
    first, last = work.route.first, work.route.last
    ends = (last, _blocks(state, work)) if work.phase == "fallback" else (first, last)
    state.epochs[work.epoch].note_cost(*ends, seconds)


def segment_failed(state: State, event: SegmentFailed, now: float) -> list[Command]:
    """End work that the engine refused."""
    work = state.works.get(event.work)
    if work is None or event.run != work.run or work.phase == "remote":
        return []
    return answers.fail(state, work, event.error, now) + _cancel_remote(work)


def stage_replied(state: State, event: StageReplied, now: float) -> list[Command]:
    """Take the far side's answer; while a fallback runs, only a good one counts, and it wins."""
    work = state.works.get(event.work)
    if work is None or work.phase in ("waiting", "local"):
        return []
    work.asked_far = False
    if event.frame.kind is FrameKind.REPLY and is_answer(work.terms.due, event.frame.tensors):
        return _remote_answer(state, work, event.frame, now)
    if work.phase == "fallback":
        return []
    error = event.frame.error or _NO_ANSWER
    if error.fault in ("caller", "model") and not error.retryable:
        return answers.fail(state, work, error, now)
    return _fall_back(state, work, f"{work.route.peer} answered {error.code}: {error.message}", now, error)


def stage_lost(state: State, event: StageLost, now: float) -> list[Command]:
    """Answer from here when the next stage is gone."""
    work = state.works.get(event.work)
    if work is None or work.phase in ("waiting", "local"):
        return []
    work.asked_far = False
    return _fall_back(state, work, event.reason, now) if work.phase == "remote" else []


def timer_fired(state: State, event: TimerFired, now: float) -> list[Command]:
    """End a request whose deadline passed; stop waiting for a late stage."""
    work = state.works.get(event.work)
    if work is None:
        return []
    if event.timer == "deadline":
        late = DeadlineExceeded(f"the deadline passed after {now - work.arrived:.3f} s", "allow more time")
        return answers.fail(state, work, as_wire(late, state.device), now) + _cancel_remote(work)
    if work.phase != "remote":
        return []
    waited = now - work.sent_at
    if not state.epochs[work.epoch].holds(work.route.last, _blocks(state, work)):
        return []  # nobody else can answer: the deadline bounds the wait
    state.epochs[work.epoch].note_far(work.page, waited)
    return _fall_back(state, work, f"{work.route.peer} did not answer within {waited:.2f} s", now)


def cancelled(state: State, event: CancelArrived, now: float) -> list[Command]:
    """Free the work of a request that its caller gave up."""
    given_up = event.link, event.request_id, event.attempt
    found = [
        work
        for work in state.works.values()
        if (work.link, work.key.request_id, work.key.attempt) == given_up
    ]
    return [command for work in found for command in _drop(state, work, CANCELLED, now)]


def link_closed(state: State, link: LinkId, now: float) -> list[Command]:
    """Free the work of callers that are gone."""
    found = [work for work in state.works.values() if work.link == link]
    return [command for work in found for command in _drop(state, work, GONE, now)]


def end_all(state: State, works: list[Work], error: WireError, now: float) -> list[Command]:
    """Fail every one of `works`."""
    return [
        command
        for work in works
        for command in [*answers.fail(state, work, error, now), *_cancel_remote(work)]
    ]


def _drop(state: State, work: Work, error: WireError, now: float) -> list[Command]:
    commands = answers.fail(state, work, error, now) + _cancel_remote(work)
    answers.forget(state, work.key)
    return commands


def _first_run(state: State, work: Work, tensors: tuple[WireTensor, ...]) -> RunSegment:
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


def _last_run(state: State, work: Work) -> RunSegment:
    """Run the rest here, from what was kept of the first run, or passed on as it came."""
    first, last = work.route.last, _blocks(state, work)
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


def _send(state: State, work: Work, forward: tuple[WireTensor, ...], now: float) -> list[Command]:
    """Send the frontier on, unless nobody is there or no time is left."""
    work.phase = "remote"
    if work.route.peer not in state.peers_up:
        return _fall_back(state, work, f"there is no link to {work.route.peer}", now)
    work.sent_at, work.asked_far = now, True
    work.bytes_out = sum([len(tensor.payload) for tensor in forward])
    patience = SetTimer(work.key, "patience", _patience(state, work, now))
    return [SendStage(work.key, work.route.peer, _stage_frame(state, work, forward, now)), patience]


def _stage_frame(state: State, work: Work, forward: tuple[WireTensor, ...], now: float) -> Frame:
    asked = work.asked
    bounded = asked.remaining_ms > 0
    return Frame(
        FrameKind.REQUEST,
        asked.request_id,
        model=work.epoch.model,
        epoch=work.epoch.epoch,
        page=work.page,
        first_block=work.route.last,
        step=asked.step,
        attempt=asked.attempt,
        priority=asked.priority,
        remaining_ms=max(1, round((work.deadline - now) * 1e3)) if bounded else 0,
        state_position=asked.state_position,
        tensors=forward,
        traceparent=asked.traceparent,
        metadata=asked.metadata,
        outputs=work.terms.beyond,
        flow=f"{state.device}/{work.flow}" if work.entry else work.flow,
    )


def _patience(state: State, work: Work, now: float) -> Seconds:
    """Return how long to wait for the far side.

    What is predicted, or what the link as it is now takes or the far side took of late where that is longer, with
    room, within what the deadline allows.
    """
    late = min(PATIENCE_OF_LATE * state.epochs[work.epoch].far.get(work.page, 0.0), PATIENCE_MOST)
    link = links.seconds(state, work.route.peer, Bytes(work.bytes_out), Bytes(0)) or 0.0
    patience = max(PATIENCE * max(work.terms.far, link), late, PATIENCE_FLOOR)
    if not work.asked.remaining_ms:
        return Seconds(patience)
    spare = (work.deadline - now) * (1 - WAY_HOME) - work.terms.near
    return Seconds(min(patience, spare) if spare > 0 else patience)


def _fall_back(
    state: State, work: Work, reason: str, now: float, error: WireError | None = None
) -> list[Command]:
    held = state.epochs[work.epoch]
    last = _blocks(state, work)
    if not work.entry or not held.holds(work.route.last, last):
        gone = Unavailable(reason, "try again; this device does not hold the rest of the model")
        return answers.fail(state, work, error or as_wire(gone, state.device), now)
    work.phase = "fallback"
    work.run += 1
    work.reason = f"fallback: {reason}"
    return [_last_run(state, work)]


def _remote_answer(state: State, work: Work, frame: Frame, now: float) -> list[Command]:
    """Add the far side's outputs and hops; its own total is what is not network."""
    far = frame.hops[0].total if frame.hops else 0.0
    state.epochs[work.epoch].note_far(work.page, now - work.sent_at)
    work.network = max(0.0, now - work.sent_at - far)
    work.bytes_in = sum(len(tensor.payload) for tensor in frame.tensors)
    work.hops = frame.hops
    work.outputs += frame.tensors
    if work.phase == "fallback":
        work.phase, work.reason = "remote", "answered late, before the fallback"
    return answers.reply(state, work, now)


def _cancel_remote(work: Work) -> list[Command]:
    """Tell the far side, where it may still work for us."""
    if not work.asked_far:
        return []
    frame = Frame(
        FrameKind.CANCEL,
        work.asked.request_id,
        model=work.epoch.model,
        epoch=work.epoch.epoch,
        attempt=work.asked.attempt,
    )
    return [CancelStage(work.key, work.route.peer, frame)]


def _blocks(state: State, work: Work) -> int:
    return len(state.epochs[work.epoch].book.blocks)
