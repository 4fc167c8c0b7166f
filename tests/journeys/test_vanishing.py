"""Devices that vanish, as the entry sees it: whoever asks gets one right answer, or one typed error in time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
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
from lepton_edge import errors
from tests.journeys.conftest import ROOT, until

pytestmark = pytest.mark.journey
measured = pytest.mark.measured

MARGIN = 0.2  # seconds that a far side may be late, docs/decisions/ladder.md
NOISE = 0.25  # seconds for which a busy machine may stand still


class Town:
    """A board and clouds that hold the small model, and its right answer for one input."""

    def __init__(self, house: Any, model: Path) -> None:
        self.house, self.model = house, model
        self.x = np.random.default_rng(3).standard_normal((1, 3, 32, 32)).astype(np.float32)
        self.expected = onnxruntime.InferenceSession(str(model)).run(None, {"x": self.x})[0]
        self.board = ""

    def deploy(self, name: str = "small", **how: Any) -> Any:
        with lepton_edge.Client(self.house.coordinator) as client:
            client.push(name, self.model)
            return client.deploy(name, **how)

    def ask(self, client: Any, page: str = "cloud-raw", **how: Any) -> Any:
        """Infer, check the answer, and return the result."""
        return self.right(client.infer("small", {"x": self.x}, page=page, **how))

    def right(self, result: Any) -> Any:
        np.testing.assert_allclose(result["y"], self.expected, rtol=1e-4, atol=1e-5)
        return result

    def pid(self, name: str) -> int:
        return int(self.house.processes[name].pid)

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop a process without ending it."""
        os.kill(self.pid(name), signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid(name), signal.SIGCONT)


@pytest.fixture
def town(house: Any, small: Path) -> Town:
    made = Town(house, small)
    house.start_coordinator()
    made.board = house.start_agent("board", "board")
    return made


@pytest.fixture
def served(town: Town, house: Any) -> Town:
    """A board and a cloud that takes a while for its part."""
    house.start_agent("cloud", "cloud")
    town.deploy()
    return town


def timed(town: Town, client: Any, count: int, page: str = "cloud-raw") -> list[tuple[float, Any]]:
    """Ask so often, one after the other; return the seconds that each took, and its result."""
    found = []
    for _ in range(count):
        begun = time.perf_counter()
        result = town.ask(client, page)
        found.append((time.perf_counter() - begun, result))
    return found


# --- a cloud that stands still ----------------------------------------------------------------------


@measured
def test_a_frozen_cloud_is_waited_for_once_and_taken_again_when_it_moves(served: Town) -> None:
    with lepton_edge.Client(served.board) as client:
        alone = sorted(took for took, _ in timed(served, client, 9, "local"))[4]
        timed(served, client, 12)
        with served.frozen("cloud"):
            late = timed(served, client, 12)
        assert {result.page for _, result in late} == {"local"}
        assert late[0][1].reason.startswith("fallback: cloud did not answer within 0.1"), (
            "half the margin: it is idle"
        )
        assert late[0][0] < MARGIN + alone + NOISE
        waits = sorted(took for took, _ in late[1:])
        assert waits[5] < MARGIN / 2, "the others did not wait for it"
        begun = time.monotonic()
        until(lambda: served.ask(client).page == "cloud-raw")
        assert time.monotonic() - begun < 3.0


@measured
def test_freeze_after_freeze_is_each_waited_for_as_the_first(served: Town) -> None:
    """What was answered when it went on again says for how long it stood still, and not how slow it is."""
    with lepton_edge.Client(served.board) as client:
        timed(served, client, 12)
        for _ in range(3):
            with served.frozen("cloud"):
                first, *_ = (result for _, result in timed(served, client, 6))
                time.sleep(1.2)
            found = re.match(r"fallback: cloud did not answer within ([0-9.]+) s", first.reason)
            assert found, first.reason
            assert float(found[1]) < MARGIN + NOISE, (
                "four mean deviations of those answers would be a second and more"
            )
            until(lambda: [served.ask(client).page for _ in range(3)] == 3 * ["cloud-raw"])


@measured
async def test_a_frozen_board_is_no_hang(served: Town) -> None:
    async with lepton_edge.AsyncClient(served.board) as client:
        served.right(await client.infer("small", {"x": served.x}))
        with served.frozen("board"):
            calls = [
                asyncio.create_task(client.infer("small", {"x": served.x}, deadline=0.6)) for _ in range(6)
            ]
            ends = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(end) for end in ends} == {errors.DeadlineExceeded}
        served.right(await client.infer("small", {"x": served.x}))


