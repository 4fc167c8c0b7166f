"""Reads a pickle that describes tensors, as data and never as a program.

Law: no import, no call, no attribute is ever made on the word of a file. The only values are strings,
numbers, booleans, None, tuples, lists, string-keyed dicts, storage references and tensor descriptions;
the few globals of an old torch state dict are tokens. Every other opcode, global or call is a
`TorchFileError`. It must not know where the storages lie.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from examples.demo.errors import TorchFileError

MAX_PICKLE_BYTES: Final = 16 << 20
MAX_OPERATIONS: Final = 2_000_000
MAX_DIMENSIONS: Final = 8

_ORDERED_DICT: Final = "collections OrderedDict"
_REBUILD_TENSOR: Final = "torch._utils _rebuild_tensor_v2"
_STORAGE_DTYPES: Final = {
    "torch DoubleStorage": "<f8",
    "torch FloatStorage": "<f4",
    "torch HalfStorage": "<f2",
    "torch LongStorage": "<i8",
    "torch IntStorage": "<i4",
    "torch ShortStorage": "<i2",
    "torch CharStorage": "<i1",
    "torch ByteStorage": "<u1",
    "torch BoolStorage": "?",
}


@dataclass(frozen=True)
class GlobalToken:
    """An allowed global, by name; it cannot be called."""

    name: str


@dataclass(frozen=True)
class StorageRef:
    """A storage that a tensor refers to: its key in the file, its numpy dtype, its element count."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class TensorRef:
    """A tensor as the file describes it: a storage, and offset, shape and strides counted in elements."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_pickle(content: bytes, start: int) -> tuple[object, int]:
    """Read one pickle of `content` at byte `start`; return its value and the byte after it.

    Raises:
        TorchFileError: malformed, larger than `MAX_PICKLE_BYTES`, or asking for anything but tensors.
    """
    window = content[start : start + MAX_PICKLE_BYTES]
    machine = _Machine()
    steps = 0
    try:
        for opcode, argument, position in pickletools.genops(io.BytesIO(window)):
            steps += 1
            if steps > MAX_OPERATIONS:
                raise _suspicious(f"a pickle has more than {MAX_OPERATIONS} operations")
            machine.step(opcode.name, argument)
            end = start + (position or 0) + 1
    except ValueError as error:
        raise TorchFileError(f"the file is truncated or damaged: {error}; fetch it again") from error
    return machine.result(), end


class _Machine:
    """The pickle stack machine, reduced to what a state dict needs."""

    def __init__(self) -> None:
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def step(self, opcode: str, argument: object) -> None:
        """Carry out one operation."""
        if opcode in _PUSH_ARGUMENT:
            self._stack.append(argument)
        elif opcode in _PUSH_CONSTANT:
            self._stack.append(_PUSH_CONSTANT[opcode]())
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self, argument)
        else:
            raise _suspicious(f"pickle operation {opcode} is not allowed in a weights file")

    def result(self) -> object:
        """Return the one value that is left after STOP."""
        if len(self._stack) != 1 or self._marks:
            raise _damaged("a pickle does not end with exactly one value")
        return self._stack[0]

    def pop(self) -> object:
        floor = self._marks[-1] if self._marks else 0
        if len(self._stack) <= floor:
            raise _damaged("a pickle takes a value from an empty stack")
        return self._stack.pop()

    def pop_to_mark(self) -> list[object]:
        if not self._marks:
            raise _damaged("a pickle closes a group that it never opened")
        mark = self._marks.pop()
        values = self._stack[mark:]
        del self._stack[mark:]
        return values

    def mark(self, _: object) -> None:
        self._marks.append(len(self._stack))

    def put(self, slot: object) -> None:
        value = self.pop()
        self._stack.append(value)
        self._memo[_natural(slot)] = value

    def get(self, slot: object) -> None:
        if slot not in self._memo:
            raise _damaged(f"a pickle reads memo slot {slot} before writing it")
        self._stack.append(self._memo[_natural(slot)])

    def find_global(self, name: object) -> None:
        if name not in _ALLOWED_GLOBALS:
            raise _suspicious(f"the file wants to import {str(name)[:80]!r}")
        self._stack.append(GlobalToken(str(name)))

    def close_tuple(self, _: object) -> None:
        self._stack.append(tuple(self.pop_to_mark()))

    def short_tuple(self, length: int) -> None:
        values = [self.pop() for _ in range(length)]
        self._stack.append(tuple(reversed(values)))

    def append(self, _: object) -> None:
        self._extend([self.pop()])

    def appends(self, _: object) -> None:
        self._extend(self.pop_to_mark())

    def _extend(self, values: list[object]) -> None:
        target = self.pop()
        if not isinstance(target, list):
            raise _damaged("a pickle appends to something that is not a list")
        target.extend(values)
        self._stack.append(target)

    def set_item(self, _: object) -> None:
        value, key = self.pop(), self.pop()
        self._update([key, value])

    def set_items(self, _: object) -> None:
        self._update(self.pop_to_mark())

    def _update(self, flat: list[object]) -> None:
        target = self.pop()
        if not isinstance(target, dict) or len(flat) % 2:
            raise _damaged("a pickle sets items of something that is not a dict")
        for key, value in zip(flat[0::2], flat[1::2], strict=True):
            # Only strings: hashing a nested tuple key can be made to take exponential time.
            if not isinstance(key, str):
                raise _suspicious(f"a dict key is a {type(key).__name__}, not a string")
            target[key] = value
        self._stack.append(target)

    def persistent(self, _: object) -> None:
        self._stack.append(_storage_ref(self.pop()))

    def reduce(self, _: object) -> None:
        arguments, target = self.pop(), self.pop()
        if target == GlobalToken(_ORDERED_DICT) and arguments == ():
            self._stack.append({})
        elif target == GlobalToken(_REBUILD_TENSOR):
            self._stack.append(_tensor_ref(arguments))
        else:
            raise _suspicious("the file asks for a call that does not make a tensor")

    def build(self, _: object) -> None:
        # torch hangs `_metadata` (module versions) on the state dict; no attribute is ever set here.
        self.pop()
        target = self.pop()
        if not isinstance(target, dict):
            raise _suspicious("the file sets attributes of something that is not a dict")
        self._stack.append(target)


def _damaged(what: str) -> TorchFileError:
    return TorchFileError(f"{what}: the weights file is damaged; fetch it again")


def _suspicious(what: str) -> TorchFileError:
    return TorchFileError(f"{what}, and a weights file may only describe tensors; do not use this file")


def _natural(value: object) -> int:
    if type(value) is not int or value < 0:
        raise _damaged(f"the file has {type(value).__name__} where a count is expected")
    return value


def _naturals(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > MAX_DIMENSIONS:
        raise TorchFileError(f"a shape or stride is not a tuple of at most {MAX_DIMENSIONS} numbers")
    return tuple(_natural(item) for item in value)


def _storage_ref(identity: object) -> StorageRef:
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise _damaged("a persistent id does not name a storage")
    kind, key, _, count = identity[1:5]
    if not isinstance(kind, GlobalToken) or kind.name not in _STORAGE_DTYPES or not isinstance(key, str):
        raise _damaged("a storage has no known type or no key")
    if identity[5:] not in ((), (None,)):
        raise TorchFileError("a storage is a view of another one (torch before 0.4); save the model again")
    return StorageRef(key, _STORAGE_DTYPES[kind.name], _natural(count))


def _tensor_ref(arguments: object) -> TensorRef:
    if not isinstance(arguments, tuple) or len(arguments) not in (6, 7):
        raise _damaged("a tensor is not described by six or seven values")
    if not isinstance(arguments[0], StorageRef):
        raise _damaged("a tensor is not described by storage, offset, shape and strides")
    storage, offset, shape, strides = arguments[:4]
    ref = TensorRef(storage, _natural(offset), _naturals(shape), _naturals(strides))
    if len(ref.shape) != len(ref.strides):
        raise _damaged("a tensor has more dimensions than strides or fewer")
    return ref


_ALLOWED_GLOBALS: Final = frozenset({_ORDERED_DICT, _REBUILD_TENSOR, *_STORAGE_DTYPES})
_PUSH_ARGUMENT: Final = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"})
_PUSH_CONSTANT: Final[dict[str, Callable[[], object]]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_ACTIONS: Final[dict[str, Callable[[_Machine, object], None]]] = {
    "PROTO": lambda machine, argument: None,
    "STOP": lambda machine, argument: None,
    "MARK": _Machine.mark,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.find_global,
    "TUPLE": _Machine.close_tuple,
    "TUPLE1": lambda machine, argument: machine.short_tuple(1),
    "TUPLE2": lambda machine, argument: machine.short_tuple(2),
    "TUPLE3": lambda machine, argument: machine.short_tuple(3),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "BINPERSID": _Machine.persistent,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
