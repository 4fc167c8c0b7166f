"""With which key an application proves who it is: the one it was given, else the one that lies where keys lie.

Law: finds and reads a file; what is in it is `core/identity.py`'s, what is done with it `wire/tls.py`'s. The variables
LEPTON_EDGE_KEY and LEPTON_EDGE_INSECURE are read here, since an application has no command line of ours.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from lepton_edge.core.config import SECURE
from lepton_edge.core.errors import LeptonError, Unauthenticated
from lepton_edge.core.identity import credentials_of
from lepton_edge.security import whereabouts
from lepton_edge.security.keyring import read_private
from lepton_edge.wire.tls import Trust

KEY, INSECURE = "LEPTON_EDGE_KEY", "LEPTON_EDGE_INSECURE"
_NO = ("", "0", "false", "no")


def trust_for(
    key: str | Path | None, insecure: bool | None = None, environment: Mapping[str, str] | None = None
) -> Trust | None:
    """Return the trust of the key in the file `key`; None where `insecure` says to speak in the open.

    Without `key`: the file that LEPTON_EDGE_KEY names, `key.pem` in the user's folder of settings, and on the
    coordinator's own machine its administrator's key, as far as this user may read it.

    Raises:
        Unauthenticated: there is none.
        NotFound, InvalidInput: the file cannot be read, or is no key.
    """
    known = os.environ if environment is None else environment
    if in_the_open(key, insecure, known):
        return None
    found = _found(key, known)
    if found is not None:
        return Trust(credentials_of(read_private(found)))
    if insecure is None and not SECURE:
        return None
    raise Unauthenticated(
        "no key to prove who asks",
        "run this as who runs `lepton-edge coordinator start`, on that machine; for others make a key there, "
        "`lepton-edge client key create NAME --admin` (or --model MODEL), and give it here: key=, LEPTON_EDGE_KEY or "
        "`lepton-edge --key FILE ...`. Of a coordinator that runs with --insecure: "
        "insecure=True, `lepton-edge --insecure ...`",
    )


def in_the_open(key: str | Path | None, insecure: bool | None, environment: Mapping[str, str]) -> bool:
    """Say whether somebody said that no key is needed."""
    if insecure is not None or key is not None:
        return bool(insecure)
    return environment.get(INSECURE, "").lower() not in _NO


def coordinator_beside(
    key: str | Path | None, insecure: bool | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Return where the coordinator listens that this user started, if the key that `trust_for` takes is by it; else "".

    In the open, where it listens.
    """
    known = os.environ if environment is None else environment
    with contextlib.suppress(RuntimeError):  # who has no home has no such state
        if in_the_open(key, insecure, known):
            return whereabouts.beside(_administrators(known))
        found = _found(key, known)
        return whereabouts.beside(found) or _made_here(found, _administrators(known)) if found else ""
    return ""


def _made_here(key: Path, administrators: Path) -> str:
    """Return where the coordinator of the `administrators` key listens, if the same one made `key`; else ""."""
    with contextlib.suppress(LeptonError):  # there is none here, or it is another user's
        if _authority(key) == _authority(administrators):
            return whereabouts.beside(administrators)
    return ""


def _authority(key: Path) -> bytes:
    return credentials_of(read_private(key)).authority


def _found(key: str | Path | None, environment: Mapping[str, str]) -> Path | None:
    return Path(key).expanduser() if key else next(_places(environment), None)


def _administrators(environment: Mapping[str, str]) -> Path:
    """Return where the key is of the coordinator that this user starts without further words."""
    home = Path(environment.get("HOME") or Path.home())
    state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state")
    return state / "lepton-edge" / "coordinator" / "security" / "admin.pem"


def _places(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield where a key is, best first."""
    if environment.get(KEY):
        yield Path(environment[KEY]).expanduser()
    home = Path(environment.get("HOME") or Path.home())
    settings = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "lepton-edge"
    for path in (settings / "key.pem", _administrators(environment)):
        if os.access(path, os.R_OK):
            yield path
