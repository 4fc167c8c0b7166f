"""Who takes no part, where a plan has nobody of its role: a plan for the cloud alone, since the board is lost.

Law: reads documents and words them; whether somebody is away is the coordinator's word.
"""

from __future__ import annotations

import contextlib

from rich.console import Console

from lepton_edge.cli.device import age, note
from lepton_edge.cli.output import Row
from lepton_edge.client import Client
from lepton_edge.core.errors import LeptonError, Unavailable

SHOWN = ("device", "role", "since_heard", "revoked")
MOST_TOLD = 5  # devices that a message names


def note_absent(asked: Client, told: Row, plan: Row) -> None:
    """Note in the document `told` which devices its `plan` lacks, or has and are lost: {"away": [rows of devices]}.

    A row with "standing" is of one that is there and drained or in quarantine.
    """
    there = {one.get("role"): one.get("device") for one in plan.get("devices", [])}
    if not there:
        return
    away = [
        {**row, "planned": planned}
        for row in _away(asked)
        if (planned := row.get("device") in there.values()) or row.get("role") not in there
        if not (planned and row.get("standing"))  # what it has goes on
    ]
    if away:
        told["away"] = away


def name_absent(asked: Client, error: Unavailable) -> Unavailable:
    """Return `error`, with the devices that are known and lost."""
    away = [row for row in _away(asked) if not row.get("standing")]
    lost = ", ".join(f"{row['device']}: {age(row)}" for row in away[:MOST_TOLD])
    if not lost:
        return error
    return Unavailable(f"{error.message} ({lost})", f"start it again there; or {error.hint}")


def _away(asked: Client) -> list[Row]:
    """Return the rows of devices that may be given nothing: lost, or barred with their "standing".

    None where this key may not ask.
    """
    with contextlib.suppress(LeptonError):
        rows = asked.devices().get("devices", [])
        lost = [{key: row.get(key) for key in SHOWN} for row in rows if not row.get("connected")]
        barred = [row for row in rows if row.get("connected") and note(row, simulation=False)]
        return lost + [{key: row.get(key) for key in (*SHOWN, "standing")} for row in barred]
    return []


def render_absent(told: Row, console: Console) -> None:
    """Say who is away, and that the plan was made without them, or does not run as it is."""
    for row in told.get("away", []):
        again = f"lepton-edge deploy {told.get('model') or 'NAME'}"
        why = note(row, simulation=False)
        if why:
            then = f"to let it take part: lepton-edge device drain {row['device']} --undo, then {again}"
        else:
            then = "start it again there" if row.get("planned") else f"once it is back: {again}"
        said = "AWAY:" if row.get("planned") else "WITHOUT"
        console.print(
            f"{said} {row['device']} ({row['role']}): {why or age(row)}; {then}", style="bold yellow"
        )
