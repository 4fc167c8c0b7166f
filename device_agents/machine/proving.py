"""Whether those who stand in for a far side could: asked beside the requests, before one of them has to rely on it.

Law: pure. While requests go to a far side, its replicas are asked twice a minute whether they could answer (a question
as `readiness` has it, which costs a few bytes). One that could within the last minute is HEALTHY (DESIGN D9): it is
asked first, and waited for alone. Of another one nothing is known but that its link is up, which outlives a process
that stands still: it is asked as well, and others answer beside it.
"""

from __future__ import annotations

from device_agents.machine import readiness
from device_agents.machine.commands import AskReady, Command
from device_agents.machine.events import ReadyTold
from device_agents.machine.memory import Beyond
from device_agents.machine.state import EpochState, State, Work
from lepton_edge.core.frames import WireError
from partitioner.units import DeviceId, PageName, Seconds

HEALTHY = Seconds(60.0)
ASK_EVERY = Seconds(30.0)
OLDER = "invalid_input"
"""What a far side of protocol 1.0 answers to a question: that it misses tensors for the stage, which it holds."""


def ask(state: State, work: Work, now: float) -> list[Command]:
    """Ask those who stand in for the far side of a request whether they could, where that is not known of late."""
    held, route = state.epochs[work.epoch], work.route
    commands: list[Command] = []
    for replica in held.book.replicas:
        if replica.of == route.peer and replica.device in state.peers_up:
            known = held.memory.proofs.setdefault((replica.device, work.page), Beyond())
            if known.asked_at < 0 and now >= max(known.again, known.until - HEALTHY + ASK_EVERY):
                frame = readiness.question(state, held, work.page, route.last, work.terms.beyond)
                known.ask(frame.request_id, now)
                commands.append(AskReady(held.key, replica.device, frame))
    return commands


def told(state: State, event: ReadyTold, now: float) -> None:
    """Take the word of a replica; one that comes after its link was lost tells nothing of who is there now."""
    held = state.epochs.get(event.key)
    known = held.memory.proofs.get((event.peer, event.page)) if held is not None else None
    if known is not None and known.awaits(event.question):
        known.said(_is_yes(event.error), HEALTHY, now)


def answered(held: EpochState, peer: DeviceId, page: PageName, now: float) -> None:
    """Take note that a replica answered a request: it need not be asked."""
    known = held.memory.proofs.get((peer, page))
    if known is not None:
        known.until = now + HEALTHY


def met(state: State, peer: DeviceId) -> None:
    """Take note of a new link: who was healthy may be another process now."""
    for held in state.epochs.values():
        for key in [key for key in held.memory.proofs if key[0] == peer]:
            del held.memory.proofs[key]


def is_healthy(held: EpochState, peer: DeviceId, page: PageName, now: float) -> bool:
    """Whether a replica could run a page's stage within the last minute."""
    known = held.memory.proofs.get((peer, page))
    return known is not None and now < known.until


def _is_yes(error: WireError | None) -> bool:
    return error is None or error.code == OLDER
