"""Networks as people have them: who can only dial out, who cannot be dialled, who meets at a relay, what breaks."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lepton_edge
from lepton_edge import errors

pytestmark = pytest.mark.journey


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address that nobody can dial: bound, so that nobody else gets it, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


class Asked:
    """The small model with its right answer, asked by way of one agent's true address."""

    def __init__(self, house: Any, model: Path, given: Path) -> None:
        self.house, self.model = house, model
        self.x = np.load(given)
        self.expected = onnxruntime.InferenceSession(str(model)).run(None, {"x": self.x})[0]
        self.board = ""
        house.start_coordinator()

    def deploy(self, **wishes: Any) -> Any:
        with lepton_edge.Client(self.house.coordinator) as client:
            client.push("small", self.model)
            return client.deploy("small", **wishes)

    def infer(self, page: str = "cloud-raw", **more: Any) -> Any:
        """Infer by way of the board, check the answer, and return the result."""
        with lepton_edge.Client(self.board) as client:
            return self.ask(client, page, **more)

    def ask(self, client: Any, page: str = "cloud-raw", **more: Any) -> Any:
        result = client.infer("small", {"x": self.x}, page=page, **more)
        np.testing.assert_allclose(result["y"], self.expected, rtol=1e-4, atol=1e-5)
        return result

    def goes_there(self) -> bool:
        """Whether an inference runs on the cloud."""
        return bool(self.infer().hops[-1].device == "cloud")

    def link(self) -> Any:
        """Return the status' row about the link from board to cloud."""
        with lepton_edge.Client(self.house.coordinator) as client:
            rows = client.status()["links"]
        return next(row for row in rows if (row["device"], row["peer"]) == ("board", "cloud"))


def until(condition: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)


@pytest.fixture
def asked(house: Any, small: Path, small_input: Path) -> Asked:
    return Asked(house, small, small_input)


def test_a_board_that_can_only_dial_out_works(asked: Asked, house: Any, nowhere: str) -> None:
    asked.board = house.start_agent("board", "board", "--advertise", nowhere)
    house.start_agent("cloud", "cloud")
    asked.deploy()
    until(asked.goes_there)
    assert asked.link()["via"] == ""
    house.kill("cloud")
    assert asked.infer().page == "local"
    house.start_agent("cloud", "cloud")
    until(asked.goes_there)


def test_a_cloud_that_can_only_dial_out_dials_the_board(asked: Asked, house: Any, nowhere: str) -> None:
    asked.board = house.start_agent("board", "board")
    house.start_agent("cloud", "cloud", "--advertise", nowhere)
    asked.deploy()
    until(asked.goes_there, 4.0)  # it dials first, and at once
    house.kill("board")
    asked.board = house.start_agent("board", "board")
    until(asked.goes_there)


def test_two_that_cannot_be_dialled_meet_at_a_relay_and_at_another_when_it_dies(
    asked: Asked, house: Any, nowhere: str
) -> None:
    asked.board = house.start_agent("board", "board", "--advertise", nowhere)
    house.start_agent("cloud", "cloud", "--advertise", nowhere)
    house.start_agent("one", "cloud")
    plan = asked.deploy(devices=("", "cloud"))
    assert plan["plan"]["link"]["via"] == "one"
    until(asked.goes_there)
    assert asked.link()["via"] == "one"
    assert "through one" in house.command("plan", "explain", "small")
    assert "through one" in house.command("status")
    house.start_agent("two", "board", "--relay")
    house.kill("one")
    assert asked.infer().page in ("local", "cloud-raw"), "it answers whatever dies"
    until(asked.goes_there)
    assert "peer lost" in house.log("board")


def test_nobody_reaches_anybody_and_the_deployment_says_what_to_do(
    asked: Asked, house: Any, nowhere: str
) -> None:
    house.start_agent("board", "board", "--advertise", nowhere)
    house.start_agent("cloud", "cloud", "--advertise", nowhere, "--no-relay")
    with pytest.raises(errors.Unavailable, match="board cannot reach cloud") as told:
        asked.deploy()
    assert "--relay" in told.value.hint
