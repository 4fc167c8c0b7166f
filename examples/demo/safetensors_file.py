"""Reads a safetensors file into numpy arrays, memory-mapped.

The file is an eight-byte header length, a JSON header (name: dtype, shape, begin and end of its bytes)
and the bytes. Law: the header is bounded before it is read, and every tensor lies inside the file, has
the bytes its shape asks for and shares none of them, before the first array is made.
"""

from __future__ import annotations

import json
import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from examples.demo.errors import SafetensorsFileError

Array: TypeAlias = NDArray[np.generic]

MAX_HEADER_BYTES: Final = 16 << 20
MAX_DIMENSIONS: Final = 8
_LENGTH: Final = struct.Struct("<Q")
_METADATA: Final = "__metadata__"
# BF16 and the F8 kinds are missing on purpose: numpy has no such dtype.
_DTYPES: Final = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "?",
}


@dataclass(frozen=True)
class _Entry:
    """One tensor of the header; begin and end in bytes after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def load(path: Path) -> dict[str, Array]:
    """Return every tensor of the file at `path` by name, as read-only views of the mapped file.

    Raises:
        SafetensorsFileError: not a safetensors file, damaged, or with a dtype that numpy does not know.
        OSError: the file cannot be read.
    """
    if path.stat().st_size < _LENGTH.size:
        raise _damaged(f"{path.name} is too short for a header")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return parse(mapped)


def parse(content: bytes | mmap.mmap) -> dict[str, Array]:
    """Return every tensor of a whole file given as bytes or as a mapping; see `load`."""
    if len(content) < _LENGTH.size:
        raise _damaged("the file is too short for a header")
    (length,) = _LENGTH.unpack_from(content, 0)
    start = _LENGTH.size + length
    if length > MAX_HEADER_BYTES or start > len(content):
        raise _damaged(f"the header claims {length} bytes")
    entries = _entries(content[_LENGTH.size : start])
    _check_layout(entries, len(content) - start)
    return {entry.name: _view(content, start, entry) for entry in entries}


def _damaged(what: str) -> SafetensorsFileError:
    return SafetensorsFileError(f"{what}: this is no whole safetensors file; fetch it again")


def _view(content: bytes | mmap.mmap, start: int, entry: _Entry) -> Array:
    count = math.prod(entry.shape)
    flat = (
        np.frombuffer(content, entry.dtype, count, start + entry.begin) if count else np.empty(0, entry.dtype)
    )
    return flat.reshape(entry.shape)


def _entries(header: bytes) -> list[_Entry]:
    try:
        described = json.loads(header, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _damaged(f"the header is no JSON ({error})") from error
    if not isinstance(described, dict):
        raise _damaged("the header is no JSON object")
    return [_entry(name, fields) for name, fields in described.items() if name != _METADATA]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _damaged("the header names something twice")
    return members


def _entry(name: str, fields: object) -> _Entry:
    if not isinstance(fields, dict) or not {"dtype", "shape", "data_offsets"} <= fields.keys():
        raise _damaged(f"tensor {name[:80]!r} has no dtype, shape or place")
    dtype = fields["dtype"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        known = ", ".join(_DTYPES)
        raise SafetensorsFileError(
            f"tensor {name[:80]!r} is of kind {str(dtype)[:20]!r} and only {known} are read: convert it"
        )
    shape, place = _naturals(name, fields["shape"]), _naturals(name, fields["data_offsets"])
    if len(shape) > MAX_DIMENSIONS or len(place) != 2:
        raise _damaged(f"tensor {name[:80]!r} has {len(shape)} dimensions and {len(place)} offsets")
    return _Entry(name, _DTYPES[dtype], shape, *place)


def _naturals(name: str, values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int and value >= 0 for value in values):
        raise _damaged(f"tensor {name[:80]!r} has a shape or place that is no list of counts")
    return tuple(values)


def _check_layout(entries: list[_Entry], size: int) -> None:
    """Tensors must follow each other without holes or overlaps and fill the `size` bytes after the header."""
    position = 0
    for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
        wanted = math.prod(entry.shape) * np.dtype(entry.dtype).itemsize
        if entry.begin != position or entry.end - entry.begin != wanted:
            place = f"lies at {entry.begin} to {entry.end}"
            raise _damaged(f"tensor {entry.name[:80]!r} {place} and needs {wanted} bytes after {position}")
        position = entry.end
    if position != size:
        raise _damaged(f"tensors take {position} bytes and the file has {size}")
