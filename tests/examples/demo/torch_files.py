"""Writes old-format torch files by hand, good and hostile; never imports torch."""

from __future__ import annotations

import pickle
import struct
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Tensor:
    """Pickles itself as torch pickles a tensor: a storage reference, offset, shape, strides."""

    def __init__(
        self, key: str, count: int, shape: tuple[Any, ...], strides: tuple[int, ...], offset: int = 0
    ) -> None:
        self.storage = _Storage(key, count)
        self.rest: tuple[Any, ...] = (offset, shape, strides, False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        """Name torch's own function."""
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (self.storage, *self.rest)


class _Storage:
    def __init__(self, key: str, count: int) -> None:
        self.key, self.count = key, count


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: object) -> object:
        if not isinstance(value, _Storage):
            return None
        return ("storage", sys.modules["torch"].FloatStorage, value.key, "cpu", value.count, None)


def torch_file(state: object, storages: dict[str, np.ndarray[Any, Any]], keys: object = None) -> bytes:
    """Return a whole file: header, `state` with its `Tensor`s, storage keys, float32 storages."""
    listed = sorted(storages) if keys is None else keys
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, SYSTEM))
    return (
        head + pickled(state) + pickle.dumps(listed, 2) + b"".join(storage_bytes(storages[k]) for k in listed)
    )


def raw_file(state_pickle: bytes, keys: object = ()) -> bytes:
    """Return a file whose state dict is the given pickle and which holds no storages."""
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, SYSTEM))
    return head + state_pickle + pickle.dumps(list(keys), 2)


def storage_bytes(values: np.ndarray[Any, Any], count: int | None = None) -> bytes:
    """Return element count and elements, the count as claimed."""
    return struct.pack("<q", values.size if count is None else count) + values.astype("<f4").tobytes()


def pickled(state: object) -> bytes:
    """Return `state` as a protocol 2 pickle that names torch's globals."""
    target = BytesIO()
    with _torch_by_name():
        _Pickler(target, 2).dump(state)
    return target.getvalue()


@contextmanager
def _torch_by_name() -> Iterator[None]:
    """Let pickle find the two names of torch that it writes."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils.__dict__["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    torch.__dict__["FloatStorage"] = type("FloatStorage", (), {"__module__": "torch"})
    hidden = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules.update({"torch": torch, "torch._utils": utils})
    try:
        yield
    finally:
        for name, module in hidden.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module