@measured
def test_a_frozen_coordinator_is_asked_in_vain_and_nobody_else_notices(served: Town, house: Any) -> None:
    with lepton_edge.Client(served.board) as client, lepton_edge.Client(house.coordinator) as far:
        timed(served, client, 3)
        served.ask(far)
        with served.frozen("coordinator"):
            assert {result.page for _, result in timed(served, client, 5)} == {"cloud-raw"}
            served.ask(far)  # its link is to the entry
        assert far.status()["models"][0]["model"] == "small"


# --- a link that carries nothing, and does not close ------------------------------------------------


class Link:
    """A shaped link in front of an address, which can swallow everything."""

    def __init__(self, to: str, directory: Path) -> None:
        self.control = directory / "link"
        self.control.write_text("100,2")
        module = [sys.executable, "-m", "lepton_edge.link.shape", "--listen", "127.0.0.1:0", "--to", to]
        shape = ["--up", "100", "--down", "100", "--delay", "2", "--control", str(self.control)]
        self.process = subprocess.Popen([*module, *shape], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip().partition("listen=")[2]

    def set(self, rates: str) -> None:
        self.control.write_text(rates)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def swallowing(house: Any, small: Path, tmp_path: Path) -> Iterator[tuple[Town, Link]]:
    """A board and a cloud with a link between them, which only the board can dial."""
    town = Town(house, small)
    house.start_coordinator()
    with socket.socket() as nowhere:
        nowhere.bind(("127.0.0.1", 0))
        town.board = house.start_agent(
            "board", "board", "--advertise", f"127.0.0.1:{nowhere.getsockname()[1]}"
        )
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
        link = Link(f"127.0.0.1:{port}", tmp_path)
        try:
            house.start_agent("cloud", "cloud", "--port", str(port), "--advertise", link.address)
            town.deploy()
            yield town, link
        finally:
            link.end()


@measured
async def test_a_link_that_swallows_everything_costs_what_is_under_way_the_margin(
    swallowing: tuple[Town, Link],
) -> None:
    town, link = swallowing
    async with lepton_edge.AsyncClient(town.board) as client:

        async def ask() -> tuple[float, Any]:
            begun = time.perf_counter()
            result = await client.infer("small", {"x": town.x}, page="cloud-raw")
            return time.perf_counter() - begun, town.right(result)

        before = [await ask() for _ in range(8)]
        assert {result.page for _, result in before} == {"cloud-raw"}
        link.set("0,0")
        await asyncio.sleep(0.1)  # it looks at its control file every 50 ms
        cut = await asyncio.gather(*(ask() for _ in range(4)))
        assert {result.page for _, result in cut} == {"local"}
        assert max(took for took, _ in cut) < 0.1 + MARGIN + NOISE
        later = [await ask() for _ in range(8)]
        assert sorted(took for took, _ in later)[4] < MARGIN / 2
        link.set("100,2")
        begun = time.monotonic()
        while (await ask())[1].page != "cloud-raw":
            assert time.monotonic() - begun < 3.0, "back on the split"
            await asyncio.sleep(0.02)


# --- a process that is killed -----------------------------------------------------------------------


@measured
async def test_requests_in_an_entry_that_is_killed_end_once_each(served: Town, house: Any) -> None:
    """They are tried again under the same name while it starts anew; or there is one typed error."""
    port = served.board.rpartition(":")[2]
    async with lepton_edge.AsyncClient(served.board, retries=6) as client:
        served.right(await client.infer("small", {"x": served.x}, page="cloud-raw"))
        asking = [
            asyncio.create_task(client.infer("small", {"x": served.x}, page="cloud-raw", deadline=15.0))
            for _ in range(12)
        ]
        await asyncio.sleep(0.004)
        house.kill("board")
        await asyncio.to_thread(house.start_agent, "board", "board", "--port", port)
        ends = await asyncio.gather(*asking, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                assert isinstance(end, errors.Unavailable | errors.UnknownModel), end
                assert end.hint
            else:
                served.right(end)
        served.right(await client.infer("small", {"x": served.x}, deadline=10.0))


@measured
def test_a_replica_answers_for_a_cloud_that_is_killed(town: Town, house: Any) -> None:
    for name in ("cloud", "cloud-2"):
        house.start_agent(name, "cloud")
    done = town.deploy(replicas=("*",))
    first = done["devices"]
    with lepton_edge.Client(town.board) as client:
        until(lambda: len(town.ask(client).hops) == 3)
        killed = str(town.ask(client).hops[-1].device)
        other = "cloud-2" if killed == "cloud" else "cloud"
        house.kill(killed)
        results = [result for _, result in timed(town, client, 10)]
    assert results[-1].hops[-1].device == other, (first, results[-1].reason)
    assert results[-1].page == "cloud-raw"
    assert f"{other} stood in for {killed}" in results[-1].reason


# --- what the board cannot do itself ----------------------------------------------------------------


@measured
def test_a_declared_smaller_model_answers_and_says_so(house: Any, small: Path, tmp_path: Path) -> None:
    """The large model fits on the cloud only; its small sister is on the board."""
    large = tmp_path / "large.onnx"
    onnx.save(_large(), str(large))
    manifest = tmp_path / "large.toml"
    manifest.write_text('[model]\nsmaller = "small"\n')
    limits = tmp_path / "board.toml"
    limits.write_text("[agent]\nmemory_limit = 16000000\n")
    house.start_coordinator()
    board = house.start_agent("board", "board", "--config", str(limits))
    house.start_agent("cloud", "cloud")
    x = {"x": np.random.default_rng(3).standard_normal((1, 3, 32, 32)).astype(np.float32)}
    with lepton_edge.Client(house.coordinator) as client:
        client.push("small", small)
        client.deploy("small")
        client.push("large", large, manifest=manifest)
        assert client.deploy("large")["page"] != "local"
    with (
        lepton_edge.Client(board) as client,
        lepton_edge.Client(board, accept_degraded=False, retries=0) as strict,
    ):
        until(lambda: not client.infer("large", x).degraded)
        house.kill("cloud")
        result = client.infer("large", x)
        assert (result.degraded, str(result.model)) == (True, "small")
        assert "small answered in place of large" in result.reason
        expected = onnxruntime.InferenceSession(str(small)).run(None, x)[0]
        np.testing.assert_allclose(result["y"], expected, rtol=1e-4, atol=1e-5)
        with pytest.raises(errors.Unavailable):
            strict.infer("large", x)


def _large() -> onnx.ModelProto:
    """The small model's inputs and outputs, and 64 MB of weights between them."""
    make = np.random.default_rng(1).standard_normal
    weights = {"w1": make((3072, 4096)) / 64, "w2": make((4096, 10)) / 64}
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], "flatten"),
        helper.make_node("MatMul", ["f", "w1"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["r"], "relu"),
        helper.make_node("MatMul", ["r", "w2"], ["y"], "second"),
    ]
    held = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 32, 32])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, "large", [x], [y], held)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


