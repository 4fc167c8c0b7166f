"""`lepton-edge events`: what changed by itself or by a person's word, why, and whether it paid.

Law: draws the coordinator's changes; one line each, so that they can be followed and searched.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import re
import sys
from enum import Enum
from typing import Annotated, Any

import typer
from rich.console import Console

from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption
from lepton_edge.cli.output import Row, print_document
from lepton_edge.core.changes import KINDS
from lepton_edge.core.errors import UsageError
from partitioner.nouns_json import finite

app = typer.Typer(add_completion=False)

Kind = Enum("Kind", {name: name for name in KINDS}, type=str)  # type: ignore[misc]  # of the core's own list
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on telling what changes, until Ctrl-C.")]
_Since = Annotated[
    str | None,
    typer.Option(metavar="N|DURATION", help="Only what came after event N, or within 90s, 10m, 2h, 1d."),
]
_Model = Annotated[str | None, typer.Option(help="Only what is about this model.")]
_Device = Annotated[str | None, typer.Option(help="Only what is about this device.")]
_Kind = Annotated[Kind | None, typer.Option(help="Only this kind.")]


@app.command()
def events(
    *,
    follow: _Follow = False,
    since: _Since = None,
    model: _Model = None,
    device: _Device = None,
    kind: _Kind = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what changed by itself or by a person's word: its cause, what was predicted, measured, and kept."""
    serial, age = read_since(since)
    asked: dict[str, Any] = {"since": serial, "age": age, "model": model or "", "device": device or ""}
    asked["kind"] = kind.value if kind else ""
    with client(coordinator) as told:
        if not follow:
            print_document(told.events(**asked), form, render)
            return
        with contextlib.suppress(KeyboardInterrupt):  # how following ends
            for one in told.follow_events(**asked):
                _write(_json(one) if form is Format.JSON else line(one))


def read_since(given: str | None) -> tuple[int, float]:
    """Return (serial, seconds) of "120", "90s", "10m", "2h" or "1d"; 0 where it is the other.

    Raises:
        UsageError: it is none of these.
    """
    if not given:
        return 0, 0.0
    read = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", given.strip())
    if read is None or not math.isfinite(float(read[1])) or (not read[2] and "." in read[1]):
        raise UsageError(f"--since {given!r}?", "give the number of an event, or 90s, 10m, 2h, 1d")
    if not read[2]:
        return int(read[1]), 0.0
    return 0, float(read[1]) * _UNITS[read[2]]


def render(told: Row, console: Console) -> None:
    """Draw every change as a line."""
    for one in told.get("events", []):
        console.print(line(one), soft_wrap=True, markup=False)
    if not told.get("events"):
        console.print("nothing has changed")


def line(one: Row) -> str:
    """Return a change as one line for people."""
    about = " ".join(str(one[key]) for key in ("model", "device") if one.get(key))
    parts = [f"{one.get('serial', 0):>5}", _time(one.get("at", 0.0)), f"{one.get('kind', ''):<11}", about]
    parts += [_move(one), f"since {one.get('cause', '')};", _seconds("predicted", one)]
    parts += [_seconds("measured", one), str(one.get("message", "")), _verdict(one)]
    return " ".join(part for part in parts if part).rstrip(";")


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _move(one: Row) -> str:
    before, after = one.get("before"), one.get("after")
    if not after:
        return ""
    return f"{before} -> {after}" if before else str(after)


def _seconds(what: str, one: Row) -> str:
    before, after = one.get(f"{what}_before"), one.get(f"{what}_after")
    told = [f"{seconds * 1e3:.1f} ms" if seconds else "?" for seconds in (before, after)]
    return f"{what} {' -> '.join(told)};" if before or after else ""


def _verdict(one: Row) -> str:
    return f"[{one['verdict']}]" if one.get("verdict") else ""


def _json(one: Row) -> str:
    return json.dumps(finite(one), ensure_ascii=False, allow_nan=False)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
