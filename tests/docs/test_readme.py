"""README.md: every block of Python runs as it stands, and every command in it is one that there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lepton_edge
from lepton_edge.client import Client, reply
from lepton_edge.compress.asking import Asked
from lepton_edge.compress.recipe import Budget, Candidate, Recipe
from lepton_edge.compress.report import Report
from lepton_edge.core.frames import Frame, LabelScore
from partitioner.units import TensorName
from tests.docs.test_cli import COMMANDS

PAGE = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
LINES = re.findall(r"^    lepton-edge (.*?)(?:  +#.*)?$", PAGE, re.MULTILINE)


def answer(frame: Frame) -> Frame:
    label = LabelScore(TensorName("logits"), 0, 967, "espresso", 0.95)
    return reply(frame, {"logits": np.zeros((1, 1000), np.float32)}, (label,))


def compressed(*arguments: Any, **options: Any) -> Any:
    """Stand in for a search: check that it could be called so."""
    Asked(*arguments, **options)
    best = Candidate(Recipe())
    return Report("net", Budget(), best, (best,), best, file=Path("mobilenetv2.compressed/mobilenetv2.onnx"))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][:40])
def test_a_block_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "coffee.jpg").write_bytes(b"jpeg")
    transport = lepton_edge.MockTransport(answer)
    monkeypatch.setattr(lepton_edge, "compress", compressed)
    monkeypatch.setattr(lepton_edge, "Client", lambda address: Client(transport=transport))
    exec(compile(block, "README.md", "exec"), {"__name__": "docs"})


def test_there_are_commands() -> None:
    assert len(LINES) > 12


@pytest.mark.parametrize("line", LINES)
def test_a_command_is_one_that_there_is_with_its_options(line: str) -> None:
    name = next(name for name in sorted(COMMANDS, key=len, reverse=True) if f"{line} ".startswith(f"{name} "))
    known = {option for one in COMMANDS[name].params for option in one.opts}
    assert set(re.findall(r"--[\w-]+", line)) <= known
