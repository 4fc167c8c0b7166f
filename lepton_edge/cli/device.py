"""`lepton-edge device list`.

Law: draws the coordinator's document.
"""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console

from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption
from lepton_edge.cli.output import Column, Row, dig, print_document, size, table, text

app = typer.Typer(help="List the devices.", no_args_is_help=True)

NO_TEMPERATURE = -273.0
"""Degrees Celsius at or below which a temperature means "the system does not tell"."""


@app.callback()
def group() -> None:
    """List the devices."""


@app.command("list")
def list_devices(*, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE) -> None:
    """List the registered devices."""
    with client(coordinator) as asked:
        print_document(asked.devices(), form, render)


def simulated(row: Row) -> str:
    """Return a loud word on a device whose computations are slowed on purpose, else nothing."""
    slowdown = row.get("simulated_slowdown", 1.0)
    return "" if slowdown == 1.0 else f"SIMULATED {slowdown:g}x slower"


def temperature(row: Row) -> str:
    """Return degrees Celsius, or nothing where the system does not tell."""
    degrees = dig(row, "telemetry", "temperature")
    if not isinstance(degrees, (int, float)) or degrees <= NO_TEMPERATURE:
        return ""
    return f"{degrees:.0f} C"


def load(row: Row) -> str:
    """Return the load as a percentage."""
    share = dig(row, "telemetry", "load")
    return f"{share:.0%}" if isinstance(share, (int, float)) else ""


def age(row: Row) -> str:
    """Return how long ago the device was heard."""
    seconds = row.get("since_heard")
    return f"{seconds:.1f} s ago" if isinstance(seconds, (int, float)) else "never"


COLUMNS = (
    Column("device", text("device")),
    Column("role", text("role")),
    Column("connected", lambda row: "yes" if row.get("connected") else "NO"),
    Column("heard", age, right=True),
    Column("load", load, right=True),
    Column("temperature", temperature, right=True),
    Column("cores", text("hardware", "cores"), right=True),
    Column("memory free", lambda row: size(dig(row, "telemetry", "memory_available")), right=True),
    Column("architecture", text("hardware", "architecture")),
    Column("data address", text("addresses")),
    Column("note", simulated),
)


def render(told: dict[str, Any], console: Console) -> None:
    """Draw the devices."""
    devices = told.get("devices", [])
    console.print(
        table(COLUMNS, devices) if devices else "no devices: lepton-edge agent start --role board|cloud"
    )
