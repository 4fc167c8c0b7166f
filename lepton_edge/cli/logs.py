"""Where logs go: structlog, one line an event, on stderr.

Law: called once, at the start of a long-running command; stdout stays for data.
"""

from __future__ import annotations

import logging
import sys

import structlog

from lepton_edge.core.errors import UsageError

LEVELS = ("debug", "info", "warning", "error")


def configure(level: str) -> None:
    """Send every log of `level` and above to stderr.

    Raises:
        UsageError: there is no such level.
    """
    if level.lower() not in LEVELS:
        raise UsageError(
            f"there is no log level {level!r}",
            f"give --log-level or LEPTON_EDGE_LOG_LEVEL one of {', '.join(LEVELS)}",
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
