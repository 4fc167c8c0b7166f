"""A link becomes slow and quick again: the entry turns the page by itself, without the coordinator."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import lepton_edge
from tests.journeys.conftest import House
from tests.journeys.test_reach import Shaped

FAST, SLOW = "18.88,2", "1.1,2"
COMES_BACK = 4.0  # seconds: about one of them until a probe shows that the link is quick again
MOSTLY = 0.8  # of the requests: the machine is others' too, and a pause of theirs looks like a slow link
AT_MOST = 2  # requests on the wrong page after the one that shows the change


def model(path: Path) -> Path:
    """Write a net of some milliseconds: x float32 [1, 8, 40, 40] (51 kB) in, y float32 [1, 10] out."""
    make = np.random.default_rng(0).standard_normal
    shapes = [(48, 8, 3, 3), *[(48, 48, 3, 3)] * 5]
    weights = [
        numpy_helper.from_array((make(shape) / 20).astype(np.float32), f"w{at}")
        for at, shape in enumerate(shapes)
    ]
    weights.append(numpy_helper.from_array(make((10, 48)).astype(np.float32), "last"))
    nodes = [
        helper.make_node(
            "Conv", [f"a{at}" if at else "x", f"w{at}"], [f"a{at + 1}"], f"conv{at}", pads=[1] * 4
        )
        for at in range(len(shapes))
    ]
    nodes.append(helper.make_node("GlobalAveragePool", [f"a{len(shapes)}"], ["p"], "pool"))
    nodes.append(helper.make_node("Flatten", ["p"], ["f"], "flatten"))
    nodes.append(helper.make_node("Gemm", ["f", "last"], ["y"], "classify", transB=1))
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 8, 40, 40])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, "turning", [x], [y], weights)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    return path


def learn(house: House) -> None:
    """Have everybody measure the net."""
    house.command("model", "push", "turning", str(model(house.directory / "turning.onnx")))
    house.command("profile", "show", "turning")


measured = pytest.mark.measured(learn=learn, board=("board", "--simulate-slow", "20"), cloud=("cloud",))
pytestmark = [pytest.mark.journey, pytest.mark.alone, measured]


class Place:
    """A slow board, a cloud, and a link between them that changes; and who asks."""

    def __init__(self, house: House, link: Shaped, board: str, file: Path) -> None:
        self.house, self.link, self.board, self.file = house, link, board, file
        self.x = np.random.default_rng(1).standard_normal((1, 8, 40, 40)).astype(np.float32)
        self.expected = onnxruntime.InferenceSession(str(file)).run(None, {"x": self.x})[0]

    def ask(self, client: Any) -> Any:
        result = client.infer("turning", {"x": self.x}, deadline=20.0)
        np.testing.assert_allclose(result["y"], self.expected, rtol=1e-3, atol=1e-3)
        return result

    def pages(self, client: Any, seconds: float) -> list[tuple[float, str]]:
        """Ask one after another, with pauses; return when each was asked, and the page that answered."""
        found, begun = [], time.monotonic()
        while (asked := time.monotonic() - begun) < seconds:
            found.append((asked, str(self.ask(client).page)))
            time.sleep(0.05)
        return found


@pytest.fixture
def place(house: House, tmp_path: Path) -> Iterator[Place]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    house.start_coordinator()
    board = house.start_agent("board", "board", "--simulate-slow", "20")
    link = Shaped(f"127.0.0.1:{port}", tmp_path)
    link.set(FAST)
    try:
        house.start_agent("cloud", "cloud", "--port", str(port), "--advertise", link.address)
        file = model(tmp_path / "turning.onnx")
        house.command("model", "push", "turning", str(file))
        house.json("deploy", "turning")
        yield Place(house, link, board, file)
    finally:
        link.end()


def test_the_page_turns_within_two_requests_when_the_link_changes_and_comes_back(place: Place) -> None:
    with lepton_edge.Client(place.board) as client:
        usual = place.pages(client, 3.0)[-1][1]
        assert usual == "cloud-raw"
        place.link.set(SLOW)
        slow = [page for _, page in place.pages(client, 5.0)]
        assert slow[-1] != usual
        assert slow.count(usual) <= AT_MOST + 1, "the one under way showed it"
        place.link.set(FAST)
        quick = place.pages(client, 8.0)
        assert quick[-1][1] == usual
        back = next(at for at, page in quick if page == usual)
        assert back < COMES_BACK
        since = [page for at, page in quick if at > back]
        assert since.count(usual) > MOSTLY * len(since), "and stays"
    told = [one for one in place.house.json("events")["events"] if one["kind"] == "turn"]
    assert {one["after"] for one in told} >= {usual, slow[-1]}
