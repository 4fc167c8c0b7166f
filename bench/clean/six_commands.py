"""From two clean Debian systems to an answer with the README's own commands, over TLS.

    python -m bench.clean.six_commands

Law: types what README.md says, under "Two machines, six commands", and nothing else; the model, its manifest and the
picture are files that a person has. A proof, and a figure: seconds and commands.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.capture import recorded
from bench.clean.machine import Machine
from bench.clean.proofs import proven
from bench.clean.wheels import ROOT
from bench.laboratory import Laboratory
from bench.rows import Row
from examples.demo.processes import WIFI, Child

MOST = 6
TITLE = "## Two machines, six commands"
INGREDIENTS = ROOT / ".demo" / "ingredients"
FILES = {
    "model.onnx": "mobilenetv2.onnx", "mine.toml": "mobilenetv2.toml", "imagenet_labels.txt": "imagenet_labels.txt",
    "photo.jpg": "pictures/coffee.jpg",
}  # fmt: skip
STAYS = re.compile(r"lepton-edge (coordinator|agent) start\b")


@dataclass(frozen=True)
class Typed:
    """One command of the README, and the machine that it says it is for."""

    where: str
    line: str


def commands(readme: str) -> list[Typed]:
    """Return the commands of the README's section, each with the machine of the remark above it.

    Raises:
        ValueError: there is no such section, or a command is for no machine.
    """
    _, found, rest = readme.partition(f"{TITLE}\n")
    lines = [line[4:] for line in rest.partition("\n## ")[0].splitlines() if line.startswith("    ")]
    where, typed = "", []
    for line in lines:
        remark = re.match(r"# on the (computer|board)", line)
        if remark:
            where = remark[1]
        elif where:
            typed.append(Typed(where, line))
        else:
            raise ValueError(f"{line!r} is for no machine")
    if not found or not typed:
        raise ValueError(f"README.md has no commands under {TITLE!r}")
    return typed


class Person:
    """Somebody who types the README on two machines, and puts in what the coordinator said."""

    def __init__(self, machines: dict[str, Machine], address: str) -> None:
        self._machines = machines
        self._address = address
        self.token = ""
        self.running: list[Child] = []

    def types(self, one: Typed) -> str:
        """Type a command; return what it said. What stays is left running in a terminal of its own."""
        line = one.line.replace("192.168.1.20:8010", f"{self._address}:8010").replace("LE1...", self.token)
        machine = self._machines[one.where]
        stays = STAYS.match(line)
        if not stays:
            return machine.run(line).stdout
        child = machine.start(line)
        self.running.append(child)
        if stays[1] == "agent":
            return child.wait_for_line("agent registered")
        told = child.wait_for_line("to join:")
        self.token = told.rpartition(" ")[2]
        return told


def prove(directory: Path, wheels: Path) -> bool:
    """Type it all; print a row for each command and for the whole; return whether the answer is right."""
    typed = commands((ROOT / "README.md").read_text("utf-8"))
    with (
        Laboratory("clean-six", directory) as laboratory,
        recorded(laboratory, directory / "wire"),
        Machine("computer", "clean-six-cloud", directory, "ada", wheels) as computer,
        Machine("board", "clean-six-edge", directory, "pi", wheels) as board,
    ):
        laboratory.shape(WIFI)
        _bring(computer)
        person = Person({"computer": computer, "board": board}, laboratory.hosts.cloud)
        said = _typed(person, typed)
    nothing = searched((directory / "wire").read_bytes(), person.token)
    print(said, file=sys.stderr)
    right = nothing and "espresso" in said.lower() and "board" in said
    Row(
        "six-commands", "commands to an answer", len(typed), "1", "", MOST, right and len(typed) <= MOST
    ).print()
    return right and len(typed) <= MOST


def searched(wire: bytes, token: str) -> bool:
    """Search what crossed the link for what nobody may read; a row for each; return whether none was there."""
    picture, model = ((INGREDIENTS / FILES[name]).read_bytes() for name in ("photo.jpg", "model.onnx"))
    sought = {
        "the token's secret": token.rpartition(".")[2].encode(),
        "the picture (24 bytes of it)": picture[len(picture) // 2 :][:24],
        "the model (24 bytes of its weights)": model[len(model) // 2 :][:24],
        "a device's or the model's description (a name in it)": b"mobilenetv2",
    }
    for what, needle in sought.items():
        found = wire.count(needle)
        Row(
            "six-commands", f"on the wire: {what}", found, "times", f"in {len(wire)} bytes", 0, found == 0
        ).print()
    return len(wire) > 0 and all(wire.count(needle) == 0 for needle in sought.values())


def _typed(person: Person, typed: Sequence[Typed]) -> str:
    """Type one after the other, with a row for each; return what the last one said."""
    began, said = time.monotonic(), ""
    for number, one in enumerate(typed, 1):
        since = time.monotonic()
        said = person.types(one)
        Row("six-commands", f"{number} {one.where}: {one.line}", time.monotonic() - since, "s").print()
    Row("six-commands", "all of them", time.monotonic() - began, "s").print()
    return said


def _bring(machine: Machine) -> None:
    """Put a person's own files into that person's home."""
    home = machine.root / "home" / machine.user
    for name, source in FILES.items():
        shutil.copy(INGREDIENTS / source, home / name)
    machine.run(f"chown -R {machine.user}: /home/{machine.user}", "root")


if __name__ == "__main__":
    sys.exit(proven(prove, "lepton-six-"))
