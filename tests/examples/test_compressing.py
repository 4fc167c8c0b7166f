"""The example of the whole way, on stand-ins: what it asks for, and what it prints."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lepton_edge
from examples import compressing
from lepton_edge.client import Client, reply
from lepton_edge.compress.bundle import Bundle, Fact
from lepton_edge.compress.recipe import Budget, Candidate, Recipe, Step, Target
from lepton_edge.compress.report import Report
from lepton_edge.core.frames import Frame, LabelScore
from lepton_edge.core.messages import AdminCall, AdminEvent, Deploy, Document
from partitioner.units import TensorName


def _answer(frame: Frame) -> Frame:
    best = LabelScore(TensorName("logits"), 0, 967, "espresso", 0.9)
    return reply(frame, {"logits@scores": np.array([[0.9]], np.float32)}, (best,))


def _admin(calls: list[AdminCall]) -> Iterable[AdminEvent]:
    kind = "deployment" if isinstance(calls[0], Deploy) else "model"
    body = {"model": "small", "inputs": [{"name": "input"}]}
    yield Document(f"lepton-edge/{kind}/1", json.dumps(body))


def test_it_compresses_deploys_and_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pictures").mkdir()
    for name in ("net.onnx", "net.toml", "pictures/a.jpg"):
        (tmp_path / name).write_bytes(b"")
    best = Candidate(Recipe((Step("clean"),)))
    asked: list[dict[str, Any]] = []

    def compress(model: Path, data: Path, **options: Any) -> Report:
        asked.append(options)
        return Report("net", Budget(), best, (best,), best, file=model)

    def adapt(model: Path, platform: str, out: Path, wanted: Any) -> Bundle:
        assert (model, platform, wanted.data) == (Path("net.onnx"), "jetson", Path("pictures"))
        out.mkdir()
        (out / "model.onnx").write_bytes(b"")
        return Bundle(out, platform, Target(), "", (), (), (), (Fact("its speed", "measure it"),))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lepton_edge, "compress", compress)
    monkeypatch.setattr(compressing, "adapt", adapt)
    transport = lepton_edge.MockTransport(_answer, _admin)
    monkeypatch.setattr(lepton_edge, "Client", lambda: Client(transport=transport))
    compressing.main("net.onnx", "pictures", "net.toml", "jetson")
    assert asked[0]["max_drop"] == 0.01
    assert capsys.readouterr().out.splitlines() == [
        "clean net.onnx",
        "not verified: its speed (measure it)",
        "a.jpg: espresso",
    ]
