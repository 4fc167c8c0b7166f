"""`lepton-edge profile show`.

Law: draws what was measured, per layer and per segment and per device; measures nothing itself.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from lepton_edge.cli.connect import client
from lepton_edge.cli.device import simulated
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption, ModelArgument
from lepton_edge.cli.output import (
    Column,
    ProgressLine,
    Row,
    dig,
    milliseconds,
    print_document,
    size,
    table,
    text,
)

app = typer.Typer(help="Show what was measured of a model on each device.", no_args_is_help=True)

SHOWN_LAYERS = 12
"""Layers drawn for each device, the slowest first; --format json has them all."""


@app.callback()
def group() -> None:
    """Show what was measured of a model on each device."""


@app.command()
def show(
    name: ModelArgument,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure where nothing was yet.")
    ] = True,
    every: Annotated[bool, typer.Option("--all", help="Every layer, not the slowest only.")] = False,
    *,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show a model's profile per layer and per segment, on each device."""
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.profile(name, measure=measure, progress=progress)
    print_document(told, form, lambda found, console: render(found, console, every))


def render(told: dict[str, Any], console: Console, every: bool = False) -> None:
    """Draw each device's profile."""
    profiles = told.get("profiles", [])
    if not profiles:
        console.print("nothing was measured yet: lepton-edge profile show NAME --measure")
    for one in profiles:
        _render_device(one, console, every)


def _spread(measurement: Any) -> str:
    if not isinstance(measurement, dict):
        return ""
    median, spread = milliseconds(measurement.get("median")), milliseconds(measurement.get("spread"))
    return f"{median} +- {spread}"


_LAYERS = (
    Column("layer", text("node")),
    Column("share", lambda row: f"{row.get('share', 0.0):.1%}", right=True),
    Column("ms", lambda row: milliseconds(row.get("seconds")), right=True),
)
_SEGMENTS = (
    Column("segment", lambda row: f"{row.get('first')}..{row.get('last')}"),
    Column("ms (median +- spread)", lambda row: _spread(row.get("time")), right=True),
    Column("runs", lambda row: str(dig(row, "time", "runs") or ""), right=True),
)
_CODECS = (
    Column("tensor", text("tensor")),
    Column("codec", text("codec")),
    Column("encode ms", lambda row: milliseconds(row.get("encode")), right=True),
    Column("decode ms", lambda row: milliseconds(row.get("decode")), right=True),
    Column("on the wire", lambda row: size(row.get("wire_bytes")), right=True),
)


def _render_device(one: Row, console: Console, every: bool) -> None:
    note = simulated(one)
    console.print(f"{one.get('device')}: {_spread(one.get('whole'))} ms whole {note}".rstrip(), style="bold")
    console.print(f"engine {one.get('engine', '')}, {one.get('threads', '')} threads")
    console.print(table(_LAYERS, _slowest(one, every), title="layers"))
    for columns, key in ((_SEGMENTS, "segments"), (_CODECS, "codecs")):
        if one.get(key):
            console.print(table(columns, one[key], title=key))
    console.print()


def _slowest(one: Row, every: bool) -> list[Row]:
    whole = dig(one, "whole", "median") or 0.0
    layers = [{**layer, "seconds": layer.get("share", 0.0) * whole} for layer in one.get("layers", [])]
    if every:
        return layers
    return sorted(layers, key=lambda layer: -layer["seconds"])[:SHOWN_LAYERS]
