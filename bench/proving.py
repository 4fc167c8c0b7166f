"""Whose key applications show that a bench starts: an administrator's while it says so, else nobody's, in the open.

Law: says what children find in their environment, and puts this process's back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEY = "LEPTON_EDGE_KEY"
IN_THE_OPEN = "LEPTON_EDGE_INSECURE"
"""What every process of a bench sets where nobody has, since most of them speak in the open."""


def key_in(state: Path) -> Path:
    """Return where a coordinator writes its administrator's key, below the state of a laboratory's processes."""
    return state / "coordinator" / "security" / "admin.pem"


def shown(key: Path | None) -> dict[str, str]:
    """Return the environment of an application that shows the key in this file; None: of one in the open."""
    if key is None:
        return dict(os.environ)
    return {**os.environ, IN_THE_OPEN: "0", KEY: str(key)}


@contextmanager
def proving(key: Path | None) -> Iterator[None]:
    """Have whatever this process starts meanwhile show the key; one thread at a time."""
    before = dict(os.environ)
    meanwhile = shown(key)
    os.environ.clear()
    os.environ.update(meanwhile)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
