"""docs/client.md: every block of Python runs, and its tables say what the code does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import lepton_edge
from lepton_edge.client import AsyncClient, Client, failure, reply
from lepton_edge.client.asking import MAX_WAITING
from lepton_edge.client.retries import RETRIED, RETRIES
from lepton_edge.core import errors
from lepton_edge.core.frames import Frame, LabelScore
from partitioner.units import TensorName

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| `")]


def answer(frame: Frame) -> Frame:
    if frame.model == "nonet":
        return failure(frame, errors.UnknownModel("no nonet", "deploy it"))
    label = LabelScore(TensorName("logits"), 0, 967, "espresso", 0.95)
    return reply(frame, {"logits": np.zeros((1, 1000), np.float32)}, (label,))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[-1][:40])
def test_a_block_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "coffee.jpg").write_bytes(b"jpeg")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "tea.jpg").write_bytes(b"jpeg")
    transport = lepton_edge.MockTransport(answer)
    monkeypatch.setattr(lepton_edge, "Client", lambda address, **how: Client(transport=transport, **how))
    monkeypatch.setattr(lepton_edge, "AsyncClient", lambda address: AsyncClient(transport=transport))
    exec(compile(block, "docs/client.md", "exec"), {"__name__": "docs"})


def test_the_table_of_retries_is_the_codes() -> None:
    told = {name: row[2].strip() for row in ROWS if len(row) == 3 for name in re.findall(r"`(\w+)`", row[0])}
    for name, tried in told.items():
        kind = getattr(errors, name)
        assert tried.startswith("yes") == issubclass(kind, RETRIED), name
    assert {kind.__name__ for kind in RETRIED} <= told.keys()
    assert f"`retries={RETRIES}`" in PAGE


def test_every_argument_of_stream_is_in_its_table() -> None:
    told = {name for row in ROWS if len(row) == 2 for name in re.findall(r"`(\w+)", row[0])}
    assert set(inspect.signature(Client.stream).parameters) - {"self", "model"} <= told


def test_its_numbers_are_the_codes() -> None:
    waiting, at_once = (
        f"{MAX_WAITING:,} more calls",
        inspect.signature(Client).parameters["max_in_flight"].default,
    )
    assert waiting in PAGE
    assert f"`max_in_flight` ({at_once})" in PAGE
    assert f"`patience` ({inspect.signature(Client).parameters['patience'].default:.0f} s)" in PAGE
