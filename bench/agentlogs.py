"""What agents wrote down: lines of their logs, with the second of the wall clock and their fields.

Law: reads text; knows no agent but by the form of its lines (`TIME level    event  key=value key="two words"`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

LINE = re.compile(r"(\S+)Z \w+ +(.*?)(?:  (\w+=.*))?")
FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def noted(log: Path, event: str) -> Iterator[tuple[float, dict[str, str]]]:
    """Yield (seconds since 1970, fields) of each line about `event`."""
    for line in log.read_text(errors="replace").splitlines():
        read = LINE.fullmatch(line)
        if read and read[2] == event:
            told = datetime.fromisoformat(f"{read[1]}+00:00")
            yield told.timestamp(), {key: _plain(value) for key, value in FIELD.findall(read[3] or "")}


def _plain(value: str) -> str:
    return str(json.loads(value)) if value.startswith('"') else value
