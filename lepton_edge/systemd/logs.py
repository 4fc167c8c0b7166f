"""How logs leave a process that runs for long: one line an event on stderr, for people, programs or the journal.

Law: called once, at the start; stdout stays for data. The same for agents and coordinators.

- "console": `2026-11-22T10:40:27.250Z info    opened beside requests  model=m seconds=0.195`, spaces quoted
- "json": one object a line
- "auto": console; where stderr is systemd's journal, without the time, which the journal has, and with the priority in
  front ("<4>"), so that `journalctl -p warning` finds what it should
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from lepton_edge.core.errors import UsageError

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("auto", "console", "json")
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}
"""Of syslog, by level."""
JOURNAL = "JOURNAL_STREAM"
_WORD = re.compile(r"[\w.,:;@%+*/\\()<>\[\]{}#&?!~^|$-]+")


def check(level: str, form: str) -> None:
    """Raise UsageError where there is no such level or format."""
    if level.lower() not in LEVELS:
        raise UsageError(
            f"there is no log level {level!r}",
            f"give --log-level or LEPTON_EDGE_LOG_LEVEL one of {', '.join(LEVELS)}",
        )
    if form not in FORMATS:
        raise UsageError(
            f"there is no log format {form!r}",
            f"give --log-format or LEPTON_EDGE_LOG_FORMAT one of {', '.join(FORMATS)}",
        )


def configure(level: str, form: str = "auto", **always: object) -> None:
    """Send every log of `level` and above to stderr, with the values of `always` in each.

    Raises:
        UsageError: there is no such level or format.
    """
    check(level, form)
    structlog.contextvars.bind_contextvars(**always)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *_rendering("journal" if form == "auto" and is_journal(os.environ) else form),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _rendering(form: str) -> list[Any]:
    """Return the last processors: they make a line of an event."""
    if form == "json":
        timed = structlog.processors.TimeStamper(fmt="iso", utc=True)
        return [timed, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    if form == "journal":
        return [structlog.processors.format_exc_info, prioritised]
    return for_people()


def for_people() -> list[Any]:
    """Return the last processors of lines that people read: time, exceptions, and the line itself."""
    timed = structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%f", utc=True)
    return [timed, structlog.processors.format_exc_info, line]


def line(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    """Render an event as people read it: when, how bad, what, and what of it; a traceback follows, indented."""
    del logger
    at, level = str(event.pop("timestamp", ""))[:23], str(event.pop("level", name))
    trace = str(event.pop("exception", "")).splitlines()
    return "\n".join([f"{at}Z {level:<7} {_told(event)}", *(f"    {_safe(one)}" for one in trace)])


def prioritised(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    """Render an event for the journal, which has the time itself; a traceback's lines stay one entry."""
    del logger
    level = str(event.pop("level", name))
    return f"<{PRIORITIES.get(level, 6)}>{level:<7} {_told(event)}"


def _told(event: MutableMapping[str, Any]) -> str:
    said = _safe(str(event.pop("event", "")))
    pairs = " ".join(f"{key}={_value(value)}" for key, value in event.items())
    return f"{said}  {pairs}" if pairs else said


def _value(value: Any) -> str:
    """Return a value as one word, or quoted as JSON quotes: nobody's name can begin another field, or a line."""
    text = _number(value) if isinstance(value, float) else str(value)
    return text if _WORD.fullmatch(text) else json.dumps(text, ensure_ascii=not text.isprintable())


def _number(value: float) -> str:
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.3f}"


def _safe(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]


def is_journal(environment: Mapping[str, str]) -> bool:
    """Say whether stderr goes to systemd's journal: JOURNAL_STREAM names its device and inode."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return environment.get(JOURNAL, "") == f"{found.st_dev}:{found.st_ino}"
