"""`lepton-edge status`: everything on one screen.

Law: draws the coordinator's document.
"""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console

from lepton_edge.cli import device, model
from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption
from lepton_edge.cli.output import Column, dig, milliseconds, print_document, table, text

app = typer.Typer()


@app.command()
def status(*, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE) -> None:
    """Show everything on one screen: coordinator, devices, models, plans, links."""
    with client(coordinator) as asked:
        print_document(asked.status(), form, render)


def _rate(key: str) -> Column:
    def read(row: dict[str, Any]) -> str:
        rate = dig(row, "link", key)
        return f"{rate * 8 / 1e6:.2f}" if isinstance(rate, (int, float)) else ""

    return Column(f"{key} Mbit/s", read, right=True)


def _round_trip(row: dict[str, Any]) -> str:
    up, down = dig(row, "link", "delay_up"), dig(row, "link", "delay_down")
    return milliseconds(up + down) if isinstance(up, (int, float)) and isinstance(down, (int, float)) else ""


_MODELS = (
    Column("model", text("name")),
    Column("version", text("version")),
    Column("active", model.active_line),
    Column("description", text("description")),
)
_LINKS = (
    Column("from", text("device")),
    Column("to", text("peer")),
    _rate("up"),
    _rate("down"),
    Column("round trip ms", _round_trip, right=True),
)


def render(told: dict[str, Any], console: Console) -> None:
    """Draw the whole screen."""
    about = told.get("coordinator", {})
    console.print(
        f"coordinator: lepton-edge {about.get('software', '')}, term {about.get('term', '')}", style="bold"
    )
    console.print()
    device.render(told, console)
    console.print()
    models = told.get("models", [])
    console.print(table(_MODELS, models) if models else "no models: lepton-edge model push NAME FILE.onnx")
    links = told.get("links", [])
    if links:
        console.print()
        console.print(table(_LINKS, links))
    _shout_if_simulated(told, console)


def _shout_if_simulated(told: dict[str, Any], console: Console) -> None:
    slowed = [row for row in told.get("devices", []) if device.simulated(row)]
    for row in slowed:
        console.print()
        console.print(
            f"{row.get('device')} is {device.simulated(row)}: its times are no real board's", style="bold red"
        )
