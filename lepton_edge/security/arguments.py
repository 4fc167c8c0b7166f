"""Tokens that a command is given, from wherever; and arguments taken out of what `ps` shows of this process.

Law: what is read is never printed. Writes over the very bytes that the system shows, on Linux, and nowhere else; what
could not be done is no error, since a secret that was on a command line was seen already by whoever looked in time.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Mapping
from pathlib import Path

from lepton_edge.core.errors import UsageError
from lepton_edge.security.keyring import read_private

VARIABLE = "LEPTON_EDGE_TOKEN"
LONGEST = 4096  # characters of standard input
_OWN = Path("/proc/self")
_BEGIN = 45  # of the fields of `stat` behind the name: where the arguments begin in memory
_MOST = 8  # times that one secret is given


def read_token(token: str | None, file: Path | None, environment: Mapping[str, str]) -> str | None:
    """Return the token's text, from wherever it was given; None where it was not.

    Raises:
        UsageError: it was given twice. NotFound: the file cannot be read.
    """
    if token and file:
        raise UsageError("--token, or --token-file?", "give one of the two")
    if file is not None:
        return read_private(file).decode("ascii", "replace").strip()
    if token == "-":
        return sys.stdin.readline(LONGEST).strip()
    if token:
        forget(token.rpartition(".")[2])
    return token or environment.get(VARIABLE)


def forget(secret: str) -> bool:
    """Show stars instead of `secret` in this process's arguments from now on; say whether they show it no more."""
    if sys.platform != "linux" or not secret:
        return False
    with contextlib.suppress(OSError, ValueError, IndexError):
        begins = int(_OWN.joinpath("stat").read_text().rpartition(") ")[2].split()[_BEGIN])
        sought = secret.encode()
        for _ in range(_MOST):
            place = _OWN.joinpath("cmdline").read_bytes().find(sought)
            if place < 0 or not begins:
                return begins > 0
            ctypes.memset(begins + place, ord("*"), len(sought))
    return False
