"""`lepton-edge device list | drain | remove | approve | revoke`.

Law: asks, shows progress, draws the coordinator's documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption
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
from lepton_edge.cli.token import date
from lepton_edge.core.keys import ApproveDevice, ListJoining, RevokeDevice
from partitioner.units import DeviceId

NOTICED_BUSY = 0.01  # of its time
NOTICED = 1e-3  # seconds of waiting that are worth a word

app = typer.Typer(
    help="List, drain, approve, revoke and remove devices.", no_args_is_help=True, add_completion=False
)


@app.callback()
def group() -> None:
    """List, drain, approve, revoke and remove devices."""


_Device = Annotated[str, typer.Argument(metavar="NAME", help="The device's name; see `device list`.")]
_Force = Annotated[bool, typer.Option("--force", help="End even what nobody else can run, and do not wait.")]
_NO_DEVICES = (
    "no devices; on each: lepton-edge agent join HOST:PORT --token LE1..., then lepton-edge agent start"
)
_Undo = Annotated[bool, typer.Option("--undo", help="Let it take part again; ends a quarantine, too.")]


@app.command("list")
def list_devices(*, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE) -> None:
    """List the registered devices."""
    with client(coordinator) as asked:
        print_document(asked.devices(), form, render)


@app.command()
def drain(
    name: _Device,
    undo: _Undo = False,
    force: _Force = False,
    *,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Move what a device runs elsewhere, and place nothing new there; ends when it is idle."""
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.drain(name, undo=undo, force=force, progress=progress)
    print_document(told, form, render_one)


@app.command()
def remove(
    name: _Device,
    force: _Force = False,
    *,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Drain a device and forget it; its name can be used again."""
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.remove_device(name, force=force, progress=progress)
    print_document(told, form, render_one)


@app.command()
def approve(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Who waits; without it: list them.")
    ] = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="Give it no certificate.")] = False,
    *,
    fingerprint: Annotated[
        str, typer.Option(metavar="DIGITS", help="How its key begins, as the device itself shows it.")
    ] = "",
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Let in a device that joins a coordinator which asks first (`coordinator start --approve`)."""
    with client(coordinator) as asked:
        told = asked.administer(ApproveDevice(DeviceId(name), refuse, fingerprint) if name else ListJoining())
    print_document(told, form, _render_joining)


@app.command()
def revoke(
    name: _Device, *, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE
) -> None:
    """Believe a device's certificate no more, anywhere, at once: one that was lost or stolen."""
    with client(coordinator) as asked:
        told = asked.administer(RevokeDevice(DeviceId(name)))
    print_document(told, form, lambda told, console: console.print(f"{told.get('name')}: revoked"))


def _render_joining(told: dict[str, Any], console: Console) -> None:
    if "joining" not in told:
        key = f" (key {told['fingerprint']})" if told.get("fingerprint") else ""
        console.print(f"{told.get('device')}: {'refused' if told.get('refused') else f'approved{key}'}")
        return
    rows = told["joining"]
    columns = (
        Column("device", text("device")),
        Column("key", keys_of, wraps=True),
        Column("since", lambda row: date(row.get("at"))),
        Column("machine", lambda row: str(row.get("machine") or "unknown")[:16]),
    )
    console.print(table(columns, rows) if rows else "nobody waits to be approved")


def keys_of(row: Row) -> str:
    """Return the fingerprints of who waits by one name: several are a reason to look at the device's own."""
    first, others = str(row.get("fingerprint", "")), row.get("others") or []
    return f"{first}; also asked: {', '.join(others)}" if others else first


def render_one(told: dict[str, Any], console: Console) -> None:
    """Say what became of a device."""
    state = "removed" if told.get("removed") else "drained" if told.get("drained") else "takes part"
    console.print(f"{told.get('device', '')}: {state}")


def note(row: Row, *, simulation: bool = True) -> str:
    """Return what must be known of a device: that it is simulated, drained, or in quarantine and why."""
    standing = row.get("standing") or {}
    drained = f"drained, {left} to be moved" if (left := standing.get("left")) else "drained"
    length = standing.get("quarantine")
    quarantined = f"QUARANTINE for {length:.0f} s more: {standing.get('why')}" if length else ""
    words = (simulated(row) if simulation else "", drained if standing.get("drained") else "", quarantined)
    return "; ".join(word for word in words if word)


def simulated(row: Row) -> str:
    """Return a loud word on a device whose computations are slowed on purpose, else nothing."""
    slowdown = row.get("simulated_slowdown", 1.0)
    return "" if slowdown == 1.0 else f"SIMULATED {slowdown:g}x slower"


def temperature(row: Row) -> str:
    """Return degrees Celsius, "-" where the system does not tell."""
    degrees = dig(row, "telemetry", "temperature")
    return f"{degrees:.0f} C" if isinstance(degrees, (int, float)) else "-"


def load(row: Row) -> str:
    """Return the load as a percentage, and how busy the device is with requests where that is to be noticed."""
    share, busy = dig(row, "telemetry", "load"), row.get("busy") or 0.0
    told = f"{share:.0%}" if isinstance(share, (int, float)) else ""
    return f"{told} (requests {busy:.0%})" if busy >= NOTICED_BUSY else told


def requests(row: Row) -> str:
    """Return how many requests are in progress, and how long they waited of late where that is to be noticed."""
    active = dig(row, "telemetry", "requests_active")
    if not isinstance(active, int):
        return ""
    queues = dig(row, "telemetry", "queues") or []
    wait = max((one.get("wait", 0.0) for one in queues), default=0.0)
    return f"{active}, wait {milliseconds(wait)} ms" if wait >= NOTICED else f"{active}"


def age(row: Row) -> str:
    """Return how long ago the device was heard, and loudly when it is gone."""
    seconds = row.get("since_heard")
    ago = f"{seconds:.1f} s ago" if isinstance(seconds, (int, float)) else "not heard yet"
    if row.get("connected"):
        return ago
    return f"REVOKED, {ago}" if row.get("revoked") else f"LOST, {ago}"


COLUMNS = (
    Column("device", text("device")),
    Column("role", text("role")),
    Column("heard", age),
    Column("load", load, right=True),
    Column("requests", requests, right=True),
    Column("temp", temperature, right=True),
    Column("cores", text("hardware", "cores"), right=True),
    Column("free", lambda row: size(dig(row, "telemetry", "memory_available")), right=True),
    Column("arch", text("hardware", "architecture")),
    Column("data address", text("addresses"), wraps=True),
    Column("note", note, wraps=True),
)


WIDE = frozenset({"cores", "arch"})
"""Columns that one screen of everything leaves out."""


def render(told: dict[str, Any], console: Console) -> None:
    """Draw the devices."""
    draw(told, console, COLUMNS)


def render_short(told: dict[str, Any], console: Console) -> None:
    """Draw the devices beside much else."""
    draw(told, console, [column for column in COLUMNS if column.title not in WIDE])


def draw(told: dict[str, Any], console: Console, columns: Sequence[Column]) -> None:
    """Draw the devices by these columns, or say how to get some."""
    devices = told.get("devices", [])
    if not any(map(note, devices)):
        columns = [column for column in columns if column.title != "note"]
    console.print(table(columns, devices) if devices else _NO_DEVICES)
