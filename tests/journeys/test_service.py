"""Processes as systemd runs them: ready, alive, about to end; and a board that boots without a network."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import lepton_edge

pytestmark = pytest.mark.journey


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service manager that wants a sign of life every tenth of a second."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", made.getsockname())
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        yield made


def hears(manager: socket.socket, word: str) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if manager.recv(4096).decode().startswith(word):
            return
    pytest.fail(f"the manager never heard {word}")


def silent(manager: socket.socket) -> None:
    """Forget what was said so far."""
    manager.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            manager.recv(4096)
    manager.settimeout(20)


def test_a_coordinator_and_an_agent_tell_their_manager(house: Any, manager: socket.socket) -> None:
    house.start_coordinator()
    hears(manager, "READY=1")
    hears(manager, "WATCHDOG=1")
    house.end("coordinator")
    hears(manager, "STOPPING=1")
    silent(manager)
    house.start_agent("board", "board", registered=False)
    hears(manager, "READY=1")
    hears(manager, "WATCHDOG=1")
    house.end("board")
    hears(manager, "STOPPING=1")


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


def _answered(client: lepton_edge.Client, x: Any) -> Any:
    """Ask until the blocks are open: the port is before."""
    end = time.monotonic() + 20
    while True:
        try:
            return client.infer("small", {"x": x})
        except (lepton_edge.errors.UnknownModel, lepton_edge.errors.Unavailable):
            assert time.monotonic() < end, "it never served"
            time.sleep(0.1)
