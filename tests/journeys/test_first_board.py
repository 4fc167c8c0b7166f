"""docs/first-board.md, command by command: what a person pastes works, in that order, on one machine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from examples.demo.processes import Child
from tests.journeys.conftest import LEPTON_EDGE, ROOT

pytestmark = pytest.mark.journey

PAGE = (ROOT / "docs" / "first-board.md").read_text("utf-8")
STEPS = re.findall(r"^ {4}~/venv/bin/lepton-edge (.*)$", PAGE, re.MULTILINE)
MANIFEST = "\n".join(re.findall(r"^ {4}((?:format|\[\[|\w+ = ).*)$", PAGE, re.MULTILINE))


def bring_files(folder: Path) -> None:
    """Put there what the page takes for granted: a model of a picture, some pictures, one more to ask about."""
    random = np.random.default_rng(1)
    weights = random.normal(0, 0.1, (8, 3, 3, 3)).astype("float32")
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["c"], name="conv", strides=[4, 4]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["y"], name="pool"),
    ]
    graph = helper.make_graph(
        nodes,
        "mine",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 1, 1])],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "model.onnx")
    (folder / "mine.toml").write_text(MANIFEST, "utf-8")
    (folder / "pictures").mkdir()
    for path in (folder / "photo.jpg", folder / "pictures" / "a.jpg", folder / "pictures" / "b.jpg"):
        Image.fromarray(random.integers(0, 255, (240, 320, 3), dtype=np.uint8)).save(path)


class Person:
    """Somebody at a keyboard with a home of their own, who pastes what the page says."""

    def __init__(self, home: Path) -> None:
        self.home = home
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
        return word

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
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    for name in os.environ:
        if name.startswith(("XDG_", "LEPTON_EDGE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("LEPTON_EDGE_COORDINATOR", "")  # set when it is known, and undone at the end
    monkeypatch.setenv("LEPTON_EDGE_COORDINATOR_SECURE", "true")
    monkeypatch.setenv("LEPTON_EDGE_COORDINATOR_ANNOUNCE", "false")
    bring_files(tmp_path)
    made = Person(tmp_path)
    yield made
    for child in reversed(made.running):
        child.stop()


@pytest.mark.timeout(300)
def test_the_page_works_as_it_is_written(person: Person) -> None:
    said = {step: person.pastes(step) for step in STEPS}
    assert "kitchen" in said["plan explain mine"]
    assert "y" in said["infer mine --input photo.jpg"]
    assert "PROBLEM" not in said["doctor"]
