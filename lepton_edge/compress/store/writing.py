"""A model into a store.

Law: one tensor at a time, one slab of it at a time; the file appears whole or not at all, and the model that it was
given stays as it was.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from onnx import ModelProto, TensorProto

from lepton_edge.compress.store.layout import (
    FORMAT,
    HEAD,
    MAGIC,
    Stored,
    StoredTensor,
    index_text,
    require_bounds,
)
from lepton_edge.core.errors import StorageFull
from lepton_edge.wire.packed import packed_pieces
from partitioner.onnx_io import blob, scope
from partitioner.units import Bytes, Sha256

LOCATION = "store"
"""What an initializer outside of the graph has as its external location; `slot` says which tensor of the store."""

_NOWHERE = Path("/nonexistent")  # the room's models hold their initializers inside
_CONTENTS = frozenset(
    ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "data_location")
)


def write(model: ModelProto, path: Path) -> Stored:
    """Write `model`, with all its initializers inside, to the store `path` and return what that holds.

    Raises:
        StorageFull: no space is left; nothing is there then.
        CorruptStore: it shrinks more than any reader would believe.
    """
    with _whole_file(path) as file:
        file.write(bytes(HEAD.size))
        stored, head = _fill(model, file.write)
        file.seek(0)
        file.write(head)
    return stored


def stored_size(model: ModelProto) -> Bytes:
    """Return the bytes of the store of `model` without writing one."""
    return _fill(model, len)[0].size


def _fill(model: ModelProto, sink: Callable[[bytes], int]) -> tuple[Stored, bytes]:
    """Pass all that follows the head to `sink`; return what there is then, and the head."""
    body = _Body(sink)
    text = _slim(model, body).SerializeToString(deterministic=True)
    graph = body.add("graph", text)
    index = index_text(graph, body.tensors)
    place = body.add("index", index)
    expanded = Bytes(graph.length + sum(one.length for one in body.tensors))
    require_bounds(body.end, expanded)
    digest = hashlib.sha256(index).digest()
    head = HEAD.pack(MAGIC, FORMAT, 0, place.offset, place.stored, place.length, digest)
    return Stored(Bytes(body.end), expanded, graph, tuple(body.tensors)), head


class _Body:
    """What follows the head: contents one behind the other, equal ones once."""

    def __init__(self, sink: Callable[[bytes], int]) -> None:
        self._sink = sink
        self._slots: dict[Sha256, int] = {}
        self.tensors: list[StoredTensor] = []
        self.end = HEAD.size

    def slot(self, tensor: TensorProto) -> int:
        """Store the content of `tensor`, or find it where it lies, and return its place in `tensors`."""
        content = blob.content(tensor, _NOWHERE)
        sha256 = Sha256(hashlib.sha256(content).hexdigest())
        if sha256 not in self._slots:
            count, row = math.prod(tensor.dims), math.prod(tensor.dims[1:])
            itemsize = len(content) // count if count and len(content) % count == 0 else 1
            self._slots[sha256] = len(self.tensors)
            self.tensors.append(self.add(tensor.name, content, itemsize, row))
        return self._slots[sha256]

    def add(self, name: str, content: bytes | memoryview, itemsize: int = 1, row: int = 0) -> StoredTensor:
        """Store `content` behind what is there."""
        begin = self.end
        for piece in packed_pieces(content, itemsize, row):
            self._sink(piece)
            self.end += len(piece)
        sha256 = Sha256(hashlib.sha256(content).hexdigest())
        return StoredTensor(name, Bytes(begin), Bytes(self.end - begin), Bytes(len(content)), sha256)


def _slim(model: ModelProto, body: _Body) -> ModelProto:
    """Return `model` with its large initializers in `body`; never a copy of all of it in memory."""
    slim = ModelProto()
    _copy_all_but(model, slim, {"graph"})
    _copy_all_but(model.graph, slim.graph, {"initializer"})
    for tensor in model.graph.initializer:
        slim.graph.initializer.append(_pointer(tensor, body) if _moves(tensor) else tensor)
    for inner in list(scope.all_graphs(slim.graph))[1:]:
        for tensor in inner.initializer:
            if _moves(tensor):
                tensor.CopyFrom(_pointer(tensor, body))
    return slim


def _moves(tensor: TensorProto) -> bool:
    string = tensor.data_type == TensorProto.STRING
    return not string and blob.content_size(tensor, _NOWHERE) >= blob.MIN_EXTERNAL


def _pointer(tensor: TensorProto, body: _Body) -> TensorProto:
    kept = TensorProto()
    _copy_all_but(tensor, kept, _CONTENTS)
    kept.data_location = TensorProto.EXTERNAL
    kept.external_data.add(key="location", value=LOCATION)
    kept.external_data.add(key="slot", value=str(body.slot(tensor)))
    return kept


def _copy_all_but(source: Any, into: Any, left_out: Collection[str]) -> None:
    for field, value in source.ListFields():
        if field.name in left_out:
            continue
        if isinstance(value, (str, bytes, int, float)):
            setattr(into, field.name, value)
        else:  # a message, or a list
            getattr(into, field.name).MergeFrom(value)


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that becomes `path` when all went well, and nothing otherwise."""
    name = ""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            name = file.name
            yield cast(BinaryIO, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(f"no space is left for {path}", "free some space, then try again") from error
        raise
    finally:
        if name:
            Path(name).unlink(missing_ok=True)  # it is gone already when all went well
