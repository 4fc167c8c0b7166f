"""A process's state is its owner's alone: what it writes, and what an older release left open.

Law: knows modes, not files. The process's own mask makes every file private from its first byte on; on Windows the
folder's access list counts, since modes do not.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

import structlog

from lepton_edge.security.keyring import FOLDER

log = structlog.get_logger("security")

OTHERS = 0o077
"""What group and others may do: nothing."""
OURS = (
    *("artifacts", "models", "tmp", "blobs", "near", FOLDER, "restore-"),
    *("coordinator.db", "lock", "epochs", "leader.json", "lost+found"),
)
"""How the names begin of what lies in a state directory."""


def mask() -> None:
    """Let only this user read what this process writes from now on: for good, so for a process of its own."""
    if os.name == "posix":
        os.umask(OTHERS)


def keep(directory: Path) -> None:
    """Let only this user read what is in `directory`; say so where others could.

    A folder in which other things lie too (somebody's home, /srv) is not only ours to close: there it is our secrets.
    """
    if os.name != "posix":
        return
    if (
        not os.access(directory, os.R_OK | os.X_OK) or not directory.is_dir()
    ):  # to be made, or not this user's
        return
    others = foreign(directory)
    mended = mend(directory / FOLDER if others else directory)
    if mended:
        log.warning(
            "state that others of this machine could read is its owner's alone now",
            directory=str(directory),
            files=mended,
        )
    if others and directory.stat().st_mode & OTHERS:
        log.warning(
            "state lies among other things, and others may look there: give it a directory of its own",
            directory=str(directory),
            others=others[:3],
            do="--state-directory",
        )


def foreign(directory: Path) -> list[str]:
    """Return the names of what lies in `directory` and is no state."""
    return sorted(one.name for one in directory.iterdir() if not one.name.lstrip(".").startswith(OURS))


def mend(directory: Path) -> int:
    """Take what others may do from `directory` and everything in it; return of how many files and folders.

    Links are not followed, and what belongs to somebody else stays as it is.
    """
    return sum(_closed(path) for path in (directory, *directory.rglob("*")))


def _closed(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        mode = path.lstat().st_mode
        if mode & OTHERS and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~OTHERS)
            return True
    return False
