"""The active epochs on the disk, so that a reboot without a network serves what it has.

Law: one JSON file, written whole or not at all. A file that cannot be read is put aside, not trusted. A disk that
refuses does not stop the agent: it is told once, and tried again, since a reboot would miss what is not there.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from device_agents.machine.events import SavedEpoch
from partitioner.nouns_json import from_json, to_json
from partitioner.units import Seconds

log = structlog.get_logger("agent")

FORMAT = 1
AGAIN = Seconds(30.0)
"""What a disk refused is tried again after this."""


@dataclass
class SavedEpochs:
    """The file of one agent. `refused` writes in a row failed; `due` is what the last of them would have written."""

    file: Path
    refused: int = 0
    due: tuple[SavedEpoch, ...] = field(default=())

    def keep(self, epochs: tuple[SavedEpoch, ...]) -> None:
        """Replace what is saved, or do so later: inference goes on, only a reboot without a network would miss it."""
        try:
            self.write(epochs)
        except OSError as error:
            if not self.refused:
                log.warning(
                    "the active epochs could not be saved: free disk space; it is tried again",
                    error=str(error),
                )
            self.refused, self.due = self.refused + 1, epochs
            return
        if self.refused:
            log.info("the active epochs are saved after all", refused=self.refused)
        self.refused, self.due = 0, ()

    async def watch(self) -> None:
        """Try again from time to time what the disk refused."""
        while True:
            await asyncio.sleep(AGAIN)
            if self.refused:
                self.keep(self.due)

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
