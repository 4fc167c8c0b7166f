"""A wall clock that can be set: what a process takes for the date is off by the seconds in a file, read at every look.

Python imports this at its start where its folder is on PYTHONPATH and WALL_CLOCK names the file; see `clocks`. Law: the
standard library alone; the monotonic clock stays as it is, as it does when somebody sets a machine's clock.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable
from typing import Any

FILE = os.environ.get("WALL_CLOCK", "")
TRUE, TRUE_NS = time.time, time.time_ns
REAL = datetime.datetime


def offset() -> float:
    """Return by how many seconds the clock is wrong now."""
    try:
        with open(FILE, encoding="ascii") as told:
            return float(told.read() or 0.0)
    except (OSError, ValueError):
        return 0.0


class _Instances(type):
    """Takes dates that C code made for dates."""

    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, REAL)


class Datetime(REAL, metaclass=_Instances):
    """The date and time of the clock that was set."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        """Return the time now."""
        return REAL.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        """Return the time now, in UTC."""
        return REAL.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        """Return the time now."""
        return cls.now()


def _at(function: Callable[[float], Any]) -> Callable[..., Any]:
    """Return `function` of a time, which is now where none is given."""

    def looked(seconds: float | None = None) -> Any:
        return function(time.time() if seconds is None else seconds)

    return looked


if FILE:
    time.time = lambda: TRUE() + offset()
    time.time_ns = lambda: TRUE_NS() + int(offset() * 1e9)
    time.localtime, time.gmtime, time.ctime = _at(time.localtime), _at(time.gmtime), _at(time.ctime)
    datetime.datetime = Datetime  # type: ignore[misc]
