"""Nouns to protobuf messages and back, by the names that both have.

Law: knows no noun in particular except where the wire needs more than a name: dimensions, dtypes, digests,
unions. What comes in is checked here once: numbers finite, sizes and indices not negative, digests well
formed, nouns present. Frames have a faster way of their own, in `header.py`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from lepton_edge.core import messages
from lepton_edge.core.errors import CorruptFrame
from lepton_edge.wire.v1 import admin_pb2, control_pb2, frame_pb2, keys_pb2, plan_pb2
from partitioner import plan
from partitioner.codecs import ALL_DTYPES
from partitioner.errors import LeptonError
from partitioner.units import BlockIndex, Bytes, Epoch, Sha256

T = TypeVar("T")
Write = Callable[[Any, Any], None]  # (message, value): put the value into the message's field
Read = Callable[[Any], Any]  # (message): take the field's value, checked

_DIGEST = re.compile(r"(?:[0-9a-f]{64})?")
_PLANS: dict[type, dict[str, tuple[Write, Read]]] = {}  # as many as there are nouns
_STUBS = (plan_pb2, frame_pb2, keys_pb2, admin_pb2, control_pb2)
_MESSAGES: dict[str, Any] = {
    name: getattr(stub, name) for stub in _STUBS for name in stub.DESCRIPTOR.message_types_by_name
}


@dataclasses.dataclass(frozen=True)
class Union:
    """One of several nouns on a stream: the message that wraps them has a field for each class."""

    wrapper: Callable[[], Message]
    field: str
    kinds: dict[str, type]
    names: dict[type, str]

    def encode(self, noun: object) -> bytes:
        """Return the wrapped noun's bytes."""
        message = self.wrapper()
        part = getattr(message, self.names[type(noun)])
        part.SetInParent()
        _fill(part, noun)
        return bytes(message.SerializeToString())

    def decode(self, encoded: bytes) -> Any:
        """Return the noun in `encoded`; CorruptFrame when it holds none that is known here."""
        message = _parse(self.wrapper, encoded)
        name = message.WhichOneof(self.field)
        if name is None:
            raise CorruptFrame(
                "an empty message arrived", "the peer may be of a newer version: update this side"
            )
        return _read(self.kinds[name], getattr(message, name))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _union(wrapper: Callable[[], Message], field: str, members: Any) -> Union:
    kinds = {_snake(kind.__name__): kind for kind in typing.get_args(members)}
    return Union(wrapper, field, kinds, {kind: name for name, kind in kinds.items()})


AGENT_SAYS = _union(control_pb2.AgentSays, "says", messages.AgentSays)
COORDINATOR_SAYS = _union(control_pb2.CoordinatorSays, "says", messages.CoordinatorSays)
ADMIN_CALL = _union(admin_pb2.AdminCall, "call", messages.AdminCall)
ADMIN_EVENT = _union(admin_pb2.AdminEvent, "event", messages.AdminEvent)


def to_message(noun: Any) -> Message:
    """Return the message of the same name, filled from `noun`."""
    message = _MESSAGES[type(noun).__name__]()
    _fill(message, noun)
    return message


def from_message(kind: type[T], message: Message) -> T:
    """Return the noun in `message`; CorruptFrame when a value in it cannot be."""
    result: T = _read(kind, message)
    return result


def encode(noun: Any) -> bytes:
    """Return the bytes of `noun`'s message."""
    return bytes(to_message(noun).SerializeToString())


def decode(kind: type[T], encoded: bytes) -> T:
    """Return the `kind` in `encoded`; CorruptFrame when it is none."""
    return from_message(kind, _parse(_MESSAGES[kind.__name__], encoded))


def _parse(kind: Callable[[], Any], encoded: bytes) -> Any:
    message = kind()
    try:
        message.ParseFromString(encoded)
    except DecodeError as error:
        raise CorruptFrame(f"bytes that are no {type(message).__name__} arrived") from error
    return message


# --- writing and reading a noun by the plan of its fields -----------------------------------------


def _fill(message: Any, noun: Any) -> None:
    for name, (write, _) in _fields(type(noun)).items():
        write(message, getattr(noun, name))


def _read(kind: type, message: Any) -> Any:
    try:
        noun = kind(**{name: read(message) for name, (_, read) in _fields(kind).items()})
        check = _CHECKS.get(kind)
        if check is not None:
            check(noun)
    except CorruptFrame:
        raise
    except (LeptonError, ValueError) as error:
        raise CorruptFrame(f"{kind.__name__}: {error}") from error
    return noun


def _fields(kind: type) -> dict[str, tuple[Write, Read]]:
    plans = _PLANS.get(kind)
    if plans is None:
        hints = typing.get_type_hints(kind)
        plans = {field.name: _plan(kind, field, hints[field.name]) for field in dataclasses.fields(kind)}
        _PLANS[kind] = plans
    return plans


