"""The device's store: the one door to artifacts and weights.

Law: after an error nothing is half there. A file under its final name is whole and verified; a full disk is
found before the first byte is written where sizes are known, and becomes StorageFull in any case.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

from device_agents.store.blob import WeightsFile
from device_agents.store.cache import entries, evict, touch
from device_agents.store.download import Fetch, RetryPolicy, pull, require_sha256
from lepton_edge.core.errors import CorruptFrame, StorageFull
from lepton_edge.core.messages import FetchRequest
from partitioner.plan import WeightRef
from partitioner.units import Bytes, Sha256

RESERVE = 16 << 20  # bytes of disk left to others
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
Progress = Callable[[int, int], None]
"""Called with (bytes here, bytes in all); the second is 0 while it is unknown."""


def no_progress(here: int, total: int) -> None:
    """Report to nobody."""


class ArtifactStore:
    """Artifacts and weights by sha256, at most `limit` bytes of them (what is held counts, but stays)."""

    def __init__(self, directory: Path, limit: Bytes, policy: RetryPolicy | None = None) -> None:
        self._artifacts = directory / "artifacts"
        self._blobs = directory / "blobs"
        self._limit = limit
        self._policy = policy or RetryPolicy()
        self._holders: dict[str, frozenset[str]] = {}
        self._busy: Counter[str] = Counter()
        self._locks: dict[str, asyncio.Lock] = {}
        self._open: dict[str, WeightsFile] = {}
        self._verified: set[str] = set()
        with _storage_errors():
            self._artifacts.mkdir(parents=True, exist_ok=True)
            self._blobs.mkdir(parents=True, exist_ok=True)

    def hold(self, owner: str, names: Iterable[Sha256]) -> None:
        """Never evict these artifacts and blobs until `release(owner)`; replaces what the owner held."""
        self._holders[owner] = frozenset(names)

    def release(self, owner: str) -> None:
        """Let go of everything that `owner` held."""
        self._holders.pop(owner, None)

    def occupied(self) -> Bytes:
        """Return the bytes of disk that the store takes."""
        return Bytes(sum(entry.size for entry in entries(self._artifacts, self._blobs)))

    async def artifact(self, name: Sha256, fetch: Fetch, progress: Progress = no_progress) -> Path:
        """Return the file of an artifact, fetching what of it is not here; the file is whole and verified.

        Raises:
            StorageFull: no space.
            CorruptFrame: what arrived has another sha256.
            NotFound, Unavailable: from the fetch.
        """
        final = self._artifacts / require_sha256(name)
        async with self._using(name):
            if not await asyncio.to_thread(self._whole, final):
                await self._fetch_artifact(final, fetch, progress)
            touch(final)
            return final

    async def weights(
        self,
        blob: Sha256,
        size: Bytes,
        refs: Iterable[WeightRef],
        fetch: Fetch,
        progress: Progress = no_progress,
    ) -> Path:
        """Return the folder whose weights.bin holds every one of `refs`; fetches what is missing.

        `size` is the whole blob's; the file is sparse and takes only what was fetched. Errors as `artifact`.
        """
        async with self._using(require_sha256(blob)):
            with _storage_errors():
                weights = self._open_weights(blob, size)
                missing = await asyncio.to_thread(weights.missing, refs)
                await self._fetch_weights(weights, missing, fetch, progress)
                touch(weights.folder)
            return weights.folder

    @contextlib.asynccontextmanager
    async def _using(self, name: str) -> AsyncIterator[None]:
        self._busy[name] += 1
        lock = self._locks.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            self._busy[name] -= 1
            if self._busy[name] == 0:
                del self._busy[name]
                self._locks.pop(name, None)

    def _whole(self, final: Path) -> bool:
        if not final.exists():
            return False
        if final.name not in self._verified:
            if hashlib.sha256(final.read_bytes()).hexdigest() != final.name:
                final.unlink()
                return False
            self._verified.add(final.name)
        return True

    async def _fetch_artifact(self, final: Path, fetch: Fetch, progress: Progress) -> None:
        part = final.with_name(final.name + ".part")
        starts = dict.fromkeys((part.stat().st_size if part.exists() else 0, 0))
        for start in starts:  # when what a former process left does not fit, once more from the beginning
            if await self._fetch_part(part, start, fetch, progress):
                part.replace(final)
                _flush_folder(self._artifacts)
                self._verified.add(final.name)
                return
        raise CorruptFrame(f"artifact {final.name[:12]} arrived with another sha256", "push the model again")

    async def _fetch_part(self, part: Path, start: int, fetch: Fetch, progress: Progress) -> bool:
        name = part.name.removesuffix(".part")
        await asyncio.to_thread(self._make_room, RESERVE)
        try:
            with _storage_errors(), part.open("ab") as stream:
                stream.truncate(start)
                digest = hashlib.sha256(part.read_bytes())

                def sink(offset: int, data: bytes) -> None:
                    stream.write(data)
                    digest.update(data)
                    progress(offset + len(data), 0)

                if digest.hexdigest() != name:
                    await pull(fetch, FetchRequest(Sha256(name), Bytes(start)), sink, self._policy)
                stream.flush()
                os.fsync(stream.fileno())
        except (StorageFull, CorruptFrame):
            part.unlink(missing_ok=True)
            raise
        if digest.hexdigest() == name:
            return True
        part.unlink()
        return False

    def _open_weights(self, blob: Sha256, size: Bytes) -> WeightsFile:
        folder = self._blobs / blob
        if blob not in self._open or not folder.exists():
            self._open[blob] = WeightsFile(folder, size)
        return self._open[blob]

    async def _fetch_weights(
        self, weights: WeightsFile, missing: list[WeightRef], fetch: Fetch, progress: Progress
    ) -> None:
        total = sum(ref.length for ref in missing)
        here = 0

        def arrived(count: int) -> None:
            nonlocal here
            here += count
            progress(here, total)

        if missing:
            await asyncio.to_thread(self._make_room, total + RESERVE)
            await weights.fill(missing, fetch, self._policy, arrived)

    def _make_room(self, need: int) -> None:
        held = {name for names in self._holders.values() for name in names} | set(self._busy)
        found = entries(self._artifacts, self._blobs)
        free = shutil.disk_usage(self._artifacts).free
        surplus = max(sum(entry.size for entry in found) + need - RESERVE - self._limit, need - free)
        if surplus <= 0:
            return
        freed = evict(found, surplus, held)
        self._open = {name: weights for name, weights in self._open.items() if weights.folder.exists()}
        if freed < surplus:
            raise StorageFull(
                f"{need / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB of disk are free, "
                f"the store may take {self._limit / 1e6:.0f} MB",
                "free disk space, remove models, or raise the store's limit",
            )


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StorageFull(
                f"the disk is full: {error.strerror}", "free disk space, then try again"
            ) from error
        if isinstance(error, PermissionError):
            raise StorageFull(
                f"the store cannot be written: {error}", "check the state directory's owner"
            ) from error
        raise


def _flush_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
