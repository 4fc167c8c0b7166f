"""What holds where nobody says anything, and depends on the machine: its name, the state directory.

Law: light, pydantic is not loaded here. Looks at the host's name and the home folder alone.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from pathlib import Path

from lepton_edge.core.errors import UsageError


def state_directory(environment: Mapping[str, str], room: str) -> Path:
    """Return where `room` ("coordinator", "agent-NAME") keeps its state unless told otherwise.

    Raises:
        UsageError: this user has no home folder (a service's, a container's).
    """
    base = environment.get("XDG_STATE_HOME")
    try:
        return Path(base or Path.home() / ".local" / "state") / "lepton-edge" / room
    except RuntimeError as error:
        raise UsageError(
            "this user has no home folder to keep the state in", "give --state-directory"
        ) from error


def host_name() -> str:
    """Return the name of this machine, as a device may be called."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()).strip("-._")[:63] or "device"
