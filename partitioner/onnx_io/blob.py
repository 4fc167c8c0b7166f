"""Initializers and the files their bytes lie in: the weights blob.

Law: bytes and offsets only; it does not know what a weight means. Equal contents are stored once whatever
their names (tied weights), large tensors begin on a page so that a device can map them, and nothing is read
that is not needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from onnx import TensorProto, numpy_helper

from partitioner.errors import InvalidModel

WEIGHTS_FILE = "weights.bin"
MIN_EXTERNAL = 1024  # bytes; smaller initializers (shapes, scalars) stay in the graph file
PAGE, LINE = 4096, 64
PAGE_FROM = 64 * 1024


@dataclass(frozen=True)
class Span:
    """Where some bytes lie in a blob, and their SHA-256 in hex."""

    offset: int
    length: int
    sha256: str


class BlobWriter:
    """Writes contents one behind the other, aligned, equal ones once. Close it before reading."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._spans: dict[str, Span] = {}
        self._end = 0
        self._digest = hashlib.sha256()

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, content: bytes | memoryview) -> Span:
        """Store `content`, or find it where it already lies, and return its span."""
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 not in self._spans:
            self._pad(PAGE if len(content) >= PAGE_FROM else LINE)
            self._spans[sha256] = Span(self._end, len(content), sha256)
            self._write(content)
        return self._spans[sha256]

    def _pad(self, alignment: int) -> None:
        self._write(bytes(-self._end % alignment))

    def _write(self, content: bytes | memoryview) -> None:
        self._file.write(content)
        self._digest.update(content)
        self._end += len(content)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._end

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes written so far, in hex."""
        return self._digest.hexdigest()


def spill(tensors: Iterable[TensorProto], folder: Path, writer: BlobWriter, location: str) -> dict[str, Span]:
    """Move the contents of all large `tensors` to `writer` and let them point there as file `location`.

    `folder` is where contents that are external already lie. Tensors that stay in the graph are left alone,
    but for small external ones, which are taken in. Returns the spans by tensor name.
    """
    spans = {}
    for tensor in tensors:
        if tensor.data_type == TensorProto.STRING:
            continue
        if content_size(tensor, folder) >= MIN_EXTERNAL:
            span = writer.add(content(tensor, folder))
            point(tensor, location, span)
            spans[tensor.name] = span
        elif is_external(tensor):
            take_in(tensor, folder)
    return spans


def external_files(tensors: Iterable[TensorProto], folder: Path) -> list[Path]:
    """Return the files that external `tensors` lie in, each once, by name."""
    return sorted({_place(one, folder)[0] for one in tensors if is_external(one)})


def is_external(tensor: TensorProto) -> bool:
    """Return whether the bytes of `tensor` lie in another file."""
    return tensor.data_location == TensorProto.EXTERNAL


def content(tensor: TensorProto, folder: Path) -> bytes | memoryview:
    """Return the little-endian bytes of `tensor`; external ones are mapped from `folder`, not copied."""
    if is_external(tensor):
        return _external_content(tensor, folder)
    if tensor.HasField("raw_data"):
        return tensor.raw_data
    return numpy_helper.from_array(numpy_helper.to_array(tensor)).raw_data


def content_size(tensor: TensorProto, folder: Path) -> int:
    """Return how many bytes `content` would return, without reading them where that can be told."""
    if is_external(tensor):
        return _place(tensor, folder)[2]
    return len(tensor.raw_data) if tensor.HasField("raw_data") else len(content(tensor, folder))


def point(tensor: TensorProto, location: str, span: Span) -> None:
    """Let `tensor` hold no bytes of its own but refer to `span` of the file `location`."""
    kept = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    kept.data_location = TensorProto.EXTERNAL
    entries = {"location": location, "offset": str(span.offset), "length": str(span.length)}
    for key, value in entries.items():
        kept.external_data.add(key=key, value=value)
    tensor.CopyFrom(kept)


def take_in(tensor: TensorProto, folder: Path) -> None:
    """Let an external `tensor` hold its bytes itself."""
    inside = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    inside.raw_data = bytes(content(tensor, folder))
    tensor.CopyFrom(inside)


def _external_content(tensor: TensorProto, folder: Path) -> memoryview:
    path, offset, length = _place(tensor, folder)
    if length == 0:
        return memoryview(b"")
    return np.memmap(path, np.uint8, "r", offset, (length,)).data


def _place(tensor: TensorProto, folder: Path) -> tuple[Path, int, int]:
    entries = {one.key: one.value for one in tensor.external_data}
    path = _inside(folder, entries.get("location", ""), tensor.name)
    try:
        available = path.stat().st_size
        offset = int(entries.get("offset") or 0)
        length = int(entries.get("length") or available - offset)
    except (OSError, ValueError) as error:
        raise InvalidModel(
            f"the external data of `{tensor.name}` cannot be read: {error}", _EXTERNAL_HINT
        ) from error
    if offset < 0 or length < 0 or offset + length > available:
        raise InvalidModel(
            f"`{tensor.name}` lies at {offset}+{length} of {path.name}: {available} bytes", _EXTERNAL_HINT
        )
    return path, offset, length


def _inside(folder: Path, location: str, name: str) -> Path:
    path = (folder / location).resolve()
    if not location or not path.is_relative_to(folder.resolve()):
        raise InvalidModel(
            f"`{name}` has external data at {location!r}, outside the model's folder", _EXTERNAL_HINT
        )
    return path


_EXTERNAL_HINT = "external data must lie whole beside the model file"
