"""What arrives with a push, written to disk piece by piece: model, manifest, labels, samples, trained codecs.

Law: checks names, order and size where the bytes come in; understands no content. Parts are spooled under
numbers of our own, so that a part's name never becomes a path. Everything lies in one folder, which the
caller deletes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from lepton_edge.coordinator.artifacts import storage
from lepton_edge.coordinator.jobs import PushJob
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.messages import AdminCall, PushModel, Upload
from partitioner.units import Bytes, ModelName

MAX_PARTS = 1024
KINDS = ("model", "manifest", "data", "labels", "sample", "coder")
NAMED = ("data", "labels", "sample", "coder")


@dataclass
class Spool:
    """An upload as it lies on disk; `files` maps a part's name to its file."""

    folder: Path
    limit: Bytes
    files: dict[str, Path] = field(default_factory=dict)
    received: int = 0
    _open: BinaryIO | None = None
    _name: str = ""

    def add(self, piece: Upload) -> None:
        """Write one piece.

        Raises InvalidInput when it does not continue the part before it, bears a bad name, or is too much;
        StorageFull when the disk is full.
        """
        self.received += len(piece.data)
        if self.received > self.limit:
            raise InvalidInput(
                f"the upload is larger than the {self.limit} bytes that this coordinator takes",
                "push fewer samples, or start the coordinator with a larger upload limit",
            )
        if self._open is None:
            self._open, self._name = self._new_file(piece.part), piece.part
        if piece.part != self._name:
            raise InvalidInput(f"part {piece.part!r} began before {self._name!r} had ended")
        with storage(self.folder):
            self._open.write(piece.data)
            if piece.last:
                self._open.close()
                self._open = None

    def finish(self) -> None:
        """Check that the upload is complete; raise InvalidInput when it is not."""
        if self._open is not None:
            raise InvalidInput(f"the upload ended in the middle of {self._name!r}", "push it again")
        if "model" not in self.files:
            raise InvalidInput("the upload holds no model", "push an ONNX file")

    def close(self) -> None:
        """Close a file that was left open."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _new_file(self, part: str) -> BinaryIO:
        kind, _, name = part.partition(":")
        if kind not in KINDS or (kind in NAMED) != bool(name):
            raise InvalidInput(f"an upload has no part called {part!r}", f"parts are {', '.join(KINDS)}")
        if part in self.files or len(self.files) >= MAX_PARTS:
            raise InvalidInput(f"part {part!r} came twice, or there are more than {MAX_PARTS} parts")
        path = self.folder / self._file_name(kind, name)
        self.files[part] = path
        with storage(self.folder):
            return path.open("wb")

    def _file_name(self, kind: str, name: str) -> str:
        if kind == "model":
            return "model.onnx"
        if kind == "data":  # found by the model, under the name that it knows: one folder, one plain name
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}", name) or name == "model.onnx":
                raise InvalidInput(f"{name!r} is no name for external data", "use a plain file name")
            return name
        suffix = PurePosixPath(name).suffix.lower()
        return f".part{len(self.files)}{suffix if re.fullmatch('[.][a-z0-9]{1,8}', suffix) else ''}"

    def job(self, push: PushModel, name: ModelName, into: Path) -> PushJob:
        """Return the job that compiles this upload."""
        return PushJob(
            name,
            str(self.files["model"]),
            str(into),
            str(self.files.get("manifest", "")),
            self._named("labels"),
            self._named("sample"),
            tuple((binding.tensor, tuple(binding.shape)) for binding in push.shapes),
            self._named("coder"),
        )

    def _named(self, kind: str) -> tuple[tuple[str, str], ...]:
        parts = [(part.partition(":"), path) for part, path in self.files.items()]
        return tuple((found[2], str(path)) for found, path in parts if found[0] == kind)


async def receive(calls: AsyncIterator[AdminCall], spool: Spool) -> None:
    """Write every piece of `calls` to disk; raise InvalidInput for anything else that comes."""
    async for piece in calls:
        if not isinstance(piece, Upload):
            raise InvalidInput(f"a push is followed by its upload, not by {type(piece).__name__}")
        await asyncio.to_thread(spool.add, piece)
    spool.finish()
