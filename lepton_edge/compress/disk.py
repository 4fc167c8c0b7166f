"""Writing so that a killed process or a full disk leaves nothing half-written.

Law: whole files appear under their name at once or not at all; lines are appended whole. Knows bytes, no model.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from lepton_edge.core.errors import InvalidInput, LeptonError, StorageFull

_PART = ".part"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def refusal(path: Path, error: OSError) -> LeptonError:
    """Return the error that says why `path` cannot be written."""
    if error.errno in _FULL:
        hint = "make room; what was finished is kept, and --resume goes on from there"
        if path.is_relative_to(tempfile.gettempdir()):
            hint = "make room there, or name a folder on another disk: TMPDIR=DIR"
        return StorageFull(f"no space left to write {path}", hint)
    return InvalidInput(
        f"{path} cannot be written: {error.strerror or error}", "choose another folder with --out"
    )


def write(path: Path, content: bytes) -> None:
    """Make `content` the whole of the file `path`, or leave it as it was.

    Raises:
        StorageFull, InvalidInput: it cannot be written.
    """
    write_by(path, lambda temporary: _written(temporary, content))


def write_by(path: Path, make: Callable[[Path], object]) -> None:
    """Let `make` write a temporary file, then give it the name `path`.

    Raises:
        StorageFull, InvalidInput: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_PART}")
    with told(path):
        try:
            make(temporary)
            _synchronise(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def append(path: Path, line: bytes) -> None:
    """Append `line` and a line end, all or nothing, and wait until the disk has it.

    Raises:
        StorageFull, InvalidInput: it cannot be written.
    """
    with told(path), path.open("ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        try:
            _written_all(file.fileno(), line + b"\n")
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(before)
            raise


def forget_parts(*folders: Path) -> None:
    """Remove what killed writers left half-written in `folders`; nobody else may be writing there."""
    for folder in folders:
        for part in folder.glob(f".*{_PART}"):
            with told(part):
                part.unlink(missing_ok=True)


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn an OSError into the error that a person can act on."""
    try:
        yield
    except OSError as error:
        raise refusal(path, error) from error


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines of `path`; what a killed writer left without an end is cut off the file."""
    if not path.exists():
        return []
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        with told(path), path.open("rb+") as file:
            file.truncate(end)
    return content[:end].splitlines()


def _written(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)


def _written_all(descriptor: int, content: bytes) -> None:
    done = 0
    while done < len(content):
        done += os.write(descriptor, content[done:])


def _synchronise(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
