"""A device becomes slower while it serves: its profile is marked, a person is told, and it is measured again."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import lepton_edge
from tests.journeys.conftest import House

pytestmark = [pytest.mark.journey, pytest.mark.alone]

RUNS, STANDS = 0.001, 0.004  # seconds: so a device is five times as slow
PATIENCE = 20.0


def model(path: Path) -> Path:
    """Write a net of some milliseconds: x float32 [1, 64, 56, 56] in, y of the same shape out."""
    make = np.random.default_rng(0).standard_normal
    weights = [
        numpy_helper.from_array((make((64, 64, 3, 3)) / 24).astype(np.float32), f"w{at}") for at in range(2)
    ]
    names = ["x", "a", "y"]
    nodes = [
        helper.make_node("Conv", [names[at], f"w{at}"], [names[at + 1]], f"conv{at}", pads=[1, 1, 1, 1])
        for at in range(2)
    ]
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 64, 56, 56]) for name in "xy"]
    graph = helper.make_graph(nodes, "steady", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    return path


@contextlib.contextmanager
def slowed(process: int) -> Iterator[None]:
    """Let a process stand still most of the time, as a throttled device does."""
    over = threading.Event()

    def stutter() -> None:
        while not over.wait(RUNS):
            os.kill(process, signal.SIGSTOP)
            time.sleep(STANDS)
            os.kill(process, signal.SIGCONT)

    thread = threading.Thread(target=stutter)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def profile(house: House) -> dict[str, Any]:
    [found] = house.json("profile", "show", "steady", "--no-measure")["devices"]
    assert isinstance(found, dict)
    return found


def test_a_device_that_is_slower_than_its_profile_is_found_out_and_measured_again(
    house: House, tmp_path: Path
) -> None:
    house.start_coordinator()
    house.start_agent("board", "board")
    house.command("model", "push", "steady", str(model(tmp_path / "steady.onnx")))
    house.json("deploy", "steady")
    before = profile(house)
    assert (before["stale"], before["drifted"]) == ("", False)
    x = np.zeros((1, 64, 56, 56), np.float32)
    with slowed(house.processes["board"].pid), lepton_edge.Client(house.coordinator) as client:
        end = time.monotonic() + PATIENCE
        while not (told := client.status()["drifted"]):
            assert time.monotonic() < end, "nobody noticed"
            for _ in range(10):
                client.infer("steady", {"x": x}, deadline=10.0)
        [one] = told
        assert (one["model"], one["device"]) == ("steady", "board")
        assert "+" in one["why"], one["why"]
        shown = house.command("profile", "show", "steady", "--no-measure")
        assert "DRIFTED: page local of epoch 1 takes" in shown
        assert "the next deploy measures it again" in shown
        house.json("deploy", "steady")
    after = profile(house)
    assert (after["stale"], after["drifted"]) == ("", False)
    assert after["profile"]["whole"]["median"] > 2 * before["profile"]["whole"]["median"]
