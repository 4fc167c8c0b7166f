"""What a person says of where a process listens, and whether in the open: the same for agents and coordinators.

Law: pure; settings come in, settings go out. What listens is in `wire/`.
"""

from __future__ import annotations

from typing import Any

from lepton_edge.core.errors import UsageError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def listening(bind: str | None, insecure_bind: str | None, secure: bool | None) -> dict[str, Any]:
    """Return the settings that --bind, --insecure-bind and --secure/--insecure mean together.

    Raises:
        UsageError: they contradict each other, or would listen in the open by mistake.
    """
    if insecure_bind is not None and (bind is not None or secure):
        raise UsageError("--insecure-bind listens in the open", "leave it out, or --bind and --secure")
    if secure is False and bind is not None and bind not in LOOPBACK:
        raise UsageError(f"--insecure does not listen on {bind}", "give --insecure-bind if that is meant")
    if insecure_bind is not None:
        return {"bind": insecure_bind, "secure": False}
    return {"bind": bind, "secure": secure}
