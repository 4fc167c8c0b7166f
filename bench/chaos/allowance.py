"""What a run allows: errors of a board that stands still itself, pages while none is pinned, a link's slow moment.

Law: pure. Whatever is not allowed here is a finding of `judge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.chaos.schedule import Fault

STANDS_STILL = frozenset({"kill board", "freeze board", "no memory", "board alone", "boots a day early"})
"""Kinds of fault for which the requests of their victim may end with an error: it is the entry."""
SLOW_LONG = 2.0
"""Seconds that a link must be slow for it to be told from a moment."""
NOTICED = 1.0
"""Seconds within which that must have been noticed."""
BEFORE = 3.0
"""Seconds before it that tell whose requests use it."""


@dataclass(frozen=True)
class Pinned:
    """From `since` on (seconds of the machine's clock), `board` answers by `page` alone; "" for any."""

    since: float
    board: str
    page: str


class Lasted(Protocol):
    """A fault as it came to pass."""

    fault: Fault
    at: float
    over: float


def pinned(pins: Sequence[Pinned], board: str, sent: float, at: float) -> str:
    """Return the page that was pinned all the while a request was under way; "" for none."""
    page = ""
    for pin in pins:
        if pin.board != board:
            continue
        if pin.since <= sent:
            page = pin.page
        elif pin.since <= at:
            return ""
    return page


def is_slow(struck: Lasted) -> bool:
    """Whether a link was slow for so long that requests must have left it."""
    return struck.fault.kind == "slow link" and struck.over - struck.at >= SLOW_LONG
