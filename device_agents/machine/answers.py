"""The only ways a request ends: one Reply, or one Fail.

Law: pure. Whatever ends is remembered for a while, so that a duplicate gets the same answer and no second
effect.
"""

from __future__ import annotations

from device_agents.machine import asking, canary, learning, stages
from device_agents.machine.commands import Command, Fail, Release, Reply
from device_agents.machine.draining import settle
from device_agents.machine.events import WorkKey
from device_agents.machine.failures import error_frame
from device_agents.machine.state import REMEMBERED_ANSWERS, REMEMBERED_BYTES, State, Work, answer_bytes
from lepton_edge.core.frames import Frame, FrameKind, Hop, WireError
from partitioner.plan import Page
from partitioner.units import DeviceId


def reply(state: State, work: Work, now: float) -> list[Command]:
    """End work with its outputs."""
    state.served += 1
    state.last_success = now
    taken = now - work.arrived
    state.room.answered(work.begun, now)
    state.epochs[work.epoch].note_wait(work.timing.queue)
    canary.answered(state, work, taken)
    if work.entry:
        learning.learn(state, work, now)
    if work.alone and work.phase not in ("fallback", "smaller") and not state.measuring:
        _note_stage(state, work, now)
    frame = _reply_frame(state, work, taken)
    answer = Reply(work.key, work.link, frame, work.runs_on, labelled=work.entry)
    return _end(state, work, answer, asking.heeded(state, work), now)


def _note_stage(state: State, work: Work, now: float) -> None:
    """Note what the stage took here; a page that was left is no stage of the plan."""
    timing = work.timing
    key = (work.epoch, work.page, work.route.first, work.route.last)
    stages.note(state.stages, key, timing.decode + timing.compute + timing.encode, now - work.begun, now)


def fail(state: State, work: Work, error: WireError, now: float) -> list[Command]:
    """End work with an error."""
    if error.fault != "caller":
        state.failed += 1
        canary.failed(state, work)
    error = canary.softened(state, work, error)
    failed = Fail(work.key, work.link, error_frame(work.asked, error, state.device))
    return _end(state, work, failed, DeviceId(""), now)


def _end(state: State, work: Work, answer: Reply | Fail, heeded: DeviceId, now: float) -> list[Command]:
    """Whatever goes on for the work is stopped, here and elsewhere, but for the answer of who is `heeded`."""
    del state.works[work.key]
    state.room.leave(work.flow, work.size)
    if work.line is not None:
        following = state.lines.leave(work.line, work.key)
        state.following.extend(() if following is None else (following,))
    _remember(state, answer)
    settled = settle(state, work.epoch) + (settle(state, work.smaller) if work.smaller else [])
    called_off = asking.call_off(state, work, heeded, now)
    return [answer, Release(work.key, heeded), *settled, *called_off]


def forget(state: State, key: WorkKey) -> None:
    """Remember the answer of `key` no longer: asked again, it runs again."""
    answer = state.answers.pop(key, None)
    if answer is not None:
        state.answers_bytes -= answer_bytes(answer)


def _remember(state: State, answer: Reply | Fail) -> None:
    state.answers[answer.work] = answer
    state.answers_bytes += answer_bytes(answer)
    while state.answers_bytes > REMEMBERED_BYTES or len(state.answers) > REMEMBERED_ANSWERS:
        forget(state, next(iter(state.answers)))


def _reply_frame(state: State, work: Work, taken: float) -> Frame:
    epoch = work.runs_on
    book = state.epochs[epoch].book
    page = work.page if work.phase not in ("fallback", "smaller") else book.fallback
    order = {name: place for place, name in enumerate(work.wanted)}
    return Frame(
        FrameKind.REPLY,
        work.asked.request_id,
        model=epoch.model,
        epoch=epoch.epoch,
        page=page,
        first_block=work.route.first,
        step=work.asked.step,
        attempt=work.asked.attempt,
        traceparent=work.asked.traceparent,
        tensors=tuple(sorted(work.outputs, key=lambda tensor: order.get(tensor.name, len(order)))),
        hops=(_hop(state, work, taken), *work.hops),
        metadata=work.asked.metadata if work.entry else {},
        degraded=work.phase == "smaller",
        reason=work.reason or (_why(book.page(page), work) if work.entry else ""),
    )


def _why(page: Page, work: Work) -> str:
    """Return why the entry took `page`; that a caller named it counts more than what the planner thinks of it."""
    return f"this page was asked for ({page.reason})" if work.asked.page else page.reason


def _hop(state: State, work: Work, taken: float) -> Hop:
    first, ended = (work.first if work.first >= 0 else work.route.first), work.route.last
    if work.phase == "fallback":
        ended = len(state.epochs[work.epoch].book.blocks)
    return Hop(
        state.device,
        first,
        ended,
        queue=work.timing.queue,
        decode=work.timing.decode,
        compute=work.timing.compute,
        encode=work.timing.encode,
        network=work.network,
        simulated_slowdown=state.simulated_slowdown,
        bytes_out=work.bytes_out,
        bytes_in=work.bytes_in,
        total=taken,
        batch=work.timing.batch,
    )
