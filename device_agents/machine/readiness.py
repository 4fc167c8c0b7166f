"""Which pages are ready to be taken, here and at the far sides, and how one that is not becomes so.

Law: pure. A far side that opens later (its hello says so) is asked before a page is taken, beside the requests: a
request of an epoch without tensors. It answers when the stage's blocks are open there, and keeps them for longer than
that is believed here; the active page's are always open. So no request meets a block that has to be opened, but one
that names its page itself, which is told to come again.
"""

from __future__ import annotations

from device_agents.machine import opening, selftest
from device_agents.machine.commands import AskReady, Command, Refuse
from device_agents.machine.events import EpochKey, LinkId, PiecesOpened, ReadyTold, RequestArrived
from device_agents.machine.failures import as_wire, error_frame
from device_agents.machine.memory import Asker, Beyond
from device_agents.machine.pages import Option, Run
from device_agents.machine.replicas import played_by
from device_agents.machine.route import entry_page, route
from device_agents.machine.state import EpochState, State
from lepton_edge.core.errors import CorruptFrame, Overloaded, StaleEpoch, Unavailable, UnknownPage
from lepton_edge.core.frames import Frame, FrameKind
from partitioner.errors import LeptonError
from partitioner.units import DeviceId, Epoch, PageName, RequestId, Seconds, TensorName

BELIEVED = Seconds(120.0)
"""A far side that said that it is ready is believed for so long, and while requests go there: less than `KEPT`."""
MAX_ASKERS = 64
"""Who waits to hear that blocks of one epoch are open."""
RETRY_AFTER = Seconds(0.2)
NOT_HELD = "stale_epoch"
NOT_YET = (NOT_HELD, "unavailable")
OFTEN = Seconds(1.0)
"""The longest pause between two questions whether a far side holds the epoch again."""
SOON = 1.15
"""A page that costs no more than so many times what the best one does may soon be wanted."""


# --- the entry ------------------------------------------------------------------------------------


def is_ready(state: State, held: EpochState, option: Option, now: float) -> bool:
    """Whether a request may take a page at once: its blocks are open, here and at its far side."""
    here = held.holds(*option.key[1:])
    return here and (not option.peer or is_ready_at(state, held, option.peer, option.name, now))


def is_ready_at(state: State, held: EpochState, peer: DeviceId, page: PageName, now: float) -> bool:
    """Whether `peer` has opened what it runs on a page, as far as is known."""
    if peer in held.memory.away:
        return False
    if peer not in state.openers or page == held.book.active:
        return True
    known = held.memory.beyond.get((peer, page))
    return known is not None and now < known.until


def patience_for(state: State, option: Option) -> float:
    """Return how many times the cost of the best page one that is not ready may have and be wanted all the same."""
    return SOON if state.budget or option.peer in state.openers else 1.0


def want(state: State, held: EpochState, option: Option, now: float) -> list[Command]:
    """Have a page made ready that would be the best one now, or soon may be."""
    run = option.key[1:]
    opened = opening.want(state, held, run, now)
    if not option.peer or is_ready_at(state, held, option.peer, option.name, now):
        return opened
    away = held.memory.away.get(option.peer)
    known = away or held.memory.beyond.setdefault((option.peer, option.name), Beyond())
    if known.asked_at >= 0 or now < known.again:
        return opened
    frame = question(state, held, option.name, run[1])
    known.ask(frame.request_id, now)
    return [*opened, AskReady(held.key, option.peer, frame)]


def lacks(state: State, held: EpochState, peer: DeviceId, now: float) -> None:
    """Take note that `peer` answered a request that it does not hold this epoch.

    It began anew, and opens it again: requests go elsewhere, and it is asked in a few bytes when it has done so.
    """
    if peer not in held.memory.away:
        known = held.memory.away[peer] = Beyond(longest=OFTEN)
        known.said(False, BELIEVED, now)
    if held.turner is not None:
        held.turner.stale = True


def question(
    state: State, held: EpochState, page: PageName, first: int, outputs: tuple[TensorName, ...] = ()
) -> Frame:
    """Return what a far side is asked: whether its stage of a page, from block `first` on, is ready.

    Where `outputs` are named: whether it could compute these within the last minute.
    """
    state.questions += 1
    return Frame(
        FrameKind.REQUEST,
        RequestId(f"ready-{state.device}-{state.questions}"),
        model=held.key.model,
        epoch=held.key.epoch,
        page=page,
        first_block=first,
        outputs=outputs,
    )


def told(state: State, event: ReadyTold, now: float) -> list[Command]:
    """Take the word of a far side; one that comes after its link was lost tells nothing of who is there now."""
    held = state.epochs.get(event.key)
    if held is None or not (_holds_again(held, event, now) or _has_opened(held, event, now)):
        return []
    if held.turner is not None:
        held.turner.stale = True
    return []


def _holds_again(held: EpochState, event: ReadyTold, now: float) -> bool:
    """Take note of whether a far side holds the epoch again; whatever else it answers, it does."""
    known = held.memory.away.get(event.peer)
    if known is None or not known.awaits(event.question):
        return False
    known.said(False, BELIEVED, now)
    if event.error is None or event.error.code not in NOT_YET:
        del held.memory.away[event.peer]
    return True


def _has_opened(held: EpochState, event: ReadyTold, now: float) -> bool:
    known = held.memory.beyond.get((event.peer, event.page))
    if known is None or not known.awaits(event.question):
        return False
    known.said(event.error is None, BELIEVED, now)
    return True


