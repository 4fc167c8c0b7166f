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
from lepton_edge.core.messages import AdminCall, AdminEvent, Deploy, Document, Progress
from partitioner.units import TensorName


def _answer(frame: Frame) -> Frame:
    best = LabelScore(TensorName("logits"), 0, 967, "espresso", 0.9)
    return reply(frame, {"logits@scores": np.array([[0.9]], np.float32)}, (best,))


def _admin(calls: list[AdminCall]) -> Iterable[AdminEvent]:
    for done in range(3):
        yield Progress("mobilenetv2", "measure", done, 3, "on the board")
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
    printed, progress = capsys.readouterr()
    assert progress.splitlines() == ["  measure: on the board"] * 2, "once for the push, once for the deploy"
    assert "page 'local': the board is fast enough" in printed
    assert "espresso" in printed
    assert transport.closed


def test_an_error_is_one_line_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(address: str) -> Client:
        raise lepton_edge.errors.Unavailable(f"nobody answers at {address}", "start one")

    monkeypatch.setattr(lepton_edge, "Client", nobody)
    with pytest.raises(SystemExit, match=r"no model in .* / what to do: python -m examples\.demo\.prepare"):
        quickstart.main("c:8010", str(tmp_path))
    (tmp_path / "mobilenetv2.onnx").write_bytes(b"")
    with pytest.raises(SystemExit, match="unavailable .*nobody answers at c:8010 / what to do: start one"):
        quickstart.main("c:8010", str(tmp_path))
