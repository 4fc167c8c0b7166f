"""Who is known and away, where a plan has nobody of its role: a plan for the cloud alone, since the board is lost.

Law: reads documents and words them; whether somebody is away is the coordinator's word.
"""

from __future__ import annotations

import contextlib

from rich.console import Console

from lepton_edge.cli.device import age
from lepton_edge.cli.output import Row
from lepton_edge.client import Client
from lepton_edge.core.errors import LeptonError, Unavailable

SHOWN = ("device", "role", "since_heard", "revoked")
MOST_TOLD = 5  # devices that a message names


def note_absent(asked: Client, told: Row, plan: Row) -> None:
    """Note in the document `told` which devices its `plan` lacks, or has and are lost: {"away": [rows of devices]}."""
    there = {one.get("role"): one.get("device") for one in plan.get("devices", [])}
    if not there:
        return
    away = [
        {**row, "planned": row.get("device") in there.values()}
        for row in _away(asked)
        if row.get("role") not in there or row.get("device") in there.values()
    ]
    if away:
        told["away"] = away


def name_absent(asked: Client, error: Unavailable) -> Unavailable:
    """Return `error`, with the devices that are known and lost."""
    lost = ", ".join(f"{row['device']}: {age(row)}" for row in _away(asked)[:MOST_TOLD])
    if not lost:
        return error
    return Unavailable(f"{error.message} ({lost})", f"start it again there; or {error.hint}")


def _away(asked: Client) -> list[Row]:
    """Return the rows of devices that are not connected; none where this key may not ask."""
    with contextlib.suppress(LeptonError):
        rows = asked.devices().get("devices", [])
        return [{key: row.get(key) for key in SHOWN} for row in rows if not row.get("connected")]
    return []


def render_absent(told: Row, console: Console) -> None:
    """Say who is away, and that the plan was made without them, or does not run as it is."""
    for row in told.get("away", []):
        if row.get("planned"):
            said, then = "AWAY:", "start it again there"
        else:
            said, then = "WITHOUT", f"once it is back: lepton-edge deploy {told.get('model') or 'NAME'}"
        console.print(f"{said} {row['device']} ({row['role']}): {age(row)}; {then}", style="bold yellow")
