"""Frozen dataclasses to JSON values and back, by their field names and type hints.

Law: knows no noun in particular. Reading ignores fields it does not know (a newer writer) and fills missing ones with
their defaults (an older writer), so that yesterday's state stays readable.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from typing import Any, TypeVar

T = TypeVar("T")


def to_json(noun: Any) -> Any:
    """Return `noun` as dicts, lists and scalars that `json.dumps` accepts."""
    if dataclasses.is_dataclass(noun) and not isinstance(noun, type):
        return {field.name: to_json(getattr(noun, field.name)) for field in dataclasses.fields(noun)}
    if isinstance(noun, (tuple, list, set, frozenset)):
        return [to_json(item) for item in (sorted(noun) if isinstance(noun, (set, frozenset)) else noun)]
    if isinstance(noun, dict):
        return {str(key): to_json(value) for key, value in noun.items()}
    return noun


def finite(value: Any) -> Any:
    """Return the JSON value `value` with null for NaN and infinities, which JSON has no words for.

    For documents that leave the house; our own state keeps its infinities.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return value


def from_json(kind: type[T], value: Any) -> T:
    """Rebuild a `kind` from what `to_json` made; raise ValueError or TypeError where the value does not fit."""
    result: T = _read(kind, value)
    return result


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _read(kind: Any, value: Any) -> Any:
    kind = getattr(kind, "__supertype__", kind)  # a NewType is what it wraps
    if dataclasses.is_dataclass(kind):
        return _read_noun(typing.cast(type, kind), value)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_read(arguments[0], item) for item in value)
    if origin is tuple:
        return tuple(_read(one, item) for one, item in zip(arguments, value, strict=True))
    if origin is frozenset:
        return frozenset(_read(arguments[0], item) for item in value)
    if origin is dict:
        return {key: _read(arguments[1], item) for key, item in value.items()}
    if origin in (typing.Union, types.UnionType):
        return _read_union(arguments, value)
    return kind(value) if kind is float and isinstance(value, int) else value


def _read_noun(kind: type, value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"{kind.__name__} is read from an object, not from {type(value).__name__}")
    hints = _hints(kind)
    known = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: _read(hints[name], item) for name, item in value.items() if name in known})


def _read_union(arguments: tuple[Any, ...], value: Any) -> Any:
    if value is None:
        return None
    for one in arguments:
        if isinstance(value, getattr(one, "__supertype__", one)):
            return value
    return _read(next(one for one in arguments if one is not type(None)), value)
