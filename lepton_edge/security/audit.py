"""Who did what: lines that are only ever added, one JSON object each.

Law: takes what it is told and decides nothing; what it is told never holds a secret. Bounded: the file is turned over
when it is full, and the oldest is deleted. What cannot be written is said in the log, and stops nobody.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger("security")

FILE = "audit.jsonl"
MOST_BYTES = 8 << 20
MOST_FILES = 4
MOST_TEXT = 300  # characters of one field


@dataclass(frozen=True)
class Deed:
    """One line. `at` is seconds since 1970; `who` did `what` to `whom`; `outcome` is "ok" or an error's code."""

    at: float
    who: str
    role: str
    what: str
    whom: str = ""
    outcome: str = "ok"
    peer: str = ""
    message: str = ""


class Audit:
    """The audit log in a folder."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path = folder / FILE
        self._most = most_bytes

    def note(self, deed: Deed) -> None:
        """Add a line."""
        fields = {name: _short(value) for name, value in dataclasses.asdict(deed).items() if value != ""}
        line = json.dumps(fields, separators=(",", ":")) + "\n"
        try:
            self._turn_over(len(line))
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            log.warning("the audit log cannot be written", file=str(self.path), error=str(error), **fields)

    def _turn_over(self, more: int) -> None:
        size = self.path.stat().st_size if self.path.exists() else 0
        if size + more <= self._most or size == 0:
            return
        for number in range(MOST_FILES - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._older(number).replace(self._older(number + 1))
        self.path.replace(self._older(1))
        with contextlib.suppress(FileNotFoundError):
            self._older(MOST_FILES).unlink()

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{FILE}.{number}")


def _short(value: object) -> object:
    return value[:MOST_TEXT] if isinstance(value, str) else value
