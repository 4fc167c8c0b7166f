"""Stories of a decider that a person can read, told again and compared: the transcripts.

A transcript is prose, and lines that begin with "> ": what happens; below each, indented, what is to be done about it.
To write them anew after a change on purpose: LEPTON_TEST_WRITE_TRANSCRIPTS=1 pytest, then read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent / "transcripts"


def stories(kind: str) -> list[Path]:
    """Return the transcripts of one decider."""
    return sorted(FOLDER.glob(f"{kind}-*.txt"))


def tell_again(story: Path, play: Callable[[str], list[str]]) -> None:
    """Play each line of a story that happens, and compare what follows with what is written."""
    told: list[str] = []
    for line in story.read_text().splitlines():
        if line.startswith(">"):
            told += [line, *play(line[1:])]
        elif not line.startswith(" "):
            told.append(line)  # prose
    text = "\n".join(told) + "\n"
    if os.environ.get("LEPTON_TEST_WRITE_TRANSCRIPTS"):
        story.write_text(text)
    assert text == story.read_text()
