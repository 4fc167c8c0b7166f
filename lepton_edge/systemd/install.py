"""Putting a service under systemd, and taking it out again.

Law: writes the unit's file and its settings, and calls systemctl; what it does is first said as steps, which
`--dry-run` prints instead. The service's state and settings survive its removal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lepton_edge.core.errors import NotFound, ServiceError, UsageError
from lepton_edge.systemd.unit import HOMES, Unit

SYSTEM_UNITS = Path("/etc/systemd/system")
SYSTEM_SETTINGS = Path("/etc/lepton-edge")
PATIENCE = 120.0  # seconds for systemctl, which waits until the service is ready

NO_BUS = (
    "this user's own systemd does not run: sudo loginctl enable-linger USER, log in (not by su or sudo), and again; "
    "or install it for the system, without --user"
)

Run = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Places:
    """Where units and settings are, and how systemctl is called: the system's, or a user's own."""

    units: Path
    settings: Path
    systemctl: tuple[str, ...]

    @staticmethod
    def of(for_user: bool) -> Places:
        """Return the system's places, or this user's."""
        if not for_user:
            return Places(SYSTEM_UNITS, SYSTEM_SETTINGS, ("systemctl",))
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return Places(base / "systemd/user", base / "lepton-edge", ("systemctl", "--user"))


@dataclass(frozen=True)
class Step:
    """A file to write or remove, a folder to make for `owner`, or a command to run; `said` shows it."""

    said: str
    path: Path | None = None
    text: str | None = None
    command: tuple[str, ...] = ()
    owner: str | None = None


def installing(unit: Unit, settings: tuple[Path, str], places: Places) -> list[Step]:
    """Return the steps that install a service; its settings are left alone where they are there already."""
    file, content = settings
    target = places.units / f"{unit.name}.service"
    kept = file.exists()
    folders = [Path(path) for path in unit.writes]
    return [
        *(Step(f"make {one}", one, owner=unit.user) for one in folders if not one.exists()),
        *([] if kept else [Step(f"write {file}:\n{content}", file, content)]),
        Step(f"write {target}:\n{unit.text()}", target, unit.text()),
        _call(places, "daemon-reload"),
        _call(places, "enable", "--now", f"{unit.name}.service"),
    ]


def removing(name: str, places: Places) -> list[Step]:
    """Return the steps that take a service out; raise NotFound where there is none."""
    target = places.units / f"{name}.service"
    if not target.exists():
        raise NotFound(f"there is no service {target}", "see: systemctl list-units 'lepton-edge*'")
    return [
        _call(places, "disable", "--now", f"{name}.service"),
        Step(f"remove {target}", target),
        _call(places, "daemon-reload"),
    ]


def _call(places: Places, *words: str) -> Step:
    command = (*places.systemctl, *words)
    return Step(f"run {' '.join(command)}", command=command)


def told(steps: Sequence[Step], tell: Callable[[str], None], *, dry_run: bool) -> None:
    """Take the steps, or only tell them; errors as `carry_out`."""
    if dry_run:
        for step in steps:
            tell(step.said)
        return
    carry_out(steps)
    for step in steps:
        tell(step.said.partition(":\n")[0])


def carry_out(steps: Sequence[Step], run: Run | None = None) -> None:
    """Take the steps, one after the other.

    Raises:
        UsageError: this user may not write there, or there is no systemd.
        ServiceError: systemctl refused.
    """
    if run is None:
        _need_systemctl()
        run = _run
    try:
        for step in steps:
            _take(step, run)
    except PermissionError as error:
        raise UsageError(
            f"{error.filename} cannot be written by this user",
            "run it as root (sudo), or install it for yourself alone: --user",
        ) from error


def _take(step: Step, run: Run) -> None:
    if step.command:
        run(step.command)
    elif step.path is not None and step.text is not None:
        step.path.parent.mkdir(parents=True, exist_ok=True)
        step.path.write_text(step.text, encoding="utf-8")
    elif step.path is not None and step.owner is not None:
        step.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if step.owner:
            shutil.chown(step.path, step.owner)
    elif step.path is not None:
        step.path.unlink(missing_ok=True)


def _need_systemctl() -> None:
    if shutil.which("systemctl") is None:
        raise UsageError(
            "there is no systemd here",
            "run it under what starts services here: the command stays in the foreground and ends on SIGTERM",
        )


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        told = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise ServiceError(
            f"{' '.join(command)}: {told}", NO_BUS if "connect to bus" in told else "see: journalctl -xe"
        )


def runner(environment: Path) -> tuple[str, Path]:
    """Return who should run what lies in `environment`, and that user's home.

    The owner, where it is in a home; else ("", /): a user that the system makes for the service alone.
    """
    if os.name != "posix" or not any(environment.is_relative_to(home) for home in HOMES):
        return "", Path("/")
    import pwd  # there is none elsewhere

    owner = pwd.getpwuid(environment.stat().st_uid)
    return owner.pw_name, Path(owner.pw_dir)
