"""What becomes of `install-service`: a unit and the settings beside it, for an agent or a coordinator.

Law: pure but for looking at who owns the environment that is installed. The service runs as the one who owns that, with
that user's state where it always was; where nobody does (/opt), as a user of its own with /var/lib/lepton-edge.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lepton_edge.systemd import install
from lepton_edge.systemd.settings import toml
from lepton_edge.systemd.unit import Unit

STATE = "lepton-edge"


@dataclass(frozen=True)
class Wanted:
    """A service as a person asked for it.

    Attributes:
        kind: "agent" or "coordinator": its command, and the table of its settings.
        room: the name of its folder among the states of lepton-edge.
        settings: what its file of settings says at first.
        file: settings that are there already, to be used instead.
        state: its state directory; None for the usual one.
        memory: the most it may take, as systemd writes it.
        for_user: under the user's own manager.
    """

    kind: str
    room: str
    settings: Mapping[str, Any]
    file: Path | None = None
    state: Path | None = None
    memory: str = "80%"
    for_user: bool = False


@dataclass(frozen=True)
class Service:
    """A unit, its file of settings with what that says at first, and where both go."""

    unit: Unit
    settings: tuple[Path, str]
    places: install.Places

    def steps(self) -> list[install.Step]:
        """Return what installs it."""
        return install.installing(self.unit, self.settings, self.places)


def unit_name(kind: str) -> str:
    """Return the name of the unit of an agent or a coordinator."""
    return f"lepton-edge-{kind}"


def environment_of(environment: Mapping[str, str], *, for_user: bool) -> dict[str, str]:
    """Return the variables by which the service's usual state directory is found: sudo has another home."""
    if for_user:
        return dict(environment)
    user, home = install.runner(Path(sys.prefix))
    return {**environment, "XDG_STATE_HOME": str(home / ".local" / "state") if user else "/var/lib"}


def service(wanted: Wanted, environment: Path | None = None, python: str = "") -> Service:
    """Return the service that was asked for, run by `python` of the virtual `environment` (by default: this one)."""
    places = install.Places.of(wanted.for_user)
    file = (wanted.file or places.settings / f"{wanted.kind}.toml").absolute()
    user, home = ("", Path.home()) if wanted.for_user else install.runner(environment or Path(sys.prefix))
    own = not wanted.for_user and not user and wanted.state is None
    state = wanted.state.absolute() if wanted.state else _state(wanted, own, home)
    command = (python or sys.executable, "-m", "lepton_edge.cli.main", wanted.kind, "start")
    unit = Unit(
        unit_name(wanted.kind),
        f"Lepton Edge {wanted.kind}",
        (*command, "--config", str(file), "--state-directory", str(state)),
        f"{STATE}/{wanted.room}" if own else "",
        () if own else (str(state),),
        user,
        wanted.memory,
        wanted.for_user,
    )
    return Service(unit, (file, toml(wanted.kind, wanted.settings)), places)


def _state(wanted: Wanted, own: bool, home: Path) -> Path:
    """Return the usual state directory: below /var/lib, or where the user's commands have it."""
    if own:
        return Path("/var/lib") / STATE / wanted.room
    base = (os.environ.get("XDG_STATE_HOME") if wanted.for_user else "") or home / ".local" / "state"
    return Path(base) / STATE / wanted.room
