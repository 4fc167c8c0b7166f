"""The active epochs on the disk, so that a reboot without a network serves what it has.

Law: an index, written whole or not at all, names one JSON file for each epoch by what is in it: a change writes
the epochs that changed, since a cloud serves hundreds of boards. A file that cannot be read is put aside, not
trusted. A disk that refuses does not stop the agent: it is told once, and tried again, since a reboot would miss
what is not there.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from device_agents.machine.events import SavedEpoch
from partitioner.nouns_json import from_json, to_json
from partitioner.units import Seconds

log = structlog.get_logger("agent")

FORMAT = 2
"""Of the index. In format 1 it held the epochs themselves; that is still read."""
AGAIN = Seconds(30.0)
"""What a disk refused is tried again after this."""
UNREADABLE = ".unreadable"
UNSOUND = (ValueError, TypeError, KeyError)
"""What reading JSON that is not as it was written fails with."""
Key = tuple[str, int]


@dataclass(frozen=True)
class _Written:
    """An epoch that lies on the disk, and the name of its file."""

    epoch: SavedEpoch
    name: str


@dataclass
class SavedEpochs:
    """The index of one agent, beside the folder of its epochs.

    `refused` writes in a row failed; `due` is what the last of them would have written.
    """

    file: Path
    refused: int = 0
    due: tuple[SavedEpoch, ...] = field(default=())
    _written: dict[Key, _Written] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Return where the epochs themselves lie."""
        return self.file.with_suffix("")

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
        """Replace what is saved; raises OSError when the disk refuses, and what was saved stays."""
        self.folder.mkdir(exist_ok=True)
        self._written = {_key(one): self._on_disk(one) for one in epochs}
        index = [
            {"model": model, "epoch": epoch, "file": written.name}
            for (model, epoch), written in self._written.items()
        ]
        write_whole(self.file, json.dumps({"format": FORMAT, "epochs": index}))
        self._forget_others()

    def _on_disk(self, epoch: SavedEpoch) -> _Written:
        """Return an epoch with the file that holds it, which is written if there is none."""
        known = self._written.get(_key(epoch))
        if known is not None and known.epoch == epoch:
            return known
        text = json.dumps({"epoch": to_json(epoch)})
        name = f"{hashlib.sha256(text.encode()).hexdigest()}.json"
        write_whole(self.folder / name, text)
        return _Written(epoch, name)

    def _forget_others(self) -> None:
        """Remove the files that the index no longer names, and what writes that died have left."""
        named = {written.name for written in self._written.values()}
        for file in self.folder.iterdir():
            if file.name not in named and file.suffix != UNREADABLE:
                file.unlink(missing_ok=True)

    def read(self) -> tuple[SavedEpoch, ...]:
        """Return what was saved and can be read, in the order of activation; nothing when there is no file."""
        if not self.file.exists():
            return ()
        try:
            listed = list(_listed(json.loads(self.file.read_text(encoding="utf-8"))))
        except UNSOUND as error:
            _put_aside(self.file, error)
            return ()
        found = [one if isinstance(one, SavedEpoch) else self._read(one) for one in listed]
        return tuple(one for one in found if one is not None)

    def _read(self, name: str) -> SavedEpoch | None:
        """Return the epoch in one file, and remember that it lies there; the others are served without it."""
        file = self.folder / name
        try:
            epoch = from_json(SavedEpoch, json.loads(file.read_text(encoding="utf-8"))["epoch"])
        except FileNotFoundError as error:
            log.warning("a saved epoch is not there", file=str(file), error=str(error))
            return None
        except UNSOUND as error:
            _put_aside(file, error)
            return None
        self._written[_key(epoch)] = _Written(epoch, name)
        return epoch


def served(file: Path) -> list[Key]:
    """Return the models and epochs that an index names, without their epochs being read.

    Raises:
        OSError, ValueError, TypeError, KeyError: it is not there, or not as it was written.
    """
    told = json.loads(file.read_text(encoding="utf-8"))
    return [
        (one["model"] if "model" in one else one["book"]["model"], one["epoch"]) for one in told["epochs"]
    ]


def _listed(index: Any) -> Iterator[SavedEpoch | str]:
    """Yield the names of the files that an index names; of format 1 the epochs that it holds."""
    for one in index["epochs"]:
        yield Path(one["file"]).name if "file" in one else from_json(SavedEpoch, one)


def _key(epoch: SavedEpoch) -> Key:
    return epoch.book.model, epoch.epoch


def _put_aside(file: Path, error: Exception) -> None:
    aside = file.with_suffix(UNREADABLE)
    file.replace(aside)
    log.warning("saved epochs cannot be read and were put aside", file=str(aside), error=str(error))


def write_whole(file: Path, text: str) -> None:
    """Replace a file by `text`, or leave it as it was; raises OSError when the disk refuses."""
    fresh = file.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)
