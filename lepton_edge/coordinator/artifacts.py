"""Files by their content: block files, golden samples, label files; and the folders of compiled models.

Law: a file appears whole or not at all (written beside, synced, renamed) under the sha256 of its bytes, so
writing it twice is harmless and both the coordinator and its worker process may do so. A full disk is
`StorageFull`.

    artifacts/ab/ab01...   by sha256          models/NAME/VERSION/   compiled models          tmp/   gone at
    every start
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from lepton_edge.core.errors import InvalidInput, StorageFull
from partitioner.units import ModelName, ModelVersion, Sha256

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_name(name: str) -> ModelName:
    """Return `name` if a model may be called so; raise InvalidInput if not (it becomes a folder)."""
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} cannot name a model",
            "use up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit",
        )
    return ModelName(name)


class Artifacts:
    """The files below one state directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._files = directory / "artifacts"
        self._models = directory / "models"
        self.scratch = directory / "tmp"

    def prepare(self) -> None:
        """Make the folders, and remove what an earlier process left unfinished."""
        with storage(self.directory):
            shutil.rmtree(self.scratch, ignore_errors=True)
            for folder in (self._files, self._models, self.scratch):
                folder.mkdir(parents=True, exist_ok=True)

    def put(self, content: bytes) -> Sha256:
        """Keep `content` and return the sha256 that it can be asked for by."""
        sha256 = Sha256(hashlib.sha256(content).hexdigest())
        target = self._path(sha256)
        if not target.exists():
            with storage(self.directory):
                target.parent.mkdir(parents=True, exist_ok=True)
                write_whole(target, content, self.scratch)
        return sha256

    def find(self, sha256: Sha256) -> Path | None:
        """Return the file of an artifact, or None when there is none."""
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            return None
        path = self._path(sha256)
        return path if path.is_file() else None

    def sweep(self, wanted: Collection[Sha256]) -> int:
        """Delete every artifact that is not in `wanted`; return how many that were."""
        found = [path for path in self._files.glob("*/*") if path.name not in wanted]
        for path in found:
            path.unlink(missing_ok=True)
        return len(found)

    def model(self, name: ModelName, version: ModelVersion) -> Path:
        """Return the folder of a compiled model."""
        return self._models / name / version

    def versions(self) -> list[tuple[ModelName, ModelVersion]]:
        """Return the compiled models that have a folder."""
        return sorted((ModelName(p.parent.name), ModelVersion(p.name)) for p in self._models.glob("*/*"))

    def adopt(self, made: Path, name: ModelName, version: ModelVersion) -> Path:
        """Move a finished folder to its place, and return that; the same one may be there already."""
        target = self.model(name, version)
        with storage(self.directory):
            target.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(made)
            if target.exists():
                shutil.rmtree(made)
            else:
                made.rename(target)
                sync(target.parent)
        return target

    def forget(self, name: ModelName, version: ModelVersion) -> None:
        """Delete the folder of a compiled model."""
        shutil.rmtree(self.model(name, version), ignore_errors=True)

    def new_folder(self, prefix: str) -> Path:
        """Return a new empty folder for unfinished work."""
        with storage(self.directory):
            return Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=self.scratch))

    def _path(self, sha256: Sha256) -> Path:
        return self._files / sha256[:2] / sha256


def write_whole(target: Path, content: bytes, scratch: Path) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    number, name = tempfile.mkstemp(dir=scratch)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)  # it is gone already when all went well
    sync(target.parent)


def sync_folder(folder: Path) -> None:
    """Make every file below `folder` survive a power cut."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync(folder)


def sync(folder: Path) -> None:
    """Make the names in `folder` survive a power cut, where the system can."""
    if os.name == "nt":
        return  # a folder cannot be opened there
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def storage(directory: Path) -> Iterator[None]:
    """Turn a full disk into StorageFull; other failures of a disk pass."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(
                f"no space is left in {directory}", "free some space, then try again"
            ) from error
        raise
