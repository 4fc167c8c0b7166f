"""The quickstart is code that runs: on a mock, it prints what it promises."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

import lepton_edge
from examples import quickstart
from lepton_edge.client import Client, reply
from lepton_edge.core.frames import Frame, LabelScore
from lepton_edge.core.messages import AdminCall, AdminEvent, Deploy, Document
from partitioner.units import TensorName


def _answer(frame: Frame) -> Frame:
    best = LabelScore(TensorName("logits"), 0, 967, "espresso", 0.9)
    return reply(frame, {"logits@scores": np.array([[0.9]], np.float32)}, (best,))


def _admin(calls: list[AdminCall]) -> Iterable[AdminEvent]:
    deployed = isinstance(calls[0], Deploy)
    body = {"page": "local", "reason": "the board is fast enough"} if deployed else {"model": "mobilenetv2"}
    yield Document(f"lepton-edge/{'deployment' if deployed else 'model'}/1", json.dumps(body))


def test_it_pushes_deploys_and_classifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("samples", "pictures"):
        (tmp_path / name).mkdir()
    for name in ("mobilenetv2.onnx", "mobilenetv2.toml", "samples/a.jpg", "pictures/coffee.jpg"):
        (tmp_path / name).write_bytes(b"")
    transport = lepton_edge.MockTransport(_answer, _admin)
    monkeypatch.setattr(lepton_edge, "Client", lambda address: Client(transport=transport))
    quickstart.main("c:8010", str(tmp_path))
    printed = capsys.readouterr().out
    assert "page 'local': the board is fast enough" in printed
    assert "espresso" in printed
    assert transport.closed
