"""Libraries of custom operators that a person allowed by name, on this machine.

Law: what is allowed stands in a machine's own settings; nothing that comes from a network adds to it. A library is code
that this process runs: it lies on this machine already, and whoever is not its user cannot have changed it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lepton_edge.core.errors import InvalidInput

STANDARD = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Domains of ONNX itself and of the engine: no library adds to them."""
MOST = 16
_DOMAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,79}")
OPTION = "--allow-custom-ops DOMAIN=LIBRARY"


@dataclass(frozen=True)
class CustomOps:
    """The domains whose operators may be used here, and the libraries that hold them; none unless somebody says so."""

    domains: frozenset[str] = frozenset()
    libraries: tuple[Path, ...] = ()


NONE = CustomOps()


def custom_ops(given: Iterable[str]) -> CustomOps:
    """Return what "DOMAIN=LIBRARY" strings allow; a library may be named for several domains.

    Raises:
        InvalidInput: one is not of that form, names a standard domain, or its library is not there or not safe.
    """
    pairs = [_pair(one) for one in given]
    if len(pairs) > MOST:
        raise InvalidInput(f"{len(pairs)} domains of custom operators are allowed", f"allow {MOST} at most")
    libraries = dict.fromkeys(_checked(Path(library).expanduser()) for _, library in pairs)
    return CustomOps(frozenset(domain for domain, _ in pairs), tuple(libraries))


def _pair(text: str) -> tuple[str, str]:
    domain, equals, library = text.partition("=")
    if not equals or not library or not _DOMAIN.fullmatch(domain):
        raise InvalidInput(f"{text!r} names no domain and library", f"write {OPTION}")
    if domain in STANDARD:
        raise InvalidInput(
            f"operators of {domain} are the engine's own", "name the domain of the custom ones"
        )
    return domain, library


def _checked(path: Path) -> Path:
    """Return `path` without links; raise InvalidInput unless it is a file that nobody else may write."""
    try:
        real = path.resolve(strict=True)
        found = real.stat()
    except (OSError, RuntimeError) as error:
        raise InvalidInput(
            f"there is no library of custom operators at {path}", "give its path here"
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise InvalidInput(f"{path} is no file", "give the path of the shared library")
    if os.name == "posix" and (_is_others(found) or _is_others(real.parent.stat())):
        raise InvalidInput(
            f"{path} can be changed by others, and would run in this process",
            "have it and its folder owned by root or by who runs this, and writable by nobody else (chmod o-w)",
        )
    return real


def _is_others(found: os.stat_result) -> bool:
    """Whether others may change a file, or put another one in its place in a folder; /tmp's files are their owners'."""
    mode = found.st_mode
    open_to_all = mode & stat.S_IWOTH and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX)
    return bool(open_to_all) or found.st_uid not in (os.geteuid(), 0)
