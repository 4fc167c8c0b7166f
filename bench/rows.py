"""How every bench prints a row: one JSON object a line.

Law: knows no bench. `goal` and `met` are None where an issue sets no goal.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One figure; `compared_with` says what ran beside it in the same run."""

    bench: str
    what: str
    value: float
    unit: str
    compared_with: str = ""
    goal: float | None = None
    met: bool | None = None

    def print(self) -> None:
        """Write the row to stdout at once."""
        print(json.dumps(asdict(self)), flush=True)
