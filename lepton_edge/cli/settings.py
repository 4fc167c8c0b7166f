"""A frozen configuration out of a TOML file, the environment, and flags; each wins over the one before.

Law: builds nouns of `core/config.py` and knows none in particular. What it does not know in a file or cannot
read is an error that names it, never a silent default.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from lepton_edge.cli.wording import plain
from lepton_edge.core.config import NO_METRICS
from lepton_edge.core.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
TABLES = ("agent", "coordinator")


def build(kind: type[T], layers: Mapping[str, Mapping[str, Any]]) -> T:
    """Return a `kind` (a frozen dataclass) with each field from the last layer that sets it.

    A layer's key says where its fields are written: "{field} in settings.toml", "--{flag}", "PREFIX_{variable}".

    Raises:
        UsageError: an unknown field, or a value that does not fit.
    """
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    merged: dict[str, Any] = {}
    written: dict[str, str] = {}
    for where, layer in layers.items():
        _refuse_unknown(layer, names)
        merged.update({name: _port(name, value) for name, value in layer.items()})
        written.update(dict.fromkeys(layer, where))
    try:
        return TypeAdapter(kind).validate_python(merged)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        where = written[field].format(field=field, flag=field.replace("_", "-"), variable=field.upper())
        raise UsageError(
            f"{where} cannot be {first['input']!r}: {plain(first['msg'])}", "correct it"
        ) from error


def _port(name: str, value: Any) -> Any:
    """Return a value as it is kept: "off" is no port for metrics."""
    return NO_METRICS if name == "metrics_port" and value == "off" else value


def _refuse_unknown(layer: Mapping[str, Any], names: list[str]) -> None:
    for name in layer:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
            raise UsageError(f"there is no setting {name!r}", hint)


def file_layer(path: Path | None, table: str) -> dict[str, Any]:
    """Return the table `[table]` of the TOML file at `path`; empty without a file.

    Raises:
        UsageError: the file cannot be read, or is not TOML.
    """
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read the settings in {path}: {error}", "check the file") from error
    _refuse_unknown_tables(document, path)
    found = document.get(table, {})
    if not isinstance(found, dict):
        raise UsageError(f"{path}: {table!r} is not a table", f"write [{table}] on a line of its own")
    return found


def _refuse_unknown_tables(document: Mapping[str, Any], path: Path) -> None:
    for name in document:
        if name not in TABLES:
            near = difflib.get_close_matches(name, TABLES, 1)
            hint = f"did you mean [{near[0]}]?" if near else f"known are {', '.join(TABLES)}"
            raise UsageError(f"{path}: there is no table {name!r}", hint)


def environment_layer(kind: type[Any], prefix: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of `kind` that variables such as PREFIX_PORT set."""
    variables = {field.name: f"{prefix}_{field.name.upper()}" for field in dataclasses.fields(kind)}
    return {name: environment[variable] for name, variable in variables.items() if variable in environment}


def flag_layer(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags that were given: those that are not None."""
    return {name: value for name, value in flags.items() if value is not None}


def state_directory(environment: Mapping[str, str], room: str) -> Path:
    """Return where `room` ("coordinator") keeps its state unless told otherwise."""
    base = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "lepton-edge" / room
