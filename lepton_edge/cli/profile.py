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
    ago,
    dig,
    milliseconds,
    print_document,
    size,
    table,
    text,
)

app = typer.Typer(
    help="Show what was measured of a model on each device.", no_args_is_help=True, add_completion=False
)

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
    refresh: Annotated[bool, typer.Option("--refresh", help="Measure again what is measured.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Every layer, not the slowest only.")] = False,
    *,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show a model's profile per layer and per segment, on each device."""
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.profile(name, measure=measure, refresh=refresh, progress=progress)
    print_document(told, form, lambda found, console: render(found, console, every))


def render(told: dict[str, Any], console: Console, every: bool = False) -> None:
    """Draw each device's profile."""
    devices = told.get("devices", [])
    if not devices:
        console.print("nothing was measured yet: lepton-edge profile show NAME --measure")
    for one in devices:
        _render_device(one, console, every)


def _spread(measurement: Any) -> str:
    if not isinstance(measurement, dict):
        return ""
    median, spread = milliseconds(measurement.get("median")), milliseconds(measurement.get("spread"))
    return f"{median} +- {spread}"


_LAYERS = (
    Column("layer", text("node"), wraps=True),
    Column("share", lambda row: f"{row['share']:.1%}" if "share" in row else "", right=True),
    Column("ms", lambda row: milliseconds(row.get("seconds")), right=True),
)
_SEGMENTS = (
    Column("segment", lambda row: f"{row.get('first')}..{row.get('last')}"),
    Column("ms (median +- spread)", lambda row: _spread(row.get("time")), right=True),
    Column("runs", lambda row: str(dig(row, "time", "runs") or ""), right=True),
)
_CODECS = (
    Column("tensor", text("tensor"), wraps=True),
    Column("codec", text("codec")),
    Column("encode ms", lambda row: milliseconds(row.get("encode")), right=True),
    Column("decode ms", lambda row: milliseconds(row.get("decode")), right=True),
    Column("on the wire", lambda row: size(row.get("wire_bytes")), right=True),
)


def _render_device(one: Row, console: Console, every: bool) -> None:
    found = one.get("profile", {})
    note = simulated(one)
    console.print(
        f"{one.get('device')}: {_spread(found.get('whole'))} ms whole {note}".rstrip(), style="bold"
    )
    console.print(f"engine {found.get('engine', '')}, {found.get('threads', '')} threads{age(one)}")
    if one.get("stale"):
        kind = "DRIFTED" if one.get("drifted") else "STALE"
        console.print(f"{kind}: {one['stale']}; the next deploy measures it again", style="bold yellow")
    console.print(table(_LAYERS, _slowest(found, every), title="layers"))
    for columns, key in ((_SEGMENTS, "segments"), (_CODECS, "codecs")):
        if found.get(key):
            console.print(table(columns, found[key], title=key))
    console.print()


def age(one: Row) -> str:
    """Return ", measured 3 min ago" of a profile; empty where that was not noted."""
    when = ago(one.get("age"))
    return f", measured {when}" if when else ""


def _slowest(found: Row, every: bool) -> list[Row]:
    whole = dig(found, "whole", "median") or 0.0
    layers = [{**layer, "seconds": layer.get("share", 0.0) * whole} for layer in found.get("layers", [])]
    # pseudo-nodes such as decode_picture are no share of the engine's time: they were timed on their own
    layers += [{"node": one.get("node"), "seconds": one.get("share", 0.0)} for one in found.get("pseudo", [])]
    if every:
        return layers
    return sorted(layers, key=lambda layer: -layer["seconds"])[:SHOWN_LAYERS]
