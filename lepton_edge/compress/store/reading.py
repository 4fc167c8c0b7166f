"""A store into a model.

Law: nothing in the file is believed: places, sizes and ratios are bounded before anything is reserved, every content is
checked by its sha256, and only contents of this very file are taken in. Whether the model computes is not asked here.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError  # what onnx raises for bytes that are no model
from onnx import ModelProto, TensorProto, helper

from lepton_edge.compress.errors import CorruptStore
from lepton_edge.compress.store.layout import (
    ANY_INDEX,
    FORMAT,
    HEAD,
    INDEX_RATIO,
    MAGIC,
    MAX_INDEX,
    WHAT_NEXT,
    Stored,
    StoredTensor,
    parse_index,
    require_bounds,
)
from lepton_edge.compress.store.writing import LOCATION
from lepton_edge.core.errors import CorruptFrame
from lepton_edge.wire.packed import expand
from partitioner.onnx_io import blob, scope
from partitioner.units import Bytes, Sha256


def is_store(path: Path) -> bool:
    """Return whether the file begins as a store does."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def contents(path: Path) -> Stored:
    """Return what the store `path` holds, without expanding it.

    Raises:
        CorruptStore: it is none, or lies about itself.
    """
    with path.open("rb") as file:
        return _contents(file, path)


def read(path: Path) -> ModelProto:
    """Return the model of the store `path`, all its initializers inside.

    Raises:
        CorruptStore: it is none, is damaged, or lies about itself.
    """
    with path.open("rb") as file:
        stored = _contents(file, path)
        model = _parse(_content(file, stored.graph))
        outside = [one for one in scope.all_initializers(model.graph) if blob.is_external(one)]
        places = [_place(tensor, stored) for tensor in outside]
        require_bounds(stored.size, sum(one.length for one in places))  # many may point at one
        for tensor, place in zip(outside, places, strict=True):
            _take_in(tensor, _content(file, place))
    return model


def _contents(file: BinaryIO, path: Path) -> Stored:
    size = path.stat().st_size
    head = file.read(HEAD.size)
    if len(head) < HEAD.size or not head.startswith(MAGIC):
        raise CorruptStore(
            f"{path.name} is no store of a model", "give a file that `compress` or `adapt` wrote"
        )
    _, version, _, offset, stored, length, digest = HEAD.unpack(head)
    if version != FORMAT:
        raise CorruptStore(f"{path.name} has format {version}; {FORMAT} is known", "update lepton-edge")
    if length > min(MAX_INDEX, ANY_INDEX + INDEX_RATIO * stored) or offset + stored > size:
        raise CorruptStore(f"the index of {path.name} does not fit into its {size} bytes", WHAT_NEXT)
    place = StoredTensor("index", Bytes(offset), Bytes(stored), Bytes(length), Sha256(digest.hex()))
    return parse_index(_content(file, place), Bytes(size))


def _content(file: BinaryIO, place: StoredTensor) -> bytes:
    file.seek(place.offset)
    try:
        content = expand(file.read(place.stored), place.length)
    except CorruptFrame as error:
        raise CorruptStore(f"`{place.name}` of the store is damaged: {error.message}", WHAT_NEXT) from error
    if hashlib.sha256(content).hexdigest() != place.sha256:
        raise CorruptStore(f"`{place.name}` of the store is damaged: another sha256", WHAT_NEXT)
    return content


def _parse(text: bytes) -> ModelProto:
    try:
        model: ModelProto = ModelProto.FromString(text)
    except DecodeError as error:
        raise CorruptStore("the graph of the store is no ONNX model", WHAT_NEXT) from error
    return model


def _take_in(tensor: TensorProto, content: bytes) -> None:
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
    tensor.raw_data = content


def _place(tensor: TensorProto, stored: Stored) -> StoredTensor:
    entries = {one.key: one.value for one in tensor.external_data}
    slot = entries.get("slot", "")
    known = entries.get("location") == LOCATION and slot.isdecimal() and len(slot) < 10
    if not known or int(slot) >= len(stored.tensors):
        raise CorruptStore(f"`{tensor.name}` lies in no place of this store", WHAT_NEXT)
    place = stored.tensors[int(slot)]
    if place.length not in _lengths(tensor):
        raise CorruptStore(
            f"`{tensor.name}` of shape {list(tensor.dims)[:8]} cannot have {place.length} bytes", WHAT_NEXT
        )
    return place


def _lengths(tensor: TensorProto) -> Iterator[int]:
    """Yield how many bytes `tensor` may have, by its dtype and shape."""
    if any(size < 0 for size in tensor.dims):
        return
    try:
        itemsize = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, TypeError, ValueError):
        return
    count = math.prod(tensor.dims)
    yield count * itemsize
    if itemsize == 1:  # several items may share a byte
        yield from (-(-count // each) for each in (2, 4) if tensor.data_type in _SHARING[each])


_SHARING = {
    each: {getattr(TensorProto, name) for name in names if hasattr(TensorProto, name)}
    for each, names in {2: ("INT4", "UINT4", "FLOAT4E2M1"), 4: ("INT2", "UINT2")}.items()
}
