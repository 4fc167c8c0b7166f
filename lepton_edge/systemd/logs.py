"""How logs leave a process that runs for long: one line an event on stderr, for people, programs or the journal.

Law: called once, at the start; stdout stays for data. The same for agents and coordinators.

- "console": `timestamp=... level=... event=... key=value`
- "json": one object a line
- "auto": console; where stderr is systemd's journal, without the time, which the journal has, and with the priority in
  front ("<4>"), so that `journalctl -p warning` finds what it should
"""

from __future__ import annotations

import logging
import os
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
    timed = structlog.processors.TimeStamper(fmt="iso", utc=True)
    if form == "json":
        return [timed, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    line = structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"], drop_missing=True)
    if form == "journal":
        return [structlog.processors.format_exc_info, _Prioritised(line)]
    return [timed, structlog.processors.format_exc_info, line]


class _Prioritised:
    """A renderer whose lines begin with their priority; a traceback's lines stay one entry."""

    def __init__(self, line: Any) -> None:
        self._line = line

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
        priority = PRIORITIES.get(str(event.get("level", name)), 6)
        return f"<{priority}>{self._line(logger, name, event)}"


def is_journal(environment: Mapping[str, str]) -> bool:
    """Say whether stderr goes to systemd's journal: JOURNAL_STREAM names its device and inode."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return environment.get(JOURNAL, "") == f"{found.st_dev}:{found.st_ino}"
