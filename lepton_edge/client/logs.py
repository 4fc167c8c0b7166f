"""What the SDK's rooms say in an application that has not set logs up: warnings and errors, on stderr.

Law: touches structlog only where nobody has configured it; what the application configures, before or later, holds.
Without this, structlog prints every debug line on stdout, among the application's data.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from lepton_edge.systemd.logs import for_people

_SMALL_TALK = frozenset({"debug", "info"})


def be_quiet() -> None:
    """Send warnings and errors to stderr and nothing anywhere else, unless logs are set up."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            _without_small_talk,
            structlog.processors.add_log_level,
            *for_people(),
        ],
        logger_factory=_on_stderr,
    )


def _on_stderr(*_: object) -> structlog.PrintLogger:
    """Return a logger on what is stderr now: it may be another one later."""
    return structlog.PrintLogger(sys.stderr)


def _without_small_talk(_: object, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if level in _SMALL_TALK:
        raise structlog.DropEvent
    return event
