"""The life of a request: accepted, run here, run there, answered once.

Law: pure. A request ends by `answers`, and by nothing else; who answers where a far side fails is `ladder`'s matter.

    (waiting ──one before it ended──>) local ──SegmentDone──> remote ──StageReplied──> answered
       │                                 │                       ├──StageLost, ERROR, patience──> a rung of the ladder
       └── superseded                    └── last stage: answered     (a late reply still wins)   └──> answered
"""

from __future__ import annotations

from device_agents.machine import answers, asking, ladder, patience, proving, readiness, runs
from device_agents.machine.commands import Command, SetTimer
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
from device_agents.machine.replicas import has_stand_in
from device_agents.machine.state import Ask, State, Work
from lepton_edge.core.errors import DeadlineExceeded, Superseded
from lepton_edge.core.frames import Frame, FrameKind, WireError, WireTensor
from partitioner.units import DeviceId, Seconds

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
        return [runs.stage(state, work, tensors)]
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
    runs.note_cost(state, work, event.timing)
    if work.phase == "local":
        state.epochs[work.epoch].memory.ran[work.route.first, work.route.last] = now
    work.timing += event.timing
    if work.phase == "local" and work.route.peer:
        work.outputs += event.outputs
        return _send(state, work, event.forward, now)
    work.outputs = event.outputs if work.phase == "smaller" else work.outputs + event.outputs
    work.reason = _reason_here(state, work) or work.reason
    return answers.reply(state, work, now)


def segment_failed(state: State, event: SegmentFailed, now: float) -> list[Command]:
    """End work that the engine refused; where others are at work for it, or can be, let them."""
    work = state.works.get(event.work)
    if work is None or event.run != work.run or work.phase == "remote":
        return []
    if work.phase == "local" and not work.why:  # its first run: nobody else has what it needs
        return answers.fail(state, work, event.error, now)
    work.broken += (work.phase,)
    work.terms = work.left if work.phase == "local" and work.left is not None else work.terms
    work.phase = "remote"
    return ladder.climb(state, work, work.why, now, event.error)


def stage_replied(state: State, event: StageReplied, now: float) -> list[Command]:
    """Take a far side's answer; while others are at work too, only a good one counts, and it wins."""
    work = state.works.get(event.work)
    if work is None:
        return asking.trial_ended(state, event.work, event.peer, True, now)
    peer = asking.asked_of(work, event.peer)
    if not peer:
        return []
    asked = asking.ended(state, work, peer)
    return asking.heard(state, peer, now) + _answered(state, work, asked, event.frame, now)


def _answered(state: State, work: Work, asked: Ask, frame: Frame, now: float) -> list[Command]:
    if frame.kind is FrameKind.REPLY and is_answer(asked.terms.due, frame.tensors):
        return _remote_answer(state, work, asked, frame, now)
    error = frame.error or _NO_ANSWER
    if error.code == readiness.NOT_HELD:
        readiness.lacks(state, state.epochs[work.epoch], asked.peer, now)
    if error.fault in ("caller", "model") and not error.retryable and work.phase == "remote":
        return answers.fail(state, work, error, now)
    return ladder.climb(state, work, f"{asked.peer} answered {error.code}: {error.message}", now, error)


def stage_lost(state: State, event: StageLost, now: float) -> list[Command]:
    """Let others answer when a far side is gone."""
    work = state.works.get(event.work)
    if work is None:
        return asking.trial_ended(state, event.work, event.peer, False, now)
    peer = asking.asked_of(work, event.peer)
    if not peer:
        return []
    asking.ended(state, work, peer)
    return ladder.climb(state, work, event.reason, now)


def timer_fired(state: State, event: TimerFired, now: float) -> list[Command]:
    """End a request whose deadline passed; let others answer beside a far side that is late."""
    work = state.works.get(event.work)
    if work is None:
        return []
    if event.timer == "deadline":
        late = DeadlineExceeded(f"the deadline passed after {now - work.arrived:.3f} s", "allow more time")
        return answers.fail(state, work, as_wire(late, state.device), now)
    peer = work.tried[-1] if work.tried else DeviceId("")
    if event.timer != work.timer or peer not in work.asks:
        return []
    return _late(state, work, peer, now)