def _plan(owner: type, field: dataclasses.Field[Any], hint: Any) -> tuple[Write, Read]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    where = f"{owner.__name__}.{field.name}"
    if origin is tuple:
        return _plan_many(field.name, where, arguments[0])
    if origin is dict:
        return _plan_map(field.name)
    if origin in (typing.Union, types.UnionType):
        inner = next(one for one in arguments if one is not type(None))
        if dataclasses.is_dataclass(inner):
            return _plan_noun(field.name, where, typing.cast(type, inner), None)
        return _plan_optional(field.name, _scalar_check(where, inner))
    if dataclasses.is_dataclass(hint):
        return _plan_noun(field.name, where, typing.cast(type, hint), field.default)
    return _plan_scalar(field, where, hint)


def _plan_scalar(field: dataclasses.Field[Any], where: str, hint: Any) -> tuple[Write, Read]:
    name, check = field.name, _scalar_check(where, hint)
    # A default other than zero is marked `optional` on the wire: an older writer leaves the field out.
    owner = where.partition(".")[0]
    has_presence = _MESSAGES[owner].DESCRIPTOR.fields_by_name[name].has_presence

    def write(message: Any, value: Any) -> None:
        setattr(message, name, check(value))

    def read(message: Any) -> Any:
        if has_presence and not message.HasField(name):
            return field.default
        return check(getattr(message, name))

    return write, read


def _plan_optional(name: str, check: Callable[[Any], Any]) -> tuple[Write, Read]:
    """Write nothing for None; the field is `optional` on the wire."""

    def write(message: Any, value: Any) -> None:
        if value is not None:
            setattr(message, name, check(value))

    return write, lambda message: check(getattr(message, name)) if message.HasField(name) else None


def _plan_noun(name: str, where: str, kind: type, default: Any) -> tuple[Write, Read]:
    def write(message: Any, value: Any) -> None:
        if value is not None:
            part = getattr(message, name)
            part.SetInParent()
            _fill(part, value)

    def read(message: Any) -> Any:
        if message.HasField(name):
            return _read(kind, getattr(message, name))
        if default is dataclasses.MISSING:
            raise CorruptFrame(f"{where} is missing")
        return default

    return write, read


def _plan_many(name: str, where: str, item: Any) -> tuple[Write, Read]:
    if dataclasses.is_dataclass(item):
        noun = typing.cast(type, item)
        return _adder(name, _fill), lambda message: tuple(
            _read(noun, part) for part in getattr(message, name)
        )
    if typing.get_origin(item) in (typing.Union, types.UnionType):  # Dim: int | str
        return _adder(name, _fill_dim), lambda message: tuple(
            _read_dim(part) for part in getattr(message, name)
        )
    check = _scalar_check(where, item)
    return (
        lambda message, values: getattr(message, name).extend([check(value) for value in values]),
        lambda message: tuple([check(value) for value in getattr(message, name)]),
    )


def _adder(name: str, fill: Write) -> Write:
    def write(message: Any, values: Any) -> None:
        repeated = getattr(message, name)
        for value in values:
            fill(repeated.add(), value)

    return write


def _plan_map(name: str) -> tuple[Write, Read]:
    return lambda message, value: getattr(message, name).update(value), lambda message: dict(
        getattr(message, name)
    )


def _fill_dim(message: Any, dim: plan.Dim) -> None:
    if isinstance(dim, str):
        message.symbol = dim
    else:
        message.known = dim


def _read_dim(message: Any) -> plan.Dim:
    if message.WhichOneof("value") == "symbol":
        return str(message.symbol)
    return _not_negative("Dim", message.known)


# --- checks ---------------------------------------------------------------------------------------


def _scalar_check(where: str, hint: Any) -> Callable[[Any], Any]:
    if hint in (Bytes, BlockIndex, Epoch):
        return functools.partial(_not_negative, where)
    if hint is Sha256:
        return functools.partial(_digest, where)
    if getattr(hint, "__supertype__", hint) is float:
        return functools.partial(_finite, where)
    return lambda value: value


def _not_negative(where: str, value: int) -> int:
    if value < 0:
        raise CorruptFrame(f"{where} cannot be {value}")
    return value


def _finite(where: str, value: float) -> float:
    if not math.isfinite(value):
        raise CorruptFrame(f"{where} cannot be {value}")
    return value


def _digest(where: str, value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise CorruptFrame(f"{where} is no sha256: {value[:80]!r}")
    return value


def _check_tensor_spec(spec: plan.TensorSpec) -> None:
    if spec.dtype not in ALL_DTYPES:
        raise CorruptFrame(f"tensor {spec.name!r} has the unknown dtype {spec.dtype!r}")


_CHECKS: dict[type, Callable[[Any], None]] = {plan.TensorSpec: _check_tensor_spec}
