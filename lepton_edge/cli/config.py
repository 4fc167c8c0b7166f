"""`lepton-edge config show` and `config schema`: which settings hold, and where each comes from.

Law: reads the same layers as the processes do (`settings.py`) and starts nothing. What an agent got when it joined is
in its state directory and is no setting.
"""

from __future__ import annotations

import difflib
import enum
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.console import Console

from lepton_edge.cli import settings
from lepton_edge.cli.options import Format, FormatOption
from lepton_edge.cli.output import Column, Row, print_document, table, text
from lepton_edge.core.config import AgentConfig, CoordinatorConfig

app = typer.Typer(help="Which settings hold, and where each comes from: show, schema.", add_completion=False)

PREFIX = "LEPTON_EDGE_"
OTHERS = ("COORDINATOR", "KEY", "INSECURE", "TOKEN", "LOG_LEVEL", "LOG_FORMAT", "SECURE")
"""Variables that are no settings of a process: what commands and applications read."""


class Room(str, enum.Enum):
    """Whose settings."""

    AGENT = "agent"
    COORDINATOR = "coordinator"


@dataclass(frozen=True)
class _Kind:
    """Where the settings of a room come from: the noun, its variables' prefix, what must be said by somebody."""

    noun: type[Any]
    prefix: str
    needed: Mapping[str, Any]


_KINDS = {
    Room.AGENT: _Kind(AgentConfig, PREFIX.rstrip("_"), {"role": "", "name": "", "state_directory": ""}),
    Room.COORDINATOR: _Kind(CoordinatorConfig, f"{PREFIX}COORDINATOR", {"state_directory": ""}),
}
WhoseArgument = Annotated[Room, typer.Argument(help="agent or coordinator.")]
FileOption = Annotated[
    Path | None, typer.Option("--config", help="The TOML file that the process is started with.")
]


@app.callback()
def group() -> None:
    """Which settings hold, and where each comes from: show, schema."""


@app.command()
def show(
    room: WhoseArgument,
    *,
    config: FileOption = None,
    origin: Annotated[bool, typer.Option("--origin", help="Also where each comes from.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show the settings that a process would have with this file and these variables."""
    told = document(room, config, dict(os.environ))
    print_document(told, form, lambda row, console: _render(row, console, origin=origin))


def document(room: Room, file: Path | None, environment: Mapping[str, str]) -> Row:
    """Return every setting of `room` with its origin, and variables that mean nothing.

    Raises:
        UsageError: a setting that there is not, or cannot be read.
    """
    kind = _KINDS[room]
    layers = {
        f"{file}": settings.file_layer(file, room.value),
        "variable": settings.environment_layer(kind.noun, kind.prefix, environment),
    }
    # a list of addresses is written with commas between in a variable
    split = {name: _listed(kind.noun, name, value) for name, value in layers["variable"].items()}
    built = settings.build(
        kind.noun,
        {
            "default": kind.needed,
            "{field} in the file": layers[f"{file}"],
            f"{kind.prefix}_{{variable}}": split,
        },
    )
    rows = [_row(kind, built, one.name, layers) for one in fields(kind.noun)]
    return {
        "schema": "lepton-edge/config/1",
        "room": room.value,
        "settings": rows,
        "unknown_variables": unknown(environment),
    }


def _listed(noun: type[Any], name: str, value: str) -> Any:
    kind = next(str(one.type) for one in fields(noun) if one.name == name)
    return [one.strip() for one in value.split(",")] if kind.startswith("tuple") else value


def _row(kind: _Kind, built: Any, name: str, layers: Mapping[str, Mapping[str, Any]]) -> Row:
    variable = f"{kind.prefix}_{name.upper()}"
    origin = next((layer for layer in reversed(tuple(layers)) if name in layers[layer]), "default")
    value = getattr(built, name)
    return {
        "name": name,
        "value": str(value) if isinstance(value, Path) else value,
        "origin": variable if origin == "variable" else origin,
        "variable": variable,
    }


def unknown(environment: Mapping[str, str]) -> list[Row]:
    """Return the variables that look like ours and mean nothing, with what may have been meant."""
    known = {f"{PREFIX}{name}" for name in OTHERS}
    for kind in _KINDS.values():
        known |= {f"{kind.prefix}_{one.name.upper()}" for one in fields(kind.noun)}
    return [
        {"variable": name, "meant": next(iter(difflib.get_close_matches(name, known, 1)), "")}
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in known
    ]


def _render(told: Row, console: Console, *, origin: bool) -> None:
    columns = [Column("setting", text("name")), Column("value", text("value"), wraps=True)]
    if origin:
        columns.append(Column("from", text("origin")))
    console.print(table(columns, told["settings"]))
    for one in told["unknown_variables"]:
        meant = f"; did you mean {one['meant']}?" if one["meant"] else ""
        console.print(f"{one['variable']} is set and means nothing{meant}", style="bold yellow")


@app.command()
def schema(room: WhoseArgument) -> None:
    """Print the JSON schema of a room's table in the TOML file."""
    made = TypeAdapter(_KINDS[room].noun).json_schema()
    made["title"] = f"[{room.value}]"
    made.pop("required", None)  # flags and defaults may say them
    made["additionalProperties"] = False
    typer.echo(json.dumps(made, indent=2, default=str))
