"""Agents and a coordinator under a real systemd, on two clean Debian systems, installed as the documents say.

    python -m bench.clean.services

Law: types docs/cloud-server.md on the server (root, /opt, users made for the services alone) and docs/raspberry-pi.md
on the board (a person's home, sudo); then kills, freezes, unplugs and removes, and looks at what systemd says. Needs
root.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.clean.machine import Machine
from bench.clean.pages import typed
from bench.clean.proofs import proven
from bench.clean.wheels import ROOT
from bench.laboratory import Laboratory
from bench.rows import Row
from examples.demo.processes import WIFI, Conditions

AGENT, COORDINATOR = "lepton-edge-agent", "lepton-edge-coordinator"
INGREDIENTS = ROOT / ".demo" / "ingredients"
CUT = Conditions("cut", 0, 0)
SERVER = "export XDG_STATE_HOME=/var/lib; /opt/lepton-edge/bin/lepton-edge"
BOARD = "~/venv/bin/lepton-edge"
LOST = 45.0  # seconds in which a service is back: the watchdog's thirty, a pause of two, a start
EXPOSED = 2.0
"""What `systemd-analyze security` may say at most (0 the best, 10 the worst)."""


class Verdicts:
    """What was looked at, each told as a row at once."""

    def __init__(self, bench: str = "services") -> None:
        self.right = True
        self._bench = bench

    def say(self, what: str, met: bool, value: float = 1.0, unit: str = "1") -> None:
        """Tell one."""
        Row(self._bench, what, value, unit, met=met).print()
        self.right = self.right and met


def is_apt(line: str) -> bool:
    """Say whether a line installs Debian's packages: the clean root has them, and no network."""
    return line.startswith("sudo apt install")


class Installer:
    """Somebody who types a page on a machine, and puts in the address and the token that were printed."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.token = ""

    def types(self, machine: Machine, page: str, section: str = "", user: str = "") -> str:
        """Type the commands of a page, in one terminal; return what the last one said."""
        kept, said = "", ""
        for line in typed((ROOT / "docs" / page).read_text("utf-8"), section):
            if is_apt(line):
                continue
            if line.startswith("export "):
                kept += f"{line}; "
                continue
            meant = line.replace("192.168.1.20", self._address).replace("LE1...", self.token)
            said = machine.run(kept + meant, user).stdout
            found = re.search(r"LE1\.\S+", said)
            self.token = found[0] if found else self.token
        return said


def told(machine: Machine, unit: str, what: str) -> str:
    """Return a property of a unit."""
    return machine.run(f"systemctl show {unit} --property={what} --value", "root").stdout.strip()


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait until it holds; return the seconds that took, or infinity."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(0.2)
    return float("inf")


def active(machine: Machine, unit: str) -> bool:
    """Say whether it told its systemd that it is ready, and goes on."""
    return told(machine, unit, "ActiveState") == "active"


def installed(verdicts: Verdicts, machine: Machine, unit: str) -> None:
    """Look at a service that was installed: ready by its own word, shut in, started at boot."""
    verdicts.say(f"{machine.name}: {unit} is active", active(machine, unit))
    verdicts.say(f"{machine.name}: {unit} said so itself", told(machine, unit, "StatusText") != "")
    verdicts.say(f"{machine.name}: {unit} starts at boot", told(machine, unit, "UnitFileState") == "enabled")
    line = machine.run(f"systemd-analyze security --no-pager {unit} | tail -n 1", "root").stdout
    score = float(re.findall(r"\d+\.\d+", line)[0])
    verdicts.say(f"{machine.name}: exposure of {unit}", score <= EXPOSED, score)


def limited(verdicts: Verdicts, machine: Machine, unit: str) -> None:
    """Look at the memory it may take, where the kernel gives this system its memory controller."""
    if not told(machine, unit, "MemoryCurrent").isdigit():
        print(f"{machine.name}: no memory controller here: the limit was not tried", file=sys.stderr)
        return
    verdicts.say(f"{machine.name}: {unit} has a bound of memory", told(machine, unit, "MemoryMax").isdigit())


def comes_back(verdicts: Verdicts, machine: Machine, unit: str, signal: str) -> None:
    """Hurt a service's process; it is started anew, and says that it is ready."""
    before = told(machine, unit, "MainPID")
    machine.run(f"kill -{signal} {before}", "root")

    def is_back() -> bool:
        return told(machine, unit, "MainPID") not in ("0", before) and active(machine, unit)

    seconds = until(is_back, LOST)
    verdicts.say(f"{machine.name}: {unit} is back after SIG{signal}", seconds < LOST, seconds, "s")


