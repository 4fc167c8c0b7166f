"""A coordinator's artifact door in memory, that can be made to fail."""

from __future__ import annotations

import hashlib

import numpy as np

from lepton_edge.core.errors import NotFound, Unavailable
from lepton_edge.core.messages import FetchChunk
from partitioner.plan import WeightRef


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Origin:
    def __init__(self, *artifacts: bytes, chunk: int = 1000):
        self.artifacts = {sha256(one): one for one in artifacts}
        self.chunk = chunk
        self.requests = []
        self.break_after = []  # for each coming request: bytes after which it fails
        self.served = 0
        self.packs = None  # what answers instead, packed, for those that can read it: by sha256

    async def fetch(self, request):
        self.requests.append((request.sha256, request.offset))
        if request.sha256 not in self.artifacts:
            raise NotFound(f"no artifact {request.sha256}")
        whole = self.artifacts[request.sha256]
        packed = bool(request.packed and self.packs and request.sha256 in self.packs)
        whole = self.packs[request.sha256] if packed else whole
        limit = self.break_after.pop(0) if self.break_after else None
        sent = 0
        for offset in range(request.offset, max(len(whole), 1), self.chunk):
            if limit is not None and sent >= limit:
                raise Unavailable("the link broke")
            data = whole[offset : offset + self.chunk]
            sent += len(data)
            self.served += len(data)
            yield FetchChunk(offset, len(whole), data, packed)


def blob_of(*sizes: int, seed: int = 0):
    """Return (blob bytes, refs, tensors): aligned tensors in one blob, gaps between them."""
    rng = np.random.default_rng(seed)
    blob, refs, tensors = bytearray(), [], []
    for index, size in enumerate(sizes):
        blob += bytes(-len(blob) % 4096)
        tensor = rng.bytes(size)
        refs.append(WeightRef(f"w{index}", len(blob), size, sha256(tensor)))
        tensors.append(tensor)
        blob += tensor
    return bytes(blob), refs, tensors
