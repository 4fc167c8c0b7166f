"""The format of a store, version 1, and the bounds within which one is believed.

Law: nouns and checks, no file. Little-endian throughout.

    head     "LEPSTORE", version (u32), 0 (u32), offset, stored bytes, length of the index (u64 each), its sha256
    body     packed tensors (lepton_edge.wire.packed), equal contents once; the packed graph; the packed index
    index    JSON {"format": 1, "graph": PLACE, "tensors": [PLACE, ...]}, PLACE = [name, offset, stored, length, sha256]
    graph    the ONNX model; an initializer that lies outside of it has `slot` = its place in "tensors"
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

from lepton_edge.compress.errors import CorruptStore
from partitioner.units import Bytes, Sha256

SUFFIX = ".lepton"
MAGIC = b"LEPSTORE"
FORMAT = 1
HEAD = struct.Struct("<8sIIQQQ32s")

MAX_INDEX = 64 << 20  # bytes of the index when expanded: some 400,000 tensors
ANY_INDEX, INDEX_RATIO = (
    1 << 20,
    64,
)  # bytes of any index, and for each stored one: a sha256 in each row hardly packs
MAX_EXPANDED = (1 << 31) - 1  # bytes of all that is expanded: what an ONNX model can hold inside
ALWAYS_FINE = 256 << 20  # bytes that any store may expand to
MAX_RATIO = 1000  # beyond that: expanded bytes for each stored one

WHAT_NEXT = "copy it again from where it was made, or compress the model again"


@dataclass(frozen=True)
class StoredTensor:
    """Where one content lies: `stored` packed bytes at `offset`, which expand to `length` bytes of that sha256."""

    name: str
    offset: Bytes
    stored: Bytes
    length: Bytes
    sha256: Sha256


@dataclass(frozen=True)
class Stored:
    """What a store holds: its own bytes, the bytes of all contents expanded, the graph, each different content."""

    size: Bytes
    expanded: Bytes
    graph: StoredTensor
    tensors: tuple[StoredTensor, ...]


def index_text(graph: StoredTensor, tensors: list[StoredTensor]) -> bytes:
    """Return the index as it is stored."""
    told = {"format": FORMAT, "graph": _row(graph), "tensors": [_row(one) for one in tensors]}
    return json.dumps(told, separators=(",", ":")).encode()


def parse_index(text: bytes, size: Bytes) -> Stored:
    """Return what the index of a store of `size` bytes says.

    Raises:
        CorruptStore: it is no index, or points outside of the file or past the bounds.
    """
    try:
        told = json.loads(text)
        graph, tensors = _place(told["graph"]), tuple(map(_place, told["tensors"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CorruptStore(f"the index of the store cannot be read: {error}", WHAT_NEXT) from error
    for one in (graph, *tensors):
        if min(one.offset - HEAD.size, one.stored, one.length) < 0 or one.offset + one.stored > size:
            raise CorruptStore(f"`{one.name}` lies outside of the store's {size} bytes", WHAT_NEXT)
    expanded = Bytes(graph.length + sum(one.length for one in tensors))
    require_bounds(size, expanded)
    return Stored(size, expanded, graph, tensors)


def require_bounds(size: int, expanded: int) -> None:
    """Return where so many stored bytes may expand to so many.

    Raises:
        CorruptStore: no real model does.
    """
    if expanded > MAX_EXPANDED or expanded > max(ALWAYS_FINE, MAX_RATIO * size):
        raise CorruptStore(f"a store of {size} bytes that expands to {expanded} is not believed", WHAT_NEXT)


def _row(one: StoredTensor) -> list[Any]:
    return [one.name, one.offset, one.stored, one.length, one.sha256]


def _place(row: Any) -> StoredTensor:
    name, offset, stored, length, sha256 = row
    numbers = [offset, stored, length]
    if not (isinstance(name, str) and isinstance(sha256, str) and all(type(one) is int for one in numbers)):
        raise CorruptStore(f"the index of the store has a row that is none: {str(row)[:80]}", WHAT_NEXT)
    return StoredTensor(name, Bytes(offset), Bytes(stored), Bytes(length), Sha256(sha256))
