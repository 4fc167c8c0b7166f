"""As what this device joined a coordinator: what `agent start` need not be told again.

Law: a noun and the file that it is kept in, beside the keys; no network, and nothing that makes a command slow.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lepton_edge.core.errors import InvalidInput
from lepton_edge.security.keyring import Keyring

KEY_FILE, MEMBERSHIP_FILE = "agent.pem", "joined.json"


@dataclass(frozen=True)
class Membership:
    """Whose this device is: where that coordinator was, and as what it joined."""

    coordinator: str
    name: str
    role: str = ""


def membership(state_directory: Path) -> Membership | None:
    """Return as what the agent with this state joined; None where it did not.

    Raises:
        InvalidInput: what it kept of that cannot be read.
    """
    keys = Keyring(state_directory)
    if not keys.has(MEMBERSHIP_FILE) or not keys.has(KEY_FILE):
        return None
    try:
        return Membership(**json.loads(keys.read(MEMBERSHIP_FILE)))
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"{keys.path(MEMBERSHIP_FILE)} cannot be read: {error}", "join again") from error


def keep(state_directory: Path, joined: Membership) -> None:
    """Keep as what the agent with this state joined; raise StorageFull."""
    Keyring(state_directory).write(MEMBERSHIP_FILE, json.dumps(asdict(joined)).encode())
