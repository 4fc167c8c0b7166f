"""The state directory of an agent, held by one process at a time.

Law: a lock and nothing more; the system lets go of it however the process ends.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import AlreadyExists, StorageFull


@contextlib.contextmanager
def holding(config: AgentConfig) -> Iterator[None]:
    """Hold the state directory: two agents on one would overwrite each other's epochs."""
    try:
        config.state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (config.state_directory / "lock").open("a")
    except OSError as error:
        raise StorageFull(
            f"{config.state_directory} cannot be written: {error.strerror}",
            "choose another --state-directory",
        ) from error
    with file:
        _lock(file.fileno(), config)
        yield


def _lock(descriptor: int, config: AgentConfig) -> None:
    if os.name != "posix":
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyExists(
            f"another agent uses {config.state_directory}",
            "start this one with another --name or --state-directory, or stop the other",
        ) from None
