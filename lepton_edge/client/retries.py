"""When to try again, and after how long.

Law: pure: no clock, no randomness, no network; how much time is left and a random number are handed in. Only
errors that a moment can mend are tried again, a bounded number of times, never past the deadline.
"""

from __future__ import annotations

from lepton_edge.core.errors import Overloaded, StaleEpoch, Unavailable
from partitioner.errors import LeptonError

RETRIES = 3
"""How often a request is tried again when nobody says otherwise."""
RETRIED: tuple[type[LeptonError], ...] = (Overloaded, Unavailable, StaleEpoch)
"""Refused or broken off, so that another try may succeed and does no harm. A deadline that passed, an input
that is wrong or a computation that failed are told at once."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
SPREAD = 0.5
"""What part of a pause is random, so that those who were refused together do not come back together."""


def pause_before(error: LeptonError, tried: int, left: float, chance: float) -> float | None:
    """Return seconds to wait before the next try after `error`, None where it stands.

    Args:
        error: what the last try ended with; its `retry_after` is a lower bound of the pause.
        tried: retries so far; each pause is twice the one before, up to 2 s.
        left: seconds until the request must be answered.
        chance: a random number in [0, 1).
    """
    if not isinstance(error, RETRIED):
        return None
    backoff: float = min(FIRST_PAUSE * 2**tried, LONGEST_PAUSE)
    pause = max(backoff * (1 - SPREAD * chance), error.retry_after * (1 + SPREAD * chance))
    return pause if pause < left else None
