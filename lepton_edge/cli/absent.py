"""Who is known and away, where a plan has nobody of its role: a plan for the cloud alone, since the board is lost.

Law: reads documents and words them; whether somebody is away is the coordinator's word.
"""

from __future__ import annotations

from rich.console import Console

from lepton_edge.cli.device import age
from lepton_edge.cli.output import Row
from lepton_edge.client import Client

ROLES = ("board", "cloud")


def note_absent(asked: Client, told: Row, plan: Row) -> None:
    """Note in the document `told` which devices its `plan` may lack: {"away": [rows of devices]}."""
    there = {one.get("role") for one in plan.get("devices", [])}
    missing = [role for role in ROLES if there and role not in there]
    if not missing:
        return
    rows = asked.devices().get("devices", [])
    away = [row for row in rows if row.get("role") in missing and not row.get("connected")]
    if away:
        told["away"] = [
            {key: row.get(key) for key in ("device", "role", "since_heard", "revoked")} for row in away
        ]


def render_absent(told: Row, console: Console) -> None:
    """Say who is away, and that the plan was made without them."""
    again = f"once it is back: lepton-edge deploy {told.get('model') or 'NAME'}"
    for row in told.get("away", []):
        console.print(f"WITHOUT {row['device']} ({row['role']}): {age(row)}; {again}", style="bold yellow")