def _late(state: State, work: Work, peer: DeviceId, now: float) -> list[Command]:
    asked = work.asks[peer]
    why = f"{peer} did not answer within {now - asked.at:.2f} s"
    if work.phase == "remote" and asked.is_early(now):
        return ladder.beside(state, work, why, now) + asking.watch(work, asked.begin_by, now)
    longer = asking.wait_on(state, work, peer, now)
    if longer:
        return longer
    taken = ladder.overdue(state, work, why, now)
    if not asked.is_late(now):
        return taken
    slowly = asking.slowly(state, work, peer, now)
    return taken + (_suspect(state, work, asked, now) if slowly is None else slowly)


def _suspect(state: State, work: Work, asked: Ask, now: float) -> list[Command]:
    """Suspect who is late; then those who wait there too need not find that out one by one."""
    far, peer = state.far_side(asked.peer), asked.peer
    before = far.suspected
    page, way = (work.epoch, asked.terms.page), patience.way(state, work, peer)
    far.overdue(asked.at, patience.by_now(state, peer, page, now, way), now)
    if before or not far.suspected:
        return []
    waiting = [one for one in state.works.values() if one is not work and peer in one.asks]
    return [
        command
        for one in waiting
        if one.tried[-1] == peer
        for command in ladder.overdue(state, one, f"{peer} does not answer", now)
    ]


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
    return [command for work in works for command in answers.fail(state, work, error, now)]


def _drop(state: State, work: Work, error: WireError, now: float) -> list[Command]:
    commands = answers.fail(state, work, error, now)
    answers.forget(state, work.key)
    return commands


def _send(state: State, work: Work, forward: tuple[WireTensor, ...], now: float) -> list[Command]:
    """Send the frontier on; where nobody is there, or it is only tried whether somebody is, let others answer."""
    peer = work.route.peer
    work.phase = "remote"
    book = state.epochs[work.epoch].book
    work.sent = forward if book.replicas and has_stand_in(book, peer) else ()
    if peer not in state.peers_up:
        return ladder.climb(state, work, f"there is no link to {peer}", now)
    if not state.reachable(peer, now):
        others = ladder.elsewhere(state, work, f"{peer} does not answer", now)
        return others or asking.ask(state, work, peer, forward, now)
    asked = asking.ask(state, work, peer, forward, now)
    asked += proving.ask(state, work, now) if work.sent else []
    return asked + (ladder.elsewhere(state, work, f"{peer} does not answer", now) if work.trial else [])


def _remote_answer(state: State, work: Work, asked: Ask, frame: Frame, now: float) -> list[Command]:
    """Add the far side's outputs and hops; its own total is what is not network."""
    far = frame.hops[0].total if frame.hops else 0.0
    asking.right(state, work, asked, now)
    work.network = max(0.0, now - asked.at - far)
    work.bytes_in = sum(len(tensor.payload) for tensor in frame.tensors)
    work.hops = frame.hops
    work.reason = _reason_there(work, asked, now) or work.reason
    work.terms, work.outputs, work.phase = asked.terms, asked.made + frame.tensors, "remote"
    return answers.reply(state, work, now)


def _reason_there(work: Work, asked: Ask, now: float) -> str:
    """Return why it was this far side that answered, where that is not what the page says."""
    if asked.peer != asked.terms.route.peer:
        return f"{asked.peer} stood in for {asked.terms.route.peer}: {work.why}"
    if work.phase in ("fallback", "smaller"):
        return "" if work.trial or asked.is_early(now) else "answered late, before the fallback"
    return f"went on by {asked.terms.page}: {work.why}" if work.first >= 0 else ""


def _reason_here(state: State, work: Work) -> str:
    if work.phase == "smaller":
        return f"{state.epochs[work.epoch].book.smaller} answered in place of {work.epoch.model}: {work.why}"
    return f"fallback: {work.why}" if work.phase == "fallback" else ""
