"""A board that overheats while it serves: a page that computes less there, told with its cause, and back again."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import lepton_edge
from lepton_edge.coordinator.drift import AT_LEAST
from tests.journeys.conftest import House
from tests.journeys.hot_agent import QUICK, Heat
from tests.journeys.test_reach import Shaped

pytestmark = [pytest.mark.journey, pytest.mark.alone]

INSECURE = True
"""The agent that is played takes its settings by itself; nothing here is about who it is."""

LINK, HOT = "2,2", 24.0
PATIENCE = 40.0
AT_MOST = 4
"""Requests on the page before: two whose seconds stray are a change, and one or two were asked meanwhile."""


def model(path: Path) -> Path:
    """Write a net whose first part is small and leaves little: x float32 [1, 8, 40, 40] in, y float32 [1, 10] out."""
    make = np.random.default_rng(0).standard_normal
    shapes = [(32, 8, 3, 3), (16, 32, 3, 3), (384, 16, 3, 3), *[(384, 384, 3, 3)] * 3]
    strides = [1, 4, 1, 1, 1, 1]
    weights = [
        numpy_helper.from_array((make(shape) / 40).astype(np.float32), f"w{at}")
        for at, shape in enumerate(shapes)
    ]
    weights.append(numpy_helper.from_array(make((10, 384)).astype(np.float32), "last"))
    nodes = [
        helper.make_node(
            "Conv",
            [f"a{at}" if at else "x", f"w{at}"],
            [f"a{at + 1}"],
            f"conv{at}",
            pads=[1] * 4,
            strides=[stride] * 2,
        )
        for at, stride in enumerate(strides)
    ]
    nodes.append(helper.make_node("GlobalAveragePool", [f"a{len(shapes)}"], ["p"], "pool"))
    nodes.append(helper.make_node("Flatten", ["p"], ["f"], "flatten"))
    nodes.append(helper.make_node("Gemm", ["f", "last"], ["y"], "classify", transB=1))
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 8, 40, 40])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, "hot", [x], [y], weights)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    return path


class Place:
    """A board that heats up, a cloud, a link between them; and who asks."""

    def __init__(self, house: House, board: str, heat: Heat, file: Path) -> None:
        self.house, self.board, self.heat = house, board, heat
        self.x = np.random.default_rng(1).standard_normal((1, 8, 40, 40)).astype(np.float32)
        self.expected = onnxruntime.InferenceSession(str(file)).run(None, {"x": self.x})[0]

    def pages_until(self, client: Any, holds: Callable[[list[str]], bool]) -> list[str]:
        """Ask one after another, with pauses, until something holds for the pages that answered; return these."""
        found: list[str] = []
        end = time.monotonic() + PATIENCE
        while not holds(found):
            assert time.monotonic() < end, f"{found[-40:]}, {self.house.json('events')}"
            for _ in range(5):
                result = client.infer("hot", {"x": self.x}, deadline=20.0)
                np.testing.assert_allclose(result["y"], self.expected, rtol=1e-3, atol=1e-3)
                found.append(str(result.page))
                time.sleep(0.03)
        return found

    def turned(self) -> dict[str, Any]:
        """Return the first turn that this device's own slowness caused."""
        return next(one for one in self.told("turn") if "its part here takes" in one["cause"])

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.house.json("events")["events"] if one["kind"] == kind]


@pytest.fixture
def place(house: House, tmp_path: Path) -> Iterator[Place]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    house.start_coordinator()
    heat = Heat(tmp_path / "heat")
    words = ["--simulate-slow", str(QUICK), "--heat", str(tmp_path / "heat")]
    board = house.start_other_agent("tests.journeys.hot_agent", "board", "board", *words)
    link = Shaped(f"127.0.0.1:{port}", tmp_path)
    link.set(LINK)
    try:
        house.start_agent("cloud", "cloud", "--port", str(port), "--advertise", link.address)
        file = model(tmp_path / "hot.onnx")
        house.command("model", "push", "hot", str(file))
        house.json("deploy", "hot", "--keep-input-on-board")
        yield Place(house, board, heat, file)
    finally:
        link.end()


def test_a_board_that_overheats_leaves_most_to_the_cloud_until_it_has_cooled(place: Place) -> None:
    with lepton_edge.Client(place.board) as client:
        place.pages_until(client, lambda found: found[-10:] == ["local"] * 10)
        place.heat.set(HOT)
        hot = place.pages_until(client, lambda found: found[-5:] not in ([], ["local"] * 5))
        assert hot.count("local") <= AT_MOST
        assert hot[-1].startswith("cut"), "the input stays"
        place.pages_until(client, lambda found: len(found) >= 20 and bool(place.told("drift")))
        place.heat.set(QUICK)
        place.pages_until(client, lambda found: found[-10:] == ["local"] * 10)
        place.pages_until(client, lambda _: place.turned()["verdict"] != "pending")  # told with a heartbeat
    turned = place.turned()
    assert (turned["before"], turned["after"], turned["verdict"]) == ("local", hot[-1], "kept")
    assert 0 < turned["measured_after"] < turned["predicted_before"], "what it would have taken here"
    drifted = place.told("drift")[0]
    assert drifted["device"] == "board"
    judged = re.search(r"after (\d+) requests", drifted["cause"])
    assert judged is not None
    assert int(judged[1]) < 2 * AT_LEAST, "who says that it throttles is judged sooner"