def state_kept(verdicts: Verdicts, server: Machine) -> None:
    """What root joined with is the service's own now: moved to /var/lib/private, and another user's."""
    found = server.run(
        "readlink /var/lib/lepton-edge/agent-server; stat -c %u /var/lib/private/lepton-edge/agent-server/security",
        "root",
    ).stdout.split()
    moved = found[0] == "../private/lepton-edge/agent-server" and found[1] != "0"
    verdicts.say("server: what root joined with was handed to the service's user", moved)


def serves_alone(verdicts: Verdicts, laboratory: Laboratory, server: Machine, board: Machine) -> None:
    """Deploy a model; then the board loses its power and its network, and boots: it answers as before."""
    for name, source in (("model.onnx", "mobilenetv2.onnx"), ("mine.toml", "mobilenetv2.toml")):
        shutil.copy(INGREDIENTS / source, server.root / "root" / name)
    shutil.copy(INGREDIENTS / "imagenet_labels.txt", server.root / "root")
    shutil.copy(INGREDIENTS / "pictures/coffee.jpg", board.root / "home" / board.user / "photo.jpg")
    server.run(f"{SERVER} model push mine model.onnx --manifest mine.toml", "root")
    server.run(f"{SERVER} deploy mine", "root")
    server.run(f"{SERVER} client key create app --model mine --out app.pem", "root")
    key = board.root / "home" / board.user / "app.pem"
    key.write_bytes((server.root / "root" / "app.pem").read_bytes())
    key.chmod(0o600)
    board.run(f"chown {board.user}: ~{board.user}/app.pem ~{board.user}/photo.jpg", "root")
    laboratory.shape(CUT)
    board.pull_the_plug()
    began = time.monotonic()
    board.boot()
    ask = f"{BOARD} --key ~/app.pem infer mine --input input=photo.jpg --coordinator 127.0.0.1:8011"
    seconds = until(lambda: "espresso" in board.run(ask, check=False).stdout, LOST)
    verdicts.say(
        "board: answers after a reboot without a network", seconds < LOST, time.monotonic() - began, "s"
    )
    laboratory.shape(WIFI)


def leaves_nothing(verdicts: Verdicts, machine: Machine, command: str, unit: str) -> None:
    """Take a service out: no unit, no process; its settings and its state stay."""
    machine.run(f"{command} uninstall-service", "root")
    units = machine.run("systemctl list-unit-files --no-legend 'lepton-edge*'", "root", check=False).stdout
    processes = machine.run("grep -las '[d]evice_agents' /proc/[0-9]*/cmdline", "root", check=False).stdout
    verdicts.say(f"{machine.name}: {unit} left no unit", unit not in units)
    verdicts.say(f"{machine.name}: {unit} left no process", processes == "", len(processes.split()))


def refuses_pip(verdicts: Verdicts, board: Machine) -> None:
    """The system's own Python is not to be installed into (PEP 668): the page's environment is needed."""
    done = board.run("pip install lepton-edge", check=False)
    refused = done.returncode != 0 and "externally-managed-environment" in done.stderr
    verdicts.say("board: pip refuses the system's Python (PEP 668)", refused)


def prove(directory: Path, wheels: Path) -> bool:
    """Install, hurt, unplug, remove; a row for each; return whether all was right."""
    verdicts = Verdicts()
    with (
        Laboratory("clean-units", directory) as laboratory,
        Machine("server", "clean-units-cloud", directory, "ada", wheels) as server,
        Machine("board", "clean-units-edge", directory, "pi", wheels) as board,
    ):
        laboratory.shape(WIFI)
        installer = Installer(laboratory.hosts.cloud)
        installer.types(server, "cloud-server.md", user="root")
        refuses_pip(verdicts, board)
        report = installer.types(board, "raspberry-pi.md", "## Install")
        verdicts.say("board: the doctor finds nothing wrong", "PROBLEM" not in report)
        for machine, unit in ((server, COORDINATOR), (server, AGENT), (board, AGENT)):
            installed(verdicts, machine, unit)
        state_kept(verdicts, server)
        devices = server.run(f"{SERVER} device list", "root").stdout
        verdicts.say("server: boards are not told to dial themselves", "127.0.0.1" not in devices)
        for machine, unit in ((server, COORDINATOR), (server, AGENT), (board, AGENT)):
            limited(verdicts, machine, unit)
            comes_back(verdicts, machine, unit, "KILL")
        comes_back(verdicts, board, AGENT, "STOP")
        comes_back(verdicts, server, COORDINATOR, "STOP")
        serves_alone(verdicts, laboratory, server, board)
        leaves_nothing(verdicts, board, f"/home/{board.user}/venv/bin/lepton-edge agent", AGENT)
        leaves_nothing(verdicts, server, "/opt/lepton-edge/bin/lepton-edge agent", AGENT)
    return verdicts.right


if __name__ == "__main__":
    sys.exit(proven(prove, "lepton-units-"))
