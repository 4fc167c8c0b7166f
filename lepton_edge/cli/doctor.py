"""`lepton-edge doctor`: what is wrong on this machine, with the coordinator, and with its devices.

Law: asks, has it judged (`lepton_edge.doctor`), and prints; the agent's own is `lepton-edge agent doctor`.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from lepton_edge.cli import as_whom, exit_codes
from lepton_edge.cli.connect import chosen, client
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption
from lepton_edge.client.address import find_coordinator
from lepton_edge.client.keys import coordinator_beside, trust_for
from lepton_edge.doctor import Finding, Level, Report, asking, checks, fleet, own_ports, papers, system
from lepton_edge.doctor.facts import Coordinator
from lepton_edge.settings import usual
from lepton_edge.wire.tls import Trust
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
        found = asyncio.run(_asked(chosen(coordinator), trust))
        own = papers.findings(held, time.time(), found.why)
    report = examine(found, where, own)
    if form is Format.JSON:
        typer.echo(json.dumps(report.document(), indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(report.lines()))
    if not report.healthy:
        raise typer.Exit(exit_codes.UNWELL)


async def _asked(address: str | None, trust: Trust | None) -> Coordinator:
    """Ask the coordinator that other commands would ask."""
    asked = as_whom.asking
    try:
        beside = coordinator_beside(asked.key, asked.insecure)
        return await asking.ask(await find_coordinator(address, trust, beside), trust=trust)
    except LeptonError as error:
        return Coordinator(address or "", error.message, error.hint)


def examine(found: Coordinator, state_directory: Path, own: list[Finding]) -> Report:
    """Return what is to be said of this machine, of its own certificate, and of what a coordinator answered."""
    machine = system.facts(state_directory)
    here = [] if found.why else own_ports.of_coordinator(found.address, machine.route)
    status, untold = ({}, []) if found.why else _status(found.address)
    told = [] if found.why or untold else _fleet(found, status)
    findings = [*checks.machine(machine), *own, *checks.coordinator(found), *here, *untold, *told]
    names = (system.host(), found.name, *dict(found.devices), *fleet.models(status))
    return Report("coordinator", machine, tuple(findings), names)


def _status(address: str) -> tuple[dict[str, Any], list[Finding]]:
    try:
        with client(address) as asked:
            return asked.status(), []
    except LeptonError as error:
        said = f"its devices are not told: {error.message}"
        return {}, [Finding("devices", Level.NOTE, said, error.hint)]


def _fleet(found: Coordinator, status: dict[str, Any]) -> list[Finding]:
    roles = {row["device"]: row.get("role") for row in status.get("devices", [])}
    ports = [checks.doors(found, name, dialled=roles.get(name) == "cloud") for name, _ in found.devices]
    return [*fleet.findings(status), *(one for port in ports for one in port if one.check == "ports")]
