"""Networks as people have them: who can only dial out, who cannot be dialled, who meets at a relay, what breaks."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lepton_edge
from lepton_edge import errors
from lepton_edge.client.remote import RemoteTransport

pytestmark = [pytest.mark.journey, pytest.mark.measured]
INSECURE = True  # it speaks for itself, and in the open

ROOT = Path(__file__).parents[2]


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address that refuses whoever dials: bound, so that nobody else gets it, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that swallows whatever is sent to it, as a firewall does."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(64)
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


def test_addresses_behind_a_firewall_are_given_up_in_time(asked: Asked, house: Any, silent: str) -> None:
    asked.board = house.start_agent("board", "board", "--advertise", silent)
    house.start_agent("cloud", "cloud", "--advertise", silent)
    house.start_agent("one", "cloud")
    assert asked.deploy(devices=("", "cloud"))["plan"]["link"]["via"] == "one"
    until(asked.goes_there)


def test_nobody_reaches_anybody_and_the_deployment_says_what_to_do(
    asked: Asked, house: Any, nowhere: str
) -> None:
    house.start_agent("board", "board", "--advertise", nowhere)
    house.start_agent("cloud", "cloud", "--advertise", nowhere, "--no-relay")
    with pytest.raises(errors.Unavailable, match="board cannot reach cloud") as told:
        asked.deploy()
    assert "--relay" in told.value.hint


class Shaped:
    """A shaped link in front of an agent: it can be cut, restored, and broken for good and opened anew."""

    def __init__(self, to: str, directory: Path) -> None:
        self.to, self.control = to, directory / "link"
        self.address = ""
        self.process: subprocess.Popen[str] | None = None
        self.open("127.0.0.1:0")

    def open(self, listen: str = "") -> None:
        self.control.write_text("50,5")
        shape = ["--up", "50", "--down", "50", "--delay", "5", "--control", str(self.control)]
        module = [sys.executable, "-m", "lepton_edge.link.shape"]
        command = [*module, "--listen", listen or self.address, "--to", self.to, *shape]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip().partition("listen=")[2]

    def set(self, rates: str) -> None:
        self.control.write_text(rates)

    def end(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def shaped(asked: Asked, house: Any, tmp_path: Path, nowhere: str) -> Iterator[Shaped]:
    """A board and a cloud with a shaped link between them, which only the board can dial."""
    asked.board = house.start_agent("board", "board", "--advertise", nowhere)
    port = nowhere.rpartition(":")[2]
    link = Shaped(f"127.0.0.1:{int(port) + 1}", tmp_path)
    try:
        house.start_agent("cloud", "cloud", "--port", str(int(port) + 1), "--advertise", link.address)
        asked.deploy()
        until(asked.goes_there)
        yield link
    finally:
        link.end()


def in_turn(asked: Asked, meanwhile: Any, page: str = "cloud-raw", near: bool = True) -> list[Any]:
    """Infer again and again on another thread while `meanwhile` runs; return every result."""
    results: list[Any] = []
    over = threading.Event()

    def ask() -> None:
        with lepton_edge.Client(transport=RemoteTransport(asked.board, near=near)) as client:
            while not over.is_set():
                results.append(asked.ask(client, page, deadline=20.0))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    meanwhile()
    time.sleep(3.0)
    over.set()
    thread.join(30)
    assert not thread.is_alive()
    return results


def served(house: Any, name: str) -> tuple[int, int]:
    """Return how many requests an agent served, and how many failed, once it has told."""
    time.sleep(2.0)  # a heartbeat
    with lepton_edge.Client(house.coordinator) as client:
        told = next(one for one in client.status()["devices"] if one["device"] == name)["telemetry"]
    return told["requests_served"], told["requests_failed"]


def test_a_link_that_is_cut_and_restored_costs_no_answer_and_gives_none_twice(
    asked: Asked, house: Any, shaped: Shaped
) -> None:
    before = served(house, "board")

    def break_it() -> None:
        shaped.set("0,0")
        time.sleep(3.0)
        shaped.set("50,5")

    results = in_turn(asked, break_it)
    pages = [result.page for result in results]
    assert "local" in pages, "while it was cut, the board answered"
    assert pages[-1] == "cloud-raw", "and when it was back, the cloud"
    after = served(house, "board")
    assert (after[0] - before[0], after[1] - before[1]) == (len(results), 0), "each was answered once"


def test_a_link_that_breaks_under_way_is_dialled_again_and_nothing_is_lost(
    asked: Asked, house: Any, shaped: Shaped
) -> None:
    def break_it() -> None:
        for _ in range(3):
            shaped.end()
            shaped.open()
            time.sleep(0.7)

    results = in_turn(asked, break_it)
    assert results[-1].page == "cloud-raw"
    assert len(results) > 20
    assert asked.link()["connected"] is True


def test_a_client_whose_link_breaks_asks_again_under_the_same_name(
    asked: Asked, house: Any, tmp_path: Path, nowhere: str
) -> None:
    port = int(nowhere.rpartition(":")[2]) + 1
    (tmp_path / "door").mkdir()
    door = Shaped(f"127.0.0.1:{port}", tmp_path / "door")

    def break_it() -> None:
        for _ in range(3):
            door.end()
            door.open()
            time.sleep(0.7)

    try:
        house.start_agent("board", "board", "--port", str(port), "--advertise", door.address)
        asked.board = door.address
        asked.deploy()
        before = served(house, "board")
        results = in_turn(asked, break_it, page="local", near=False)
        after = served(house, "board")
        assert len(results) > 20
        assert after[0] - before[0] <= len(results) + 3, "at most what was under way at a break ran again"
    finally:
        door.end()


def test_traffic_shows_that_a_link_has_become_another_one(asked: Asked, shaped: Shaped) -> None:
    assert asked.link()["by"] == "probe"
    shaped.set("0.8,5")
    over = threading.Event()

    def ask() -> None:
        with lepton_edge.Client(asked.board) as client:
            while not over.is_set():
                asked.ask(client, deadline=20.0)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: asked.link()["by"] == "traffic", 45.0)
        time.sleep(3.0)
        row = asked.link()
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    assert row["connected"] is True
    assert 0.5 < row["up"] / (0.8e6 / 8) < 1.6
    with lepton_edge.Client(asked.house.coordinator) as client:
        supposed = client.what_if("small")
    assert supposed["plan"]["link"]["up"] == pytest.approx(row["up"], rel=0.5), (
        "it is planned with as it is now"
    )
