"""What one witness says, read as it says it: what is under way, what ended and how.

Law: reads lines in a thread of its own and keeps them; judges nothing.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import IO, Any

RECENT = 64


@dataclass(frozen=True)
class Ended:
    """One request that ended: seconds of the machine's monotonic clock, and what `witness` says of it."""

    witness: str
    number: int
    sent: float
    at: float
    told: dict[str, Any]

    @property
    def verdict(self) -> str:
        """Return "right", "wrong", "error" or "untyped"."""
        return str(self.told["verdict"])

    @property
    def what(self) -> str:
        """Return the verdict, or the code of the error."""
        return str(self.told.get("code") or self.verdict)


@dataclass
class Testimony:
    """The lines of one witness."""

    witness: str
    under_way: dict[int, float] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    recent: deque[Ended] = field(default_factory=lambda: deque(maxlen=RECENT))
    doubled: list[str] = field(default_factory=list)
    given_up: int = 0
    unheeded: int = 0
    complete: bool = False
    """Whether the witness lived to say what was doubled."""

    def read(self, stdout: IO[str]) -> threading.Thread:
        """Read until the witness ends; return the thread that does."""
        reader = threading.Thread(target=self._read, args=(stdout,), daemon=True)
        reader.start()
        return reader

    def _read(self, stdout: IO[str]) -> None:
        with stdout:
            for line in stdout:
                if line.endswith("\n"):  # else it was killed in the middle of a word
                    self.hear(json.loads(line))

    def hear(self, told: dict[str, Any]) -> None:
        """Take one line."""
        if "sent" in told:
            self.under_way[told["sent"]] = told["at"]
        elif "ended" in told:
            sent = self.under_way.pop(told["ended"])
            one = Ended(self.witness, told["ended"], sent, told["at"], told)
            self.ended.append(one)
            self.recent.append(one)
        else:
            self.doubled, self.complete = told["doubled"], True
            self.given_up, self.unheeded = told["given_up"], told["unheeded"]
