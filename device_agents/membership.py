"""As what this device joined a coordinator: what `agent start` need not be told again.

Law: a noun and the file that it is kept in, beside the keys; no network, and nothing that makes a command slow.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lepton_edge.core.errors import InvalidInput, NotFound
from lepton_edge.security.keyring import FOLDER, Keyring
from partitioner.units import Seconds

KEY_FILE, MEMBERSHIP_FILE, LIFE_FILE = "agent.pem", "joined.json", "life.json"


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


def joined_here(states: Path) -> tuple[Membership, ...]:
    """Return as what the agents joined that keep their state in folders of `states`; by the folders' names."""
    found: list[Membership] = []
    for file in sorted(states.glob(f"agent-*/{FOLDER}/{MEMBERSHIP_FILE}")):
        with contextlib.suppress(InvalidInput, NotFound):
            joined = membership(file.parent.parent)
            found += [joined] if joined is not None else []
    return tuple(found)


def keep(state_directory: Path, joined: Membership) -> None:
    """Keep as what the agent with this state joined; raise StorageFull."""
    Keyring(state_directory).write(MEMBERSHIP_FILE, json.dumps(asdict(joined)).encode())


def keep_life(keys: Keyring, begins: Seconds, ends: Seconds) -> None:
    """Keep from when to when the certificate counts, so that no agent need read certificates for it."""
    keys.write(LIFE_FILE, json.dumps([begins, ends]).encode())


def life(keys: Keyring) -> tuple[Seconds, Seconds]:
    """Return from when to when the certificate counts; (0, 0), which is over, where that is not known."""
    try:
        begins, ends = json.loads(keys.read(LIFE_FILE))
        return Seconds(float(begins)), Seconds(float(ends))
    except (NotFound, ValueError, TypeError):
        return Seconds(0.0), Seconds(0.0)
