"""`lepton-edge doctor`: what is wrong on this machine, with the coordinator, and with its devices.

Law: asks, has it judged (`lepton_edge.doctor`), and prints; the agent's own is `lepton-edge agent doctor`.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from lepton_edge.cli import as_whom, exit_codes
from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption
from lepton_edge.client.keys import trust_for
from lepton_edge.doctor import Finding, Level, Report, asking, checks, fleet, papers, system
from lepton_edge.doctor.facts import Coordinator
from lepton_edge.settings import usual
from partitioner.errors import LeptonError

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    *,
    coordinator: CoordinatorOption = None,
    state_directory: Annotated[
        Path | None, typer.Option(help="Of the coordinator on this machine; its default place otherwise.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Look for what is wrong here, with the coordinator and with its devices; each finding says what to do."""
    where = state_directory or usual.state_directory(dict(os.environ), "coordinator")
    try:
        trust = trust_for(as_whom.asking.key, as_whom.asking.insecure)
        held = papers.certificate_of(trust)
    except LeptonError as error:
        found, own = Coordinator(coordinator or "", error.message, error.hint), []
    else:
        found = asyncio.run(asking.ask(coordinator or "", trust=trust))
        own = papers.findings(held, time.time())
    report = examine(found, where, own)
    if form is Format.JSON:
        typer.echo(json.dumps(report.document(), indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(report.lines()))
    if not report.healthy:
        raise typer.Exit(exit_codes.UNWELL)


def examine(found: Coordinator, state_directory: Path, own: list[Finding]) -> Report:
    """Return what is to be said of this machine, of its own certificate, and of what a coordinator answered."""
    machine = system.facts(state_directory)
    findings = [*checks.machine(machine), *own, *checks.coordinator(found), *_fleet(found)]
    return Report("coordinator", machine, tuple(findings))


def _fleet(found: Coordinator) -> list[Finding]:
    if found.why:
        return []
    try:
        with client(found.address) as asked:
            status = asked.status()
    except LeptonError as error:
        return [Finding("devices", Level.NOTE, f"its devices are not told: {error.message}", error.hint)]
    roles = {row["device"]: row.get("role") for row in status.get("devices", [])}
    ports = [checks.doors(found, name, dialled=roles.get(name) == "cloud") for name, _ in found.devices]
    return [*fleet.findings(status), *(one for port in ports for one in port if one.check == "ports")]
