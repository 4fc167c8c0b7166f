"""Processes as systemd runs them: ready, alive, about to end; and a board that boots without a network."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lepton_edge
from tests.journeys.conftest import until

pytestmark = pytest.mark.journey


class Manager:
    """A service manager that wants a sign of life every tenth of a second, and takes every word, as systemd does."""

    def __init__(self, way: socket.socket) -> None:
        self._way = way
        self._words: list[str] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while word := self._way.recv(4096).decode():
                self._words.append(word)

    def hears(self, word: str) -> None:
        """Wait for a word; those before it are over."""
        until(lambda: any(told.startswith(word) for told in self._words))
        place = next(place for place, told in enumerate(self._words) if told.startswith(word))
        del self._words[: place + 1]


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
        way.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", way.getsockname())
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        yield Manager(way)
        way.shutdown(socket.SHUT_RDWR)


def test_a_coordinator_and_an_agent_tell_their_manager(house: Any, manager: Manager) -> None:
    house.start_coordinator()
    manager.hears("READY=1")
    manager.hears("WATCHDOG=1")
    house.start_agent("board", "board")
    manager.hears("READY=1")
    house.end("coordinator")
    manager.hears("STOPPING=1")
    manager.hears("WATCHDOG=1")  # of the agent, which goes on
    house.end("board")
    manager.hears("STOPPING=1")


@pytest.mark.measured
def test_a_board_that_boots_without_a_network_serves_its_last_epoch(
    house: Any, small: Path, small_input: Path
) -> None:
    """Nobody is there but the board: no coordinator, no cloud; and again after a second power cut."""
    x = np.load(small_input)
    expected = onnxruntime.InferenceSession(str(small)).run(None, {"x": x})[0]
    house.start_coordinator()
    house.start_agent("board", "board")
    house.start_agent("cloud", "cloud")
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        assert client.deploy("small")["epoch"] == 1
    for name in ("cloud", "coordinator", "board"):
        house.kill(name)
    for _boot in range(2):
        address = house.start_agent("board", "board", registered=False)
        with lepton_edge.Client(address) as client:
            result = _answered(client, x)
        np.testing.assert_allclose(result["y"], expected, rtol=1e-4, atol=1e-5)
        assert (result.epoch, [hop.device for hop in result.hops]) == (1, ["client", "board"])
        house.kill("board")


def test_a_board_whose_certificate_ended_while_it_was_off_comes_back_by_itself(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody goes there with a token: it proves that the key of the old certificate is still its own."""
    monkeypatch.setenv("LEPTON_EDGE_COORDINATOR_CERTIFICATE_LIFE", "3")
    house.start_coordinator()
    house.start_agent("board", "board")
    house.kill("board")
    kept = house.directory / "board" / "security" / "life.json"
    until(lambda: time.time() > json.loads(kept.read_text())[1])
    house.start_agent("board", "board")
    told = (house.directory / "coordinator" / "security" / "audit.jsonl").read_text()
    assert "renew after its end" in told


def _answered(client: lepton_edge.Client, x: Any) -> Any:
    """Ask until the blocks are open: the port is before."""
    end = time.monotonic() + 20
    while True:
        try:
            return client.infer("small", {"x": x})
        except (lepton_edge.errors.UnknownModel, lepton_edge.errors.Unavailable):
            assert time.monotonic() < end, "it never served"
            time.sleep(0.1)
