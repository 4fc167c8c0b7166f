"""The state directory belongs to one process: two agents on one would overwrite each other's epochs.

Law: the system lets go of the lock however the process ends. Where it knows no such locks (Windows), nothing is held.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from lepton_edge.core.errors import AlreadyExists, StorageFull


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make the state directory where it is missing, and hold it meanwhile.

    Raises:
        StorageFull: it cannot be written.
        AlreadyExists: another agent holds it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / "lock").open("a")
    except OSError as error:
        raise StorageFull(
            f"{directory} cannot be written: {error.strerror}",
            "choose another --state-directory",
        ) from error
    with file:
        _lock(file.fileno(), directory)
        yield


def _lock(descriptor: int, directory: Path) -> None:
    if os.name != "posix":
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyExists(
            f"another agent uses {directory}",
            "start this one with another --name or --state-directory, or stop the other",
        ) from None
