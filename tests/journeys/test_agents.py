"""The agent's process: how it starts, how it ends, and what it says when it may not stay."""

from __future__ import annotations

import functools
import os
import secrets
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import lepton_edge
from tests.journeys.conftest import LEPTON_EDGE, ROOT

pytestmark = pytest.mark.journey

IDLE_RESIDENT = 85e6  # bytes
OF_TLS = 3.5e6
"""Bytes more of one that proves who it is: gRPC's own TLS and the contexts of `ssl`; cryptography is not in it."""
NOT_HANGING = 3.0
"""Seconds to be registered on a machine that others use too. The goal is 1.5 s, and this is no test of it:
`bench/footprint.py` measures that on a quiet machine and says whether it is met."""


def _refused(house: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*LEPTON_EDGE, "agent", "start", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)


@pytest.mark.alone
@pytest.mark.parametrize("in_the_open", [True, False])
def test_an_idle_agent_is_light_and_registers_within_seconds(house: Any, in_the_open: bool) -> None:
    house.insecure = in_the_open
    house.start_coordinator()
    begun = time.monotonic()
    house.start_agent("board", "board")
    assert time.monotonic() - begun < NOT_HANGING
    time.sleep(0.5)
    resident = psutil.Process(house.processes["board"].pid).memory_info().rss
    most = IDLE_RESIDENT if in_the_open else IDLE_RESIDENT + OF_TLS
    assert resident <= most, f"{resident / 1e6:.1f} MB"


def test_the_second_agent_of_one_name_is_told_what_to_do(house: Any, tmp_path: Path) -> None:
    house.start_coordinator()
    house.start_agent("board", "board")
    arguments = ["--role", "board", "--name", "board", "--coordinator", house.coordinator, "--port", "0"]
    arguments += house.proving("other")
    done = _refused(house, *arguments, "--state-directory", str(tmp_path / "other"))
    assert done.returncode == 3
    assert "another agent called 'board' is connected" in done.stderr
    assert "--name" in done.stderr
    [device] = house.json("device", "list")["devices"]
    assert device["connected"], "the first one was not disturbed"


def test_two_agents_do_not_share_a_state_directory(house: Any) -> None:
    house.start_coordinator()
    house.start_agent("board", "board")
    arguments = ["--role", "board", "--name", "other", "--coordinator", house.coordinator, "--port", "0"]
    done = _refused(house, *arguments, "--state-directory", str(house.directory / "board"))
    assert done.returncode == 3
    assert "another agent uses" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--role", "gateway"], 2, "give --role board, where data arises, or --role cloud"),
        (["--role", "board", "--name", "a b"], 2, "cannot be called 'a b'"),
        (["--role", "board", "--state-directory", "/proc/nowhere"], 5, "cannot be written"),
        (["--role", "board", "--port", "99999"], 2, "65535"),
    ],
)
def test_a_wrong_start_is_one_error_that_says_what_to_do(
    house: Any, arguments: list[str], status: int, says: str
) -> None:
    done = _refused(house, *arguments, "--coordinator", "127.0.0.1:9")
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_that_was_asked_for_is_refused(house: Any) -> None:
    house.start_coordinator()
    port = house.start_agent("one", "board").rpartition(":")[2]
    done = _refused(house, "--insecure", "--role", "cloud", "--name", "two", "--port", port)
    assert (done.returncode, done.stdout) == (4, "")
    assert f"--port: port {port} is taken by an agent (process {house.processes['one'].pid})" in done.stderr


def test_an_agent_that_is_asked_to_end_says_goodbye(house: Any) -> None:
    house.start_coordinator()
    house.start_agent("board", "board")
    assert house.end("board") == 0
    [device] = house.json("device", "list")["devices"]
    assert not device["connected"]


def test_the_request_in_flight_is_answered_when_the_cloud_is_killed(house: Any, small: Path) -> None:
    """Every request of a stream of them is answered rightly while the cloud dies by kill -9."""
    house.start_coordinator()
    house.start_agent("board", "board")
    house.start_agent("cloud", "cloud", "--simulate-slow", "100", "--port", "0")
    rng = np.random.default_rng(secrets.randbits(32))
    x = rng.standard_normal((1, 3, 32, 32)).astype(np.float32)
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
        whole = client.infer("small", {"x": x}, page="local")["y"]
        results = []
        for number in range(12):
            if number == 4:
                kill = functools.partial(os.kill, house.processes["cloud"].pid, signal.SIGKILL)
                threading.Timer(0.02, kill).start()  # while the next request is on its way
            results.append(client.infer("small", {"x": x}, page="cloud-raw"))
    for result in results:
        np.testing.assert_allclose(result["y"], whole, rtol=1e-4, atol=1e-5)
    pages = [result.page for result in results]
    assert pages[0] == "cloud-raw"
    assert pages[-1] == "local"
    reasons = {result.reason for result in results if result.page == "local"}
    assert "fallback: the link to cloud was lost" in reasons, reasons
