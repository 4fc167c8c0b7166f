"""Which tensors of a weights file are there: an append-only text file, written after the data is on the disk.

Law: a line is true or it is not there; one torn by kill -9 or power loss is ignored. `done` lines name
verified tensors, `part` lines how much of a large one was written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from partitioner.plan import WeightRef

Place = tuple[str, int, int]
"""(sha256, offset, length): the identity of a tensor in its file; names may change from book to book."""

END = "."  # the last word of every line; a torn line that the next one completes still lacks it


def place_of(ref: WeightRef) -> Place:
    """Return where `ref` lies."""
    return (str(ref.sha256), int(ref.offset), int(ref.length))


class Journal:
    """The journal of one weights file, read once and then appended to."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.done: set[Place] = set()
        self.parts: dict[Place, int] = {}
        for line in _whole_lines(file):
            self._read(line.split())

    def add(self, done: Iterable[Place], parts: dict[Place, int]) -> None:
        """Append and flush to the disk; call it after the data itself was flushed."""
        done = list(done)
        lines = [_done_line(place) for place in done]
        lines += [
            f"part {sha} {offset} {length} {count} {END}\n" for (sha, offset, length), count in parts.items()
        ]
        torn = self._ends_torn()
        with self._file.open("a", encoding="ascii") as stream:
            stream.write(("\n" if torn else "") + "".join(lines))
            stream.flush()
            os.fsync(stream.fileno())
        self.done |= set(done)
        self.parts.update(parts)

    def forget(self, place: Place) -> None:
        """Take a tensor back (it was found damaged) by writing the journal anew."""
        self.done.discard(place)
        self.parts.pop(place, None)
        fresh = self._file.with_suffix(".new")
        fresh.write_text("".join(_done_line(place) for place in sorted(self.done)))
        fresh.replace(self._file)

    def _ends_torn(self) -> bool:
        text = self._file.read_bytes() if self._file.exists() else b""
        return bool(text) and not text.endswith(b"\n")

    def _read(self, words: list[str]) -> None:
        if len(words) not in (5, 6) or words[-1] != END or not all(word.isdigit() for word in words[2:-1]):
            return
        place = (words[1], int(words[2]), int(words[3]))
        if words[0] == "done" and len(words) == 5:
            self.done.add(place)
        elif words[0] == "part" and len(words) == 6:
            self.parts[place] = int(words[4])


def _done_line(place: Place) -> str:
    sha, offset, length = place
    return f"done {sha} {offset} {length} {END}\n"


def _whole_lines(file: Path) -> list[str]:
    if not file.exists():
        return []
    text = file.read_text(encoding="ascii", errors="replace")
    return text[: text.rfind("\n") + 1].splitlines()
