"""`lepton-edge config show` and `config schema`: which settings hold, and where each comes from.

Law: reads the same layers as the processes do (`lepton_edge/settings`) and starts nothing. What an agent got when it
joined is in its state directory and is no setting.
"""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lepton_edge.cli.options import Format, FormatOption
from lepton_edge.cli.output import Column, Row, print_document, table, text
from lepton_edge.core.config import NO_METRICS
from lepton_edge.settings import layers, rooms, usual

app = typer.Typer(help="Which settings hold, and where each comes from: show, schema.", add_completion=False)


class Room(str, enum.Enum):
    """Whose settings."""

    AGENT = "agent"
    COORDINATOR = "coordinator"


_ROOMS: Mapping[Room, rooms.Room[Any]] = {Room.AGENT: rooms.AGENT, Room.COORDINATOR: rooms.COORDINATOR}
WhoseArgument = Annotated[Room, typer.Argument(metavar="agent|coordinator", help="Whose settings.")]
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
    whose = _ROOMS[room]
    stray = rooms.strays(environment)
    told = layers.Told({}, file, {name: value for name, value in environment.items() if name not in stray})
    resolved = layers.resolve(whose, told, lambda said: _usual(room, said, environment))
    rows = [
        _row(whose, name, getattr(resolved.config, name), resolved.origins.get(name, ""), file)
        for name in whose.settings()
    ]
    return {
        "schema": "lepton-edge/config/1",
        "room": room.value,
        "settings": rows,
        "unknown_variables": unknown(environment),
    }


def _usual(room: Room, said: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what holds on this machine; for the role, which somebody must say, a stand-in that is not shown."""
    name = str(said.get("name") or usual.host_name())
    folder = room.value if room is Room.COORDINATOR else f"agent-{name}"
    place = said.get("state_directory") or usual.state_directory(environment, folder)
    own = {} if room is Room.COORDINATOR else {"name": name, "role": "board"}
    return {"state_directory": place, **own}


def _row(whose: rooms.Room[Any], name: str, value: Any, layer: str, file: Path | None) -> Row:
    variable, setting = whose.variable(name), whose.settings()[name]
    unsaid = layer in ("", layers.USUAL)
    kept = None if unsaid and name == "role" else value
    return {
        "name": name,
        "value": str(kept) if isinstance(kept, Path) else kept,
        "origin": {layers.VARIABLE: variable, layers.FILE: str(file)}.get(layer, "default"),
        "variable": variable,
        "means": setting.told,
        "usual": setting.usual if unsaid and not kept and not isinstance(kept, bool) else "",
    }


def unknown(environment: Mapping[str, str]) -> list[Row]:
    """Return the variables that look like ours and mean nothing, with what may have been meant."""
    return [{"variable": name, "meant": meant} for name, meant in rooms.strays(environment).items()]


def _render(told: Row, console: Console, *, origin: bool) -> None:
    columns = [Column("setting", text("name")), Column("value", _value, wraps=True)]
    if origin:
        columns.append(Column("from", text("origin")))
    console.print(table(columns, told["settings"]))
    name = next((row for row in told["settings"] if row["name"] == "name"), {"origin": ""})
    if name["origin"] == "default":
        console.print(
            f"Of an agent that joined by another name: {name['variable']}=NAME before this command."
        )
    for one in told["unknown_variables"]:
        meant = f"; did you mean {one['meant']}?" if one["meant"] else ""
        console.print(
            f"{one['variable']} means nothing, and no process starts with it{meant}", style="bold yellow"
        )


def _value(row: Row) -> str:
    """Return a setting's value as people read it; where nobody said one, what that means."""
    said = ", ".join(row["value"]) if isinstance(row["value"], (list, tuple)) else str(row["value"])
    if row["value"] == NO_METRICS and row["name"] == "metrics_port":
        return "off"
    return f"({row['usual']})".replace("`", "") if row["usual"] else said


@app.command()
def schema(room: WhoseArgument) -> None:
    """Print the JSON schema of a room's table in the TOML file."""
    made = layers.model_of(_ROOMS[room]).model_json_schema()
    made["title"] = f"[{room.value}]"
    made.pop("required", None)  # flags and defaults may say them
    made["additionalProperties"] = False
    typer.echo(json.dumps(made, indent=2, default=str))
