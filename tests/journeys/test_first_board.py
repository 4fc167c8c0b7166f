"""docs/first-board.md, command by command: what a person pastes works, in that order, on one machine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from examples.demo.processes import Child
from tests.journeys.conftest import LEPTON_EDGE, ROOT

pytestmark = pytest.mark.journey

PAGE = (ROOT / "docs" / "first-board.md").read_text("utf-8")
STEPS = re.findall(r"^ {4}~/venv/bin/lepton-edge (.*)$", PAGE, re.MULTILINE)


class Person:
    """Somebody at a keyboard with a home of their own, who pastes what the page says."""

    def __init__(self, home: Path, files: dict[str, str]) -> None:
        self.home, self.files = home, files
        self.token = self.address = ""
        self.running: list[Child] = []

    def pastes(self, step: str) -> str:
        """Run a command of the page, in a terminal of its own where it stays; return what it said."""
        words = [self._meant(word) for word in shlex.split(step)]
        if words[1:2] == ["start"]:
            return self._starts(words)
        done = subprocess.run(
            [*LEPTON_EDGE, *words], cwd=self.home, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{step}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _meant(self, word: str) -> str:
        if word == "LE1...":
            return self.token
        if re.fullmatch(r"[\d.]+:8010", word):
            return self.address
        return self.files.get(word, word)

    def _starts(self, words: list[str]) -> str:
        child = Child("-".join(words[:4:3]), [*LEPTON_EDGE, *words], self.home)
        self.running.append(child)
        if words[0] == "agent":
            return child.wait_for("agent registered")["coordinator"]
        port = child.wait_for("coordinator ready")["control"].rpartition(":")[2]
        self.address = os.environ["LEPTON_EDGE_COORDINATOR"] = f"127.0.0.1:{port}"
        self.token = child.wait_for_line("to join:").rpartition(" ")[2]
        return self.address


@pytest.fixture
def person(
    tmp_path: Path, small: Path, small_input: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Person]:
    for name in os.environ:
        if name.startswith(("XDG_", "LEPTON_EDGE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("LEPTON_EDGE_COORDINATOR", "")  # set when it is known, and undone at the end
    monkeypatch.setenv("LEPTON_EDGE_COORDINATOR_SECURE", "true")
    monkeypatch.setenv("LEPTON_EDGE_COORDINATOR_ANNOUNCE", "false")
    np.savez(tmp_path / "samples.npz", x=np.load(small_input))
    files = {
        "model.onnx": str(small),
        "pictures": str(tmp_path / "samples.npz"),
        "photo.jpg": f"x={small_input}",
    }
    made = Person(tmp_path, files)
    yield made
    for child in reversed(made.running):
        child.stop()


@pytest.mark.timeout(300)
def test_the_page_works_as_it_is_written(person: Person) -> None:
    said = {step: person.pastes(step) for step in STEPS}
    assert "kitchen" in said["plan explain mine"]
    assert "y" in said["infer mine --input photo.jpg"]
    assert "PROBLEM" not in said["doctor"]
