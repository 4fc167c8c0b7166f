"""docs/operations.md and docs/security.md, command by command: what a person pastes works on a fleet of their names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.journeys.conftest import ROOT
from tests.journeys.models import small_model

pytestmark = [pytest.mark.journey, pytest.mark.measured, pytest.mark.timeout(300)]

COMMAND = re.compile(r"^ {4}(?:sudo )?(?:\S+/)?lepton-edge (.+)$", re.MULTILINE)
PROCESSES = ("coordinator start", "agent start", "agent join", "client join")
"""What starts a process is the fleet that is there already; joining is tests/journeys/test_joining.py's."""
NEEDS_MORE = ("--privacy", "uninstall-service")
"""Samples that are pictures (tests/journeys/test_pictures.py); an installed service (bench/clean)."""
LAST = ("device remove", "restore")
"""What ends something comes after everything that needs it."""


def commands(page: str) -> list[str]:
    """Return the commands of a page, without what is said beside them."""
    text = (ROOT / "docs" / f"{page}.md").read_text("utf-8")
    found = [line.partition("  #")[0].strip() for line in COMMAND.findall(text)]
    usual = [
        one for one in found if not one.startswith(PROCESSES) and not any(word in one for word in NEEDS_MORE)
    ]
    return sorted(dict.fromkeys(usual), key=lambda one: one.startswith(LAST))


class Person:
    """Who pastes what a page says, with names of their own."""

    def __init__(self, house: Any, folder: Path) -> None:
        self.house, self.folder, self.files = house, folder, 0

    def pastes(self, line: str) -> str:
        """Run a command; the house checks that it ends with 0."""
        words = list(self._meant(shlex.split(line)))
        told: str = self.house.command(*words)
        if line.endswith("--undo"):  # nothing is moved back by itself, the page says
            self.house.command("deploy", "small", "--device", "board=board")
        return told

    def _meant(self, words: list[str]) -> Iterator[str]:
        for word in words:
            yield self._own.get(word, word.replace("pi2", "board"))
        if words[1:2] == ["install-service"]:
            yield "--dry-run"
        if words[:2] == ["agent", "install-service"]:  # of the board that has joined here
            yield from ("--name", "board", "--state-directory", str(self.house.directory / "board"))
        if words[:3] == ["client", "key", "create"] and "--out" not in words:
            yield from ("--out", str(self.folder / "anna.pem"))
        if words[0] == "backup":
            self.files += 1
            yield from ("--state-directory", str(self.house.directory / "coordinator"))

    @property
    def _own(self) -> dict[str, str]:
        """What is called otherwise here; each backup is a file of its own, and the first is restored."""
        names = {"NAME": "small", "mobilenetv2": "small", "new.onnx": str(self.folder / "new.onnx")}
        names |= {"camera-app.pem": str(self.folder / "camera-app.pem")}
        names |= {"state.tar": str(self.folder / f"state{self.files % 2}.tar")}
        return names | {"/var/lib/lepton-edge/coordinator": str(self.folder / "restored")}


@pytest.fixture
def person(house: Any, small: Path, tmp_path: Path) -> Person:
    house.start_coordinator()
    for name, role in (("board", "board"), ("cloud", "cloud")):
        house.start_agent(name, role)
    house.command("model", "push", "small", str(small))
    house.command("deploy", "small")
    onnx.save(small_model(7), str(tmp_path / "new.onnx"))
    return Person(house, tmp_path)


def test_the_pages_work_as_they_are_written(person: Person) -> None:
    page = [*commands("security"), *commands("operations")]
    assert {"client key revoke camera-app", "deploy NAME --canary 10%"} <= set(page)
    said = {line: person.pastes(line) for line in page}
    assert "camera-app" in said["client key list"]
