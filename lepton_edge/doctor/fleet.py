"""What follows from the coordinator's status of all devices, models and links.

Law: pure: the document of `lepton-edge status` in, findings out. What an older coordinator does not tell is
passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lepton_edge.doctor.checks import COOLING, HOT, LITTLE_MEMORY, NO_MEMORY
from lepton_edge.doctor.facts import Finding, Level

Row = dict[str, Any]
STALE = 180.0  # seconds: a device that computes nothing else runs a synthetic inference twice a minute


def models(status: Row) -> list[str]:
    """Return the names of its models."""
    return [str(row["model"]) for row in status.get("models", []) if "model" in row]


def findings(status: Row) -> list[Finding]:
    """Return what is to be said of a fleet."""
    devices = status.get("devices", [])
    if not devices:
        fix = "on a device: lepton-edge agent join HOST:PORT --token LE1..., then lepton-edge agent start"
        return [Finding("devices", Level.NOTE, "no device has registered with this coordinator", fix)]
    found = [finding for device in devices for finding in _device(device)]
    found += [finding for link in status.get("links", []) for finding in _link(link)]
    found += [_drifted(one) for one in status.get("drifted", [])]
    return found


def _device(row: Row) -> Iterator[Finding]:
    name = row["device"]
    if row.get("revoked") and not row.get("connected"):
        fix = "let it join again (lepton-edge token create), or forget it: lepton-edge device remove " + name
        yield Finding("device", Level.WARNING, f"{name} is shut out: its certificate is revoked", fix)
        return
    if not row.get("connected"):
        fix = "start its agent, or forget it: lepton-edge device remove " + name
        yield Finding("device", Level.WARNING, f"{name} is away", fix)
        return
    told = row.get("telemetry") or {}
    found = [*_strained(name, told), *_computes(name, row, told)]
    yield from found or [Finding("device", Level.OK, f"{name} is attached and well")]


def _strained(name: str, told: Row) -> Iterator[Finding]:
    if told.get("throttled"):
        said = f"{name} is throttled: heat or a weak supply slows it"
        yield Finding("device", Level.WARNING, said, f"{COOLING}; on it: lepton-edge agent doctor")
    degrees = told.get("temperature")
    if isinstance(degrees, (int, float)) and degrees >= HOT:
        yield Finding("device", Level.WARNING, f"{name} has {degrees:.0f} degrees Celsius", COOLING)
    memory = told.get("memory_available")
    if isinstance(memory, int) and 0 < memory < LITTLE_MEMORY:
        level = Level.PROBLEM if memory < NO_MEMORY else Level.WARNING
        fix = "end what else runs there, or move models elsewhere: lepton-edge model move"
        yield Finding("device", level, f"{name} has {memory / 1e6:.0f} MB memory left", fix)


def _computes(name: str, row: Row, told: Row) -> Iterator[Finding]:
    ago = told.get("seconds_since_success")
    if isinstance(ago, (int, float)) and ago > STALE and row.get("epochs"):
        said = f"{name} has computed nothing for {ago:.0f} s, not even its own check"
        yield Finding("device", Level.PROBLEM, said, "read its log, then start its agent anew")
    slower = row.get("simulated_slowdown", 1.0)
    if slower > 1.0:
        fix = "leave out --simulate-slow where its figures are to be its own"
        yield Finding("device", Level.NOTE, f"{name} plays a device that is {slower:g} times slower", fix)


def _link(row: Row) -> Iterator[Finding]:
    if row.get("connected") is not False:
        return
    said = f"{row.get('device')} has no link to {row.get('peer')}: {row.get('error') or 'none yet'}"
    fix = "see above whether their ports answer; else --advertise, or a relay (docs/network.md)"
    yield Finding("link", Level.WARNING, said, fix)


def _drifted(row: Row) -> Finding:
    said = f"{row.get('model')} on {row.get('device')} is no longer as it was measured: {row.get('why')}"
    return Finding("profile", Level.NOTE, said, f"measure it again: lepton-edge deploy {row.get('model')}")
