"""How much disk the store takes, and what goes first when it must shrink.

Law: least recently used first, and never what somebody holds. An entry is an artifact's file or a blob's
folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from partitioner.units import Bytes

BLOCK = 512  # the unit of st_blocks


@dataclass(frozen=True)
class Entry:
    """Something that can be evicted as a whole; `used` is when it was last asked for (file system time)."""

    path: Path
    size: Bytes
    used: float


def entries(*folders: Path) -> list[Entry]:
    """Return what lies in the folders, least recently used first."""
    found = [_entry(path) for folder in folders for path in folder.iterdir()]
    return sorted(found, key=lambda entry: entry.used)


def touch(path: Path) -> None:
    """Note that `path` was used now."""
    os.utime(path)


def evict(found: list[Entry], surplus: int, held: Container[str]) -> int:
    """Delete unheld entries until `surplus` bytes are free; return the bytes that were freed."""
    freed = 0
    for entry in found:
        if freed >= surplus:
            break
        if entry.path.name.removesuffix(".part") not in held and _delete(entry.path):
            freed += entry.size
    return freed


def _entry(path: Path) -> Entry:
    files = [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]
    return Entry(path, Bytes(sum(_occupied(file) for file in files)), path.stat().st_mtime)


def _occupied(file: Path) -> int:
    status = file.stat()
    blocks: int | None = getattr(status, "st_blocks", None)  # a sparse file occupies less than its size
    return status.st_size if blocks is None else blocks * BLOCK


def _delete(path: Path) -> bool:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:  # Windows keeps files that a session has mapped
        return False
    return True
