"""Streams of requests through real agents: in order, left early, while an agent restarts; clients of many threads."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import lepton_edge
from tests.journeys.models import small_model

pytestmark = [pytest.mark.journey, pytest.mark.alone]

SLOW = ("--simulate-slow", "20")


@pytest.fixture(scope="module")
def served(lasting: Any) -> Any:
    """A board 20 times slower, a cloud, and the small model on both."""
    path = lasting.directory / "small.onnx"
    onnx.save(small_model(), str(path))
    lasting.start_coordinator()
    lasting.board = lasting.start_agent("board", "board", *SLOW, "--port", "0")
    lasting.start_agent("cloud", "cloud")
    with lepton_edge.Client(lasting.coordinator) as client:
        client.push("small", path)
        client.deploy("small")
    lasting.expected = [expected(path, asked(number)) for number in range(40)]
    return lasting


def asked(number: int) -> dict[str, Any]:
    return {"x": np.random.default_rng(number).standard_normal((1, 3, 32, 32)).astype(np.float32)}


def expected(model: Path, inputs: dict[str, Any]) -> Any:
    return onnxruntime.InferenceSession(str(model)).run(None, inputs)[0]


def clients_seen(house: Any) -> int:
    """Count the links that clients have opened to the board."""
    log = (house.directory / "board.log").read_text()
    return sum("link opened" in line and "client-" in line for line in log.splitlines())


@pytest.mark.parametrize(("page", "ordered"), [("local", True), ("cloud-raw", True), ("cloud-raw", False)])
def test_each_input_gets_its_own_answer(served: Any, page: str, ordered: bool) -> None:
    before = clients_seen(served)
    with lepton_edge.Client(served.board) as client:
        stream = client.stream("small", map(asked, range(40)), ordered=ordered, page=page)
        results = list(stream)
    assert sorted(result.index for result in results) == list(range(40))
    assert not ordered or [result.index for result in results] == list(range(40))
    for result in results:
        assert result.page == page
        np.testing.assert_allclose(result["y"], served.expected[result.index], rtol=1e-4, atol=1e-5)
    assert clients_seen(served) == before + 1, "one link for all of them"


def test_thirty_two_threads_share_one_link_and_get_their_own_answers(served: Any) -> None:
    before = clients_seen(served)
    with lepton_edge.Client(served.board) as client, ThreadPoolExecutor(32) as pool:
        results = list(pool.map(lambda number: client.infer("small", asked(number)), range(40)))
    for number, result in enumerate(results):
        np.testing.assert_allclose(result["y"], served.expected[number], rtol=1e-4, atol=1e-5)
    assert clients_seen(served) == before + 1


@pytest.mark.parametrize("page", ["local", "cloud-raw"])
def test_a_stream_that_is_left_leaves_no_work_at_the_agents(served: Any, page: str) -> None:
    with lepton_edge.Client(served.board) as client:
        alone = min(_seconds(client, page) for _ in range(5))
        for _ in client.stream("small", _endless(), in_flight=64, page=page):
            break
        assert _seconds(client, page) < 10 * alone + 0.05, "sixty others would have gone before it"


def _seconds(client: lepton_edge.Client, page: str) -> float:
    begun = time.monotonic()
    client.infer("small", asked(0), page=page)
    return time.monotonic() - begun


def _endless() -> Iterator[Any]:
    given = asked(0)
    while True:
        yield given


def test_a_camera_on_a_model_of_the_newest_loses_frames_and_nothing_else(served: Any) -> None:
    with lepton_edge.Client(served.coordinator) as client:
        client.deploy("small", queue="newest")
        try:
            shown = [result.index for result in client.stream("small", map(asked, range(40)), in_flight=16)]
            stream = client.stream("small", map(asked, range(40)), in_flight=16, on_error="yield")
            codes = [getattr(result.error, "code", "") for result in stream]
        finally:
            client.deploy("small", queue="block")
    assert shown == sorted(shown)
    assert 1 < len(shown) < 40
    assert shown[-1] == 39, "the newest is never lost"
    assert set(codes) == {"", "superseded"}
    assert codes[-1] == ""


def test_an_application_that_ends_without_closing_ends(served: Any) -> None:
    script = f"""
import contextlib, itertools, threading
import numpy as np
import lepton_edge
client = lepton_edge.Client({served.board!r})
given = {{"x": np.zeros((1, 3, 32, 32), np.float32)}}

def read():
    with contextlib.suppress(lepton_edge.LeptonError):  # it is told that the client was closed
        for result in client.stream("small", itertools.repeat(given)):
            pass

stream = client.stream("small", itertools.repeat(given))
next(stream)
threading.Thread(target=read, daemon=True).start()
print("over", flush=True)
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", ""), done.stderr
    assert time.monotonic() - begun < 15


def test_files_on_the_command_line_are_a_stream(served: Any, tmp_path: Path) -> None:
    for number in range(12):
        np.save(tmp_path / f"{number:02d}.npy", asked(number)["x"])
    said = served.command("infer", "small", "--input", str(tmp_path), "--format", "json")
    told = [json.loads(line) for line in said.splitlines()]
    assert [one["index"] for one in told] == list(range(12))
    for one in told:
        np.testing.assert_allclose([one["outputs"][0]["values"]], [served.expected[one["index"]]], rtol=1e-4)
    figures = served.json(
        "infer", "small", "-i", f"x={tmp_path / '00.npy'}", "--repeat", "10", "--page", "cloud-raw"
    )
    assert [hop["device"] for hop in figures["hops"]] == ["client", "board", "cloud"]
    assert figures["latency"]["p50"] >= figures["hops"][1]["total"]["p50"] > 0


def test_a_stream_outlives_a_restart_of_its_entry(served: Any) -> None:
    """Last: it kills the board, which comes back on its state and its port."""
    restarted = threading.Event()

    def source() -> Iterator[Any]:
        for number in range(40):
            if number == 10:
                served.kill("board")
                port = served.board.rpartition(":")[2]
                served.start_agent("board", "board", *SLOW, "--port", port)
                restarted.set()
            yield asked(number)

    with lepton_edge.Client(served.board, retries=20) as client:
        results = list(client.stream("small", source()))
    assert restarted.is_set()
    assert len(results) == 40
    for number, result in enumerate(results):
        np.testing.assert_allclose(result["y"], served.expected[number], rtol=1e-4, atol=1e-5)
