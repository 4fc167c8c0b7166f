"""The streaming example on a mock: a folder in order, a camera that keeps up by leaving frames out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

import lepton_edge
from examples import streaming
from lepton_edge.client import AsyncClient, Client, failure, reply
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.frames import Frame, LabelScore
from partitioner.units import TensorName


async def answer(frame: Frame) -> Frame:
    told = bytes(frame.tensors[0].payload)
    await asyncio.sleep(0.15)
    if told == b"broken":
        return failure(frame, InvalidInput("no picture", "send one"))
    label = LabelScore(TensorName("logits"), 0, 1, told.decode(), 0.9)
    return reply(frame, {"scores": np.ones(1, np.float32)}, (label,))


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("cat", "dog", "egg"):
        (tmp_path / f"{name}.jpg").write_text(name)
    transport = lepton_edge.MockTransport(answer)
    monkeypatch.setattr(lepton_edge, "Client", lambda address: Client(transport=transport))
    monkeypatch.setattr(lepton_edge, "AsyncClient", lambda address: AsyncClient(transport=transport))
    return tmp_path


def test_a_folder_is_told_in_order_and_one_failure_stops_nobody(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "dog.jpg").write_text("broken")
    streaming.main("folder", str(pictures))
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("cat.jpg: cat 90.0%")
    assert second == "dog.jpg: no picture (send one)"
    assert third.startswith("egg.jpg: egg 90.0%")


def test_a_camera_leaves_out_what_is_past(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    streaming.main("camera", str(pictures), "", "0.5")
    printed, told = capsys.readouterr()
    frames = [int(line.split()[1].rstrip(":")) for line in printed.splitlines()]
    assert frames == sorted(set(frames))
    assert 2 <= len(frames) < 15, "a reply takes longer than a frame"
    assert f"{len(frames)} of 15 frames" in told


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no .jpg"):
        streaming.main("folder", str(tmp_path))
