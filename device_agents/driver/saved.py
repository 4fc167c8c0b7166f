"""The active epochs on the disk, so that a reboot without a network serves what it has.

Law: one JSON file, written whole or not at all. A file that cannot be read is put aside, not trusted.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import structlog

from device_agents.machine.events import SavedEpoch
from partitioner.nouns_json import from_json, to_json

log = structlog.get_logger("agent")

FORMAT = 1


@dataclass(frozen=True)
class SavedEpochs:
    """The file of one agent."""

    file: Path

    def write(self, epochs: tuple[SavedEpoch, ...]) -> None:
        """Replace what is saved; raises OSError when the disk refuses."""
        text = json.dumps({"format": FORMAT, "epochs": to_json(epochs)})
        write_whole(self.file, text)

    def read(self) -> tuple[SavedEpoch, ...]:
        """Return what was saved; nothing when there is no file, or none that can be read."""
        if not self.file.exists():
            return ()
        try:
            saved = json.loads(self.file.read_text(encoding="utf-8"))
            return tuple(from_json(SavedEpoch, epoch) for epoch in saved["epochs"])
        except (ValueError, TypeError, KeyError) as error:
            aside = self.file.with_suffix(".unreadable")
            self.file.replace(aside)
            log.warning("saved epochs cannot be read and were put aside", file=str(aside), error=str(error))
            return ()


def write_whole(file: Path, text: str) -> None:
    """Replace a file by `text`, or leave it as it was; raises OSError when the disk refuses."""
    fresh = file.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)