SHORT = ("prepare_failed", "compute_failed", "storage_full", "out_of_memory")
"""What a device without memory says, by where it ends: while it opens, runs or stores a block, or begins a thread."""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space of another process")
def test_a_board_without_memory_for_a_new_epoch_keeps_the_old_one(town: Town, tmp_path: Path) -> None:
    town.deploy()
    large = tmp_path / "large.onnx"
    onnx.save(_large(), str(large))
    with lepton_edge.Client(town.house.coordinator) as client:
        client.push("large", large)
        with limited_memory(town.pid("board"), 24 << 20):
            with pytest.raises(lepton_edge.LeptonError) as told:
                client.deploy("large")
            assert told.value.code in SHORT, told.value
            assert told.value.hint
            town.ask(client, "local")
        assert town.house.processes["board"].poll() is None, "it did not die of it"
        assert client.deploy("large")["devices"] == ["board"]
        town.ask(client, "local")


@contextlib.contextmanager
def limited_memory(pid: int, more: int) -> Iterator[None]:
    """Let a process have `more` bytes of address space beyond what it has, and no more."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_AS, before)


# --- one that comes back with what is no longer true --------------------------------------------------


@measured
def test_a_cloud_that_returns_with_an_old_epoch_is_told_what_holds_now(served: Town, house: Any) -> None:
    """It is frozen beyond its lease; meanwhile the model is deployed anew, on the board alone."""
    over = threading.Event()
    results: list[Any] = []

    def ask() -> None:
        with lepton_edge.Client(served.board) as client:
            while not over.is_set():
                results.append(served.ask(client, "", deadline=10.0))
                time.sleep(0.01)

    asking = threading.Thread(target=ask)
    with lepton_edge.Client(house.coordinator) as client:
        asking.start()
        try:
            with served.frozen("cloud"):
                until(lambda: not _device(client, "cloud")["connected"], 40.0)
                assert client.deploy("small")["devices"] == ["board"]
                assert _epochs(client, "board") - _epochs(client, "cloud")
            until(lambda: bool(_device(client, "cloud")["connected"]), 20.0)
            until(lambda: _epochs(client, "cloud") <= _epochs(client, "board"), 20.0)
        finally:
            over.set()
            asking.join(30)
    assert not asking.is_alive()
    assert len(results) > 20


def _device(client: Any, name: str) -> Any:
    return next(one for one in client.status()["devices"] if one["device"] == name)


def _epochs(client: Any, name: str) -> set[int]:
    """Return the epochs that are active on a device."""
    return {one["epoch"] for one in _device(client, name)["epochs"] if one["state"] == "active"}
