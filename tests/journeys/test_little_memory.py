"""A cloud with little memory opens what requests want beside them; until then they go on as before."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lepton_edge
from tests.journeys.conftest import House
from tests.journeys.test_page_turn import FAST, Place, measured, model
from tests.journeys.test_reach import Shaped

pytestmark = [pytest.mark.journey, pytest.mark.alone, measured]

MEMORY = 1_500_000
"""Bytes: enough for the model, so that the planner lets the cloud have it, and a bound all the same."""
MIDDLING = "4,2"
"""Mbit/s and ms by which the board alone is so much quicker than the cloud that nobody wants it soon."""
WITHIN = 15.0
OPENED = "opened beside requests"


@pytest.fixture
def place(house: House, tmp_path: Path) -> Iterator[Place]:
    """A slow board and a cloud with little memory, deployed for a link by which the board does it alone."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    house.start_coordinator()
    board = house.start_agent("board", "board", "--simulate-slow", "20")
    link = Shaped(f"127.0.0.1:{port}", tmp_path)
    link.set(MIDDLING)
    little = tmp_path / "little.toml"
    little.write_text(f"[agent]\nmemory_limit = {MEMORY}\n")
    try:
        given = ("--port", str(port), "--advertise", link.address, "--config", str(little))
        house.start_agent("cloud", "cloud", *given)
        file = model(tmp_path / "turning.onnx")
        house.command("model", "push", "turning", str(file))
        house.json("deploy", "turning")
        yield Place(house, link, board, file)
    finally:
        link.end()


def test_what_the_cloud_has_not_opened_is_opened_beside_requests_when_they_want_it(place: Place) -> None:
    with lepton_edge.Client(place.board, retries=0) as client:
        if (first := place.ask(client)).page == "cloud-raw":
            pytest.skip(f"this machine is quick enough for the cloud on a middling link: {first.reason}")
        assert OPENED not in place.house.log("cloud"), "nobody wants the cloud yet"
        place.link.set(FAST)
        end = time.monotonic() + WITHIN
        while not is_turned(result := place.ask(client)) and time.monotonic() < end:
            time.sleep(0.05)
        assert result.page == "cloud-raw"
        assert OPENED in place.house.log("cloud")
        assert "has opened what cloud-raw needs" in result.reason


def is_turned(result: lepton_edge.Result) -> bool:
    """Whether requests take the cloud now: one that only looks at the link takes it once."""
    return result.page == "cloud-raw" and not result.reason.startswith("taken this once")
