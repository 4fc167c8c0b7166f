"""A new version that a share of the requests tries while the others run on the old one.

Law: pure. Which requests try it is told by their ids alone, so that a request asked again meets the same version; one
that already failed (a further attempt) does not meet the new one again, and its failure is one to retry. Only an entry
chooses: later stages are told their epoch.
"""

from __future__ import annotations

import dataclasses
import zlib

from device_agents.machine.failures import as_wire
from device_agents.machine.state import READY, EpochState, State, Work
from lepton_edge.core.errors import Unavailable
from lepton_edge.core.frames import Frame, WireError
from lepton_edge.core.messages import EpochReport


def begin(state: State, held: EpochState, share: float) -> None:
    """Let a share of the requests try an epoch that is ready; another one of the model is tried no more."""
    for other in state.epochs.values():
        if other.key.model == held.key.model:
            other.share = 0.0
    held.share = share
    state.canaries[held.key.model] = held.key.epoch


def chosen(state: State, frame: Frame) -> EpochState | None:
    """Return the epoch on trial that a request shall take; None for the active one.

    A request that names a page which the version on trial lacks takes the active one, as before the trial.
    """
    held = state.canary(frame.model) if state.canaries else None
    if held is None or frame.attempt or _place(frame.request_id) >= held.share:
        return None
    if frame.page and all(page.name != frame.page for page in held.book.pages):
        return None
    return held


def _place(request: str) -> float:
    """Return where between 0 and 1 a request's id falls: the same on every device and at every try."""
    return zlib.crc32(request.encode()) / 2**32


def is_tried(held: EpochState) -> bool:
    """Return whether an epoch is on trial."""
    return held.share > 0 and held.state == READY


def softened(state: State, work: Work, error: WireError) -> WireError:
    """Return the error of a request that tried the new version, so that its caller tries the old one."""
    if error.fault == "caller" or error.retryable or not work.entry or not is_tried(state.epochs[work.epoch]):
        return error
    why = Unavailable(
        f"the version on trial failed: {error.message}", "try again: the next try takes the old one"
    )
    return dataclasses.replace(as_wire(why, state.device), fault=error.fault)


def answered(state: State, work: Work, seconds: float) -> None:
    """Note that a request was answered after so many seconds."""
    if work.entry and not work.asked.page:
        state.epochs[work.epoch].fare.note(seconds)


def failed(state: State, work: Work) -> None:
    """Note that a request failed, and not by its caller's fault."""
    if work.entry and not work.asked.page:
        state.epochs[work.epoch].fare.failed += 1


def reports(state: State) -> tuple[EpochReport, ...]:
    """Return how requests fare on the epochs that this device chose, for those that had any."""
    held = [one for one in state.epochs.values() if one.fare.answered or one.fare.failed]
    return tuple(one.fare.report(one.key) for one in held)
