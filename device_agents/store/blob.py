"""One weights file on this device: sparse, as large as the whole blob, filled tensor by tensor and verified.

Law: data first, then the journal. What the journal calls done was hashed when it was written, and is hashed
again at its first use in each process. A tensor may come packed: it is written expanded, and its sha256 is that of the
expanded bytes, whatever way it came. Blocking I/O runs in threads; a tensor is never held in memory as a
whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from device_agents.store.download import Fetch, RetryPolicy, pull, require_sha256
from device_agents.store.journal import Journal, Place, place_of
from lepton_edge.core.errors import CorruptFrame
from lepton_edge.core.messages import FetchRequest
from lepton_edge.wire.packed import Expander
from partitioner.plan import WeightRef
from partitioner.units import Bytes, Sha256

WEIGHTS = "weights.bin"
COMMIT_BYTES = 8 << 20  # data and journal are flushed each so many bytes
PARALLEL = 4  # tensors fetched at once: hides the delay of a link, bounds memory to a few chunks
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class _Way:
    """A way to fetch a tensor: from which byte on, and whether it may come packed."""

    start: int
    packed: bool


class WeightsFile:
    """The weights of one blob in the folder of its own that onnxruntime is pointed to."""

    def __init__(self, folder: Path, size: Bytes) -> None:
        self.folder = folder
        self._size = size
        self._lock = threading.Lock()
        self._checked: set[Place] = set()
        self._pending: set[Place] = set()
        self._written: dict[Place, int] = {}
        self._uncommitted = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / WEIGHTS
        self._journal = Journal(folder / "journal")
        self._allocate()

    def missing(self, refs: Iterable[WeightRef]) -> list[WeightRef]:
        """Return those of `refs` that are not there, or damaged, each place once; hashes at first use."""
        unique = {place_of(ref): self._fitting(ref) for ref in refs}
        return [ref for place, ref in unique.items() if not self._sound(place)]

    async def fill(
        self, refs: list[WeightRef], fetch: Fetch, policy: RetryPolicy, arrived: Callable[[int], None]
    ) -> None:
        """Fetch and verify every one of `refs`; `arrived(bytes)` as they come. Errors keep what came."""
        todo = list(reversed(refs))

        async def take() -> None:
            while todo:
                await self._fetch(todo.pop(), fetch, policy, arrived)

        takers = [asyncio.create_task(take()) for _ in range(min(PARALLEL, len(refs)))]
        try:
            await asyncio.gather(*takers)
        finally:
            for taker in takers:
                taker.cancel()
            await asyncio.gather(*takers, return_exceptions=True)
            await asyncio.to_thread(self._commit)

    def _allocate(self) -> None:
        with self._file.open("ab") as stream:
            if stream.tell() < self._size:
                stream.truncate(self._size)

    def _fitting(self, ref: WeightRef) -> WeightRef:
        require_sha256(ref.sha256)
        if ref.offset < 0 or ref.length <= 0 or ref.offset + ref.length > self._size:
            raise CorruptFrame(f"weight {ref.name!r} lies outside of its blob of {self._size} bytes")
        return ref

    def _sound(self, place: Place) -> bool:
        if place not in self._journal.done:
            return False
        if place not in self._checked:
            if self._hash(place, place[2]).hexdigest() != place[0]:
                self._journal.forget(place)
                return False
            self._checked.add(place)
        return True

    async def _fetch(
        self, ref: WeightRef, fetch: Fetch, policy: RetryPolicy, arrived: Callable[[int], None]
    ) -> None:
        place = place_of(ref)
        here = self._journal.parts.get(place, 0)
        ways = dict.fromkeys((_Way(here, packed=not here), _Way(0, packed=False)))
        for way in ways:  # what is here already was counted unpacked, and so is the rest of it
            if await self._fetch_from(way, place, fetch, policy, arrived):
                return
        raise CorruptFrame(f"weight {ref.name!r} arrived with another sha256", "push the model again")

    async def _fetch_from(
        self, way: _Way, place: Place, fetch: Fetch, policy: RetryPolicy, arrived: Callable[[int], None]
    ) -> bool:
        digest = await asyncio.to_thread(self._hash, place, way.start)
        arrived(way.start)
        expander, done = Expander(place[2]), way.start

        def sink(offset: int, data: bytes) -> None:
            nonlocal done
            digest.update(data)
            self._write(place, offset, data)
            done = offset + len(data)
            arrived(len(data))

        def expand(_offset: int, data: bytes) -> None:
            for piece in expander.feed(data):
                sink(done, piece)

        try:
            if way.start < place[2]:
                request = FetchRequest(Sha256(place[0]), Bytes(way.start), way.packed)
                packed = expand if way.packed else None
                await pull(fetch, request, sink, policy, expected=place[2], packed=packed)
        except CorruptFrame:
            if not way.packed:
                raise
        if done != place[2] or digest.hexdigest() != place[0]:
            arrived(-done)
            return False
        self._pending.add(place)
        return True

    def _write(self, place: Place, offset: int, data: bytes) -> None:
        with self._lock, self._file.open("r+b") as stream:
            stream.seek(place[1] + offset)
            stream.write(data)
            self._written[place] = offset + len(data)
            self._uncommitted += len(data)
            full = self._uncommitted >= COMMIT_BYTES
        if full:
            self._commit()

    def _commit(self) -> None:
        with self._lock:
            done, written, self._uncommitted = set(self._pending), dict(self._written), 0
            if not done and not written:
                return
            with self._file.open("r+b") as stream:
                os.fsync(stream.fileno())
            parts = {place: count for place, count in written.items() if place not in done}
            self._journal.add(done, parts)
            self._checked |= done
            self._pending -= done
            self._written = {place: count for place, count in self._written.items() if place not in done}

    def _hash(self, place: Place, length: int) -> hashlib._Hash:
        digest = hashlib.sha256()
        with self._file.open("rb") as stream:
            stream.seek(place[1])
            while length > 0 and (piece := stream.read(min(length, READ_BYTES))):
                digest.update(piece)
                length -= len(piece)
        return digest
