"""`lepton-edge agent doctor`: what is wrong on this device, and between it and its coordinator.

Law: asks, has it judged (`lepton_edge.doctor`); changes nothing and needs no running agent. The engine is loaded to be
asked what it can, and where it cannot be loaded, that is a finding.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from device_agents import member
from device_agents.driver.saved import served
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.messages import Hardware
from lepton_edge.doctor import Finding, Level, Report, asking, checks, own_ports, papers, system
from lepton_edge.doctor.facts import Coordinator
from partitioner.errors import LeptonError
from partitioner.units import DeviceId


def examine(
    config: AgentConfig, found: Coordinator | None = None, unjoined: LeptonError | None = None
) -> Report:
    """Return what is to be said of the device that `config` describes; asks its coordinator unless `found` is it.

    `unjoined` is what to say if it has not joined, by somebody who knows which others have.
    """
    device = DeviceId(config.name)
    try:
        trust = member.trust_of(config)
        held = papers.certificate_of(trust)
    except LeptonError as refused:
        error = unjoined or refused
        own = [Finding("certificate", Level.PROBLEM, error.message, error.hint)]
        found = found or Coordinator(config.coordinator, "it was not asked without a certificate", error.hint)
    else:
        found = found or asyncio.run(asking.ask(config.coordinator, device, trust))
        own = papers.findings(held, time.time(), found.why)
    hardware, broken = _hardware()
    machine = system.facts(config.state_directory, hardware)
    findings = [
        *checks.machine(machine),
        *broken,
        *own,
        *_saved(config.state_directory),
        *checks.coordinator(found),
        *checks.doors(found, device, dialled=config.role == "cloud"),
        *own_ports.of_agent(config, attached=dict(found.devices).get(device, False)),
    ]
    names = (system.host(), config.name, found.name, *dict(found.devices), *_models(config.state_directory))
    return Report("agent", machine, tuple(findings), names)


def _hardware() -> tuple[Hardware | None, Sequence[Finding]]:
    try:
        from device_agents import hardware  # it loads the engine, which may be what is broken

        return hardware.probe(), ()
    except (ImportError, OSError) as error:
        fix = "pip install --force-reinstall onnxruntime, in its environment; a 32-bit system cannot have it"
        return None, (Finding("engine", Level.PROBLEM, f"the engine cannot be loaded: {error}", fix),)


def _models(state_directory: Path) -> list[str]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return sorted({model for model, _ in served(state_directory / "epochs.json")})
    return []


def _saved(state_directory: Path) -> list[Finding]:
    """Return what a start without a network would serve."""
    try:
        models = sorted(
            {f"{model} (epoch {epoch})" for model, epoch in served(state_directory / "epochs.json")}
        )
    except FileNotFoundError:
        models = []
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "deploy again; the file was cut off or edited"
        return [
            Finding(
                "offline", Level.WARNING, f"what it would serve after a reboot cannot be read: {error}", fix
            )
        ]
    if models:
        return [
            Finding("offline", Level.OK, f"after a reboot without a network it serves {', '.join(models)}")
        ]
    fix = "deploy a model on it: lepton-edge deploy NAME"
    return [Finding("offline", Level.NOTE, "after a reboot without a network it would serve nothing", fix)]
