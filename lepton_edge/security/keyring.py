"""Secrets as files: readable by their owner alone, written whole or not at all.

Law: knows files and modes, not what is in them. On Windows the folder's own access list counts, since modes do not.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import structlog

from lepton_edge.core.errors import NotFound, StorageFull

log = structlog.get_logger("security")

FOLDER = "security"
MOST = 1 << 20  # bytes of a file that is read


class Keyring:
    """The folder `security/` in a state directory."""

    def __init__(self, state_directory: Path) -> None:
        self.folder = state_directory / FOLDER

    def path(self, name: str) -> Path:
        """Return where the file `name` is."""
        return self.folder / name

    def has(self, name: str) -> bool:
        """Say whether there is such a file."""
        return self.path(name).is_file()

    def read(self, name: str) -> bytes:
        """Return what is in the file `name`; one that others may read is made private, and said.

        Raises:
            NotFound: there is none, or it cannot be read.
        """
        return read_private(self.path(name))

    def write(self, name: str, content: bytes) -> Path:
        """Write the file `name`, whole, mode 0600 in a folder of mode 0700; return its path.

        Raises:
            StorageFull: it cannot be written.
        """
        try:
            self.folder.parent.mkdir(
                mode=0o700, parents=True, exist_ok=True
            )  # mkdir's mode is the last folder's
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise StorageFull(
                f"{self.folder} cannot be made: {error.strerror}", "choose another folder"
            ) from error
        return write_private(self.path(name), content)

    def remove(self, name: str) -> None:
        """Delete the file `name`, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            self.path(name).unlink()


def read_private(path: Path) -> bytes:
    """Return what is in a file that holds a secret, after taking it from others' eyes.

    Raises:
        NotFound: there is none, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o077:
                log.warning(
                    "a secret could be read by others of this machine; its mode is 0600 now", file=str(path)
                )
                with contextlib.suppress(OSError):  # of another owner
                    os.fchmod(file.fileno(), 0o600)
            return file.read(MOST)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", "is it there, and yours?") from error


def write_private(path: Path, content: bytes) -> Path:
    """Write a file that only its owner can read, whole or not at all; return its path.

    Raises:
        StorageFull: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise StorageFull(
            f"{path} cannot be written: {error.strerror}", "free some space, or its folder"
        ) from error
    return path