def taken(state: State, held: EpochState, peer: DeviceId, page: PageName, now: float) -> None:
    """Take note of a request that goes to `peer`, which keeps for longer what it runs for it."""
    known = held.memory.beyond.get((peer, page)) if peer in state.openers else None
    if known is not None and now < known.until:
        known.until = now + BELIEVED


def met(state: State, peer: DeviceId, opens_later: bool) -> None:
    """Take note of a new link: who is there may be another process than before."""
    (state.openers.add if opens_later else state.openers.discard)(peer)
    for held in state.epochs.values():
        held.memory.away.pop(peer, None)
        for key in [key for key in held.memory.beyond if key[0] == peer]:
            del held.memory.beyond[key]
        if held.turner is not None:
            held.turner.stale = True


# --- who is asked ---------------------------------------------------------------------------------


def is_question(frame: Frame) -> bool:
    """Whether a request asks if a stage is ready: it names an epoch, and brings nothing to compute with."""
    return frame.epoch > 0 and not frame.tensors


def asked(state: State, event: RequestArrived, now: float) -> list[Command]:
    """Answer whether a stage is ready; where it is not, make it so and answer then."""
    frame = event.frame
    try:
        held = state.epoch(EpochKey(frame.model, frame.epoch))
        run = _stage_run(state, held, frame)
        opening.touch(state, held, run, now)
        one = Asker(event.link, frame, run)
        if not opening.lacking_in(held, run):
            return selftest.asked(state, held, one, now) if frame.outputs else [one.yes()]
        _check_may_open(state, held, run)
    except LeptonError as error:
        return [Refuse(event.link, error_frame(frame, as_wire(error, state.device), state.device))]
    held.memory.askers.append(one)
    return go_on(state, now)


def refused(state: State, frame: Frame, error: LeptonError, now: float) -> list[Command]:
    """Open what a request would have needed that was refused for it: the next one shall find it."""
    epoch = frame.epoch or state.active.get(frame.model, Epoch(0))
    held = state.epochs.get(EpochKey(frame.model, epoch))
    if held is None or not state.budget or not isinstance(error, Unavailable):
        return []
    try:
        run = _stage_run(state, held, frame)
    except LeptonError:
        return []
    if not set(opening.lacking_in(held, run)) <= set(held.memory.assigned):
        return []
    return opening.want(state, held, run, now)


def coming(state: State) -> Unavailable:
    """Return what is said to who asked for a page by its name whose blocks are being opened now."""
    told = Unavailable(f"{state.device} opens what that page needs now", "try again in a moment")
    told.retry_after = RETRY_AFTER
    return told


def opened(state: State, event: PiecesOpened, now: float) -> list[Command]:
    """Answer those who waited for blocks that are open now, or could not be opened; then open what is wanted next."""
    held = state.epochs.get(event.key)
    answers: list[Command] = []
    for one in list(held.memory.askers) if held is not None else []:
        assert held is not None
        failed = event.error is not None and one.run == (event.first, event.last)
        if failed or not opening.lacking_in(held, one.run):
            held.memory.askers.remove(one)
            answers.append(one.no(event.error, state.device) if failed and event.error else one.yes())
    return [*answers, *go_on(state, now)]


def go_on(state: State, now: float) -> list[Command]:
    """Open what the first of those who wait needs; who needs what does not fit is told so."""
    commands: list[Command] = []
    for held in state.epochs.values():
        for one in list(held.memory.askers):
            if state.opening_pieces:
                return commands
            begun = opening.want(state, held, one.run, now)
            if not begun:
                held.memory.askers.remove(one)
                commands.append(one.no(as_wire(_no_room(state, held), state.device), state.device))
            commands += begun
    return commands


def gone(state: State, link: LinkId, request_id: str = "") -> None:
    """Forget those who asked on a link that is closed, or one that does not want to know any more."""
    for held in state.epochs.values():
        held.memory.askers = [
            one
            for one in held.memory.askers
            if one.link != link or (request_id and one.frame.request_id != request_id)
        ]
    selftest.gone(state, link, request_id)


def ended(state: State, held: EpochState) -> list[Command]:
    """Answer those who wait for blocks of an epoch that is closed."""
    stale = StaleEpoch(
        f"epoch {held.key.epoch} of {held.key.model} is retired on {state.device}", "try again"
    )
    told = [one.no(as_wire(stale, state.device), state.device) for one in held.memory.askers]
    return [*told, *selftest.closed(state, held)]


def _stage_run(state: State, held: EpochState, frame: Frame) -> Run:
    """Return the blocks that this device runs for a request; raises UnknownPage or CorruptFrame."""
    book, first = held.book, frame.first_block
    if not 0 <= first < len(book.blocks):
        raise CorruptFrame(f"block {first} does not exist: the book has {len(book.blocks)}")
    try:
        page = entry_page(book, frame.page, state.device)
    except KeyError:
        raise UnknownPage(f"{book.model} has no page {frame.page!r}", "ask for one of its book") from None
    path = route(book, played_by(book, page, state.device), state.device, first)
    return path.first, path.last


def _check_may_open(state: State, held: EpochState, run: Run) -> None:
    missing = set(opening.lacking_in(held, run)) - set(held.memory.assigned)
    if missing or not state.budget:
        raise Unavailable(
            f"{state.device} does not hold blocks {sorted(missing)}", "ask the device of the plan"
        )
    if len(held.memory.askers) >= MAX_ASKERS:
        raise Overloaded(
            f"{len(held.memory.askers)} wait already for blocks of {held.key.model}", "ask again"
        )


def _no_room(state: State, held: EpochState) -> Unavailable:
    return Unavailable(
        f"{state.device} has no memory left for more of {held.key.model}",
        "ask again later, or give it more memory",
    )
