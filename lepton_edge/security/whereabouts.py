"""Where the coordinator of a state directory listens: kept beside its administrator's key, for commands on its machine.

Law: one small file, written when the port is open and removed when the process leaves; one that is out of date says
where nobody answers, and nothing worse: who answers has to prove who it is, whoever wrote the file.
"""

from __future__ import annotations

import json
from pathlib import Path

from lepton_edge.core.errors import LeptonError
from lepton_edge.security.keyring import Keyring

FILE = "address.json"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (listened on, and asked at)


def keep(state_directory: Path, host: str, port: int) -> None:
    """Keep where the coordinator with this state listens; raise StorageFull."""
    host = _EVERYWHERE.get(host, host)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    Keyring(state_directory).write(FILE, json.dumps({"control": address}).encode())


def forget(state_directory: Path) -> None:
    """Keep no address any more."""
    Keyring(state_directory).remove(FILE)


def beside(key: Path) -> str:
    """Return "host:port" of the coordinator in whose folder of secrets the file `key` is; "" where none is known."""
    keys = Keyring(key.parent.parent)
    if key.parent != keys.folder or not keys.has(FILE):
        return ""
    try:
        return str(json.loads(keys.read(FILE))["control"])
    except (LeptonError, ValueError, TypeError, KeyError):  # half of it, or another's
        return ""
