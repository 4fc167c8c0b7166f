"""Reads an old-format torch state dict (torch before 1.6) into numpy arrays, without torch.

The file is five pickles in a row (magic number, protocol version, system facts, state dict, storage
keys), then for every key an eight-byte element count and the elements. Law: nothing of the file is
executed (`tensor_pickle`); every size is checked against the bytes that are there before a byte is
interpreted.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from examples.demo.errors import TorchFileError
from examples.demo.tensor_pickle import StorageRef, TensorRef, read_pickle

Array: TypeAlias = NDArray[np.generic]

MAX_FILE_BYTES: Final = 1 << 30
_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_COUNT: Final = struct.Struct("<q")


def load(path: Path) -> dict[str, Array]:
    """Return every tensor of the state dict at `path` by name, contiguous, in its stored dtype.

    Raises:
        TorchFileError: not an old-format torch file, damaged, hostile, or larger than `MAX_FILE_BYTES`.
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise TorchFileError(f"{path.name} has {size} bytes; files above {MAX_FILE_BYTES} bytes are not read")
    return parse(path.read_bytes())


def parse(content: bytes) -> dict[str, Array]:
    """Return every tensor of a state dict file given as bytes; see `load`."""
    position = _check_header(content)
    state, position = read_pickle(content, position)
    keys, position = read_pickle(content, position)
    tensors = _tensor_refs(state)
    storages = _read_storages(content, position, keys, _storages_of(tensors))
    return {name: _rebuild(name, tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}


def _damaged(what: str) -> TorchFileError:
    return TorchFileError(f"{what}: the weights file is damaged; fetch it again")


def _check_header(content: bytes) -> int:
    if content[:4] == b"PK\x03\x04":
        raise TorchFileError(
            "this is the zip format of torch 1.6 and later; "
            "save it again with _use_new_zipfile_serialization=False"
        )
    magic, position = read_pickle(content, 0)
    if magic != _MAGIC:
        raise TorchFileError("this is not a torch file: the magic number is wrong")
    protocol, position = read_pickle(content, position)
    if protocol != _PROTOCOL:
        raise TorchFileError(f"torch file protocol {protocol!r} is not supported, only {_PROTOCOL}")
    system, position = read_pickle(content, position)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise TorchFileError("the file was not written on a little-endian machine; save it again on one")
    return position


def _tensor_refs(state: object) -> dict[str, TensorRef]:
    if not isinstance(state, dict):
        raise TorchFileError("the file holds no state dict; save `model.state_dict()`, not the model")
    strangers = sorted(name for name, value in state.items() if not isinstance(value, TensorRef))
    if strangers:
        raise TorchFileError(f"the state dict holds more than tensors, first {strangers[0][:80]!r}")
    return state


def _storages_of(tensors: dict[str, TensorRef]) -> dict[str, StorageRef]:
    storages: dict[str, StorageRef] = {}
    for tensor in tensors.values():
        known = storages.setdefault(tensor.storage.key, tensor.storage)
        if known != tensor.storage:
            raise _damaged(f"storage {known.key[:80]!r} is described twice, differently")
    return storages


def _read_storages(
    content: bytes, position: int, keys: object, declared: dict[str, StorageRef]
) -> dict[str, Array]:
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise _damaged("the list of storage keys is not a list of strings")
    if len(keys) != len(declared) or set(keys) != declared.keys():
        raise _damaged("the storages that are listed are not those that tensors use")
    storages: dict[str, Array] = {}
    for key in keys:
        storages[key], position = _read_storage(content, position, declared[key])
    return storages


def _read_storage(content: bytes, position: int, declared: StorageRef) -> tuple[Array, int]:
    start = position + _COUNT.size
    if start > len(content):
        raise _damaged("the file ends before the last storage")
    (count,) = _COUNT.unpack_from(content, position)
    if count != declared.count:
        raise _damaged(f"a storage has {count} elements where {declared.count} were announced")
    end = start + count * np.dtype(declared.dtype).itemsize
    if end > len(content):
        raise _damaged(f"the file ends inside a storage, {end - len(content)} bytes are missing")
    return np.frombuffer(content, dtype=declared.dtype, count=count, offset=start), end


def _rebuild(name: str, tensor: TensorRef, storage: Array) -> Array:
    """View `storage` as the tensor says, after checking that its last element lies inside."""
    elements = math.prod(tensor.shape)
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
    # More elements than the storage has is a broadcast (stride 0): legal, but a bomb when made contiguous.
    if elements > storage.size or (elements and last >= storage.size):
        raise _damaged(f"tensor {name[:80]!r} reaches outside its storage of {storage.size}")
    if not elements:
        return np.empty(tensor.shape, storage.dtype)
    strides = tuple(stride * storage.itemsize for stride in tensor.strides)
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides)
    return np.array(view, order="C")
