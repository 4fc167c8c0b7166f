"""What agents wrote down: lines of their logs, with the second of the wall clock and their fields.

Law: reads text; knows no agent but by the form of its lines (`timestamp='...' level='...' event='...' key=value`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

FIELD = re.compile(r"(\w+)=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\S+)")


def noted(log: Path, event: str) -> Iterator[tuple[float, dict[str, str]]]:
    """Yield (seconds since 1970, fields) of each line about `event`."""
    for line in log.read_text(errors="replace").splitlines():
        fields = {key: _plain(value) for key, value in FIELD.findall(line)}
        if fields.get("event") == event and "timestamp" in fields:
            told = datetime.fromisoformat(fields["timestamp"].replace("Z", "+00:00"))
            yield told.timestamp(), fields


def _plain(value: str) -> str:
    return shlex.split(value)[0] if value[:1] in "'\"" else value
