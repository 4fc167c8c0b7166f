"""Many callers at once: each gets its share, a camera its newest picture, and what nobody wants costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import onnx
import pytest

import lepton_edge
from bench.queues import model
from lepton_edge import errors
from lepton_edge.client import AsyncClient
from lepton_edge.core.results import Result
from tests.journeys.conftest import until

pytestmark = [pytest.mark.journey, pytest.mark.alone]

X = {"x": np.zeros((1, 3, 96, 96), np.float32)}
PAGES = ["local", "own", "cloud-raw"]


@pytest.fixture(scope="module")
def served(lasting: Any) -> Iterator[Any]:
    """A board and a cloud of one computing thread each, and a model that is cut in its middle."""
    path = lasting.directory / "net.onnx"
    onnx.save(model(), str(path))
    lasting.start_coordinator()
    # it naps, mostly: what is measured is queues, not this machine
    slow = ("--simulate-slow", "20", "--workers", "1")
    lasting.board = lasting.start_agent("board", "board", *slow)
    lasting.cloud = lasting.start_agent("cloud", "cloud", *slow)
    with lepton_edge.Client(lasting.coordinator) as client:
        client.push("net", path)
        client.deploy("net")
        client.pin("net", behind="second/relu")
    return lasting


@pytest.fixture
async def polite(served: Any) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(served.board) as client:
        yield client


async def results(client: AsyncClient, page: str, count: int = 15) -> list[Result]:
    """Ask one after the other."""
    return [await client.infer("net", X, page=page) for _ in range(count)]


def latency(answers: list[Result]) -> float:
    """Return the median of the seconds that requests took."""
    return statistics.median(one.latency for one in answers)


async def usual(client: AsyncClient, page: str = "local") -> float:
    """Return what a request takes when nobody else asks."""
    return latency(await results(client, page, 9))


@contextlib.asynccontextmanager
async def flood(address: str, page: str, in_flight: int = 60) -> AsyncIterator[list[int]]:
    """Ask with so many at a time from one client, and count the answers."""
    answers = [0]

    async def ask(client: AsyncClient) -> None:
        while True:
            await client.infer("net", X, page=page, deadline=None)
            answers[0] += 1

    async with AsyncClient(address, max_in_flight=in_flight) as client:
        tasks = [asyncio.create_task(ask(client)) for _ in range(in_flight)]
        await asyncio.sleep(0.3)
        yield answers
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in results), results


@pytest.mark.parametrize("page", PAGES)
async def test_one_who_floods_does_not_delay_the_others(served: Any, polite: AsyncClient, page: str) -> None:
    """First come first served, the polite one would wait for sixty others, wherever that is."""
    alone = await usual(polite, page)
    async with flood(served.board, page) as answers:
        beside = await results(polite, page)
    assert answers[0] > 15, "the other one has its share too"
    assert latency(beside) < 8 * alone, f"{alone * 1e3:.1f} ms alone, {latency(beside) * 1e3:.1f} ms beside"
    for hops in zip(*(one.hops[1:] for one in beside), strict=True):
        waited, computed = (
            statistics.median(getattr(hop, what) for hop in hops) for what in ("queue", "compute")
        )
        assert waited < 2 * computed + 0.01, f"{waited * 1e3:.1f} ms for {computed * 1e3:.1f} ms of computing"


async def test_sixty_four_callers_with_one_request_each_are_all_let_in(served: Any) -> None:
    clients = [AsyncClient(served.board, retries=0) for _ in range(64)]
    try:
        results = await asyncio.gather(*(client.infer("net", X, page="local") for client in clients))
    finally:
        for client in clients:
            await client.close()
    assert len(results) == 64


@pytest.fixture
def camera(served: Any) -> Iterator[Any]:
    """Deploy the model with another queue policy, and as before in the end."""
    with lepton_edge.Client(served.coordinator) as client:
        yield lambda policy: client.deploy("net", queue=policy, page="local")
        client.deploy("net")
        client.pin("net", behind="second/relu")


async def see(client: AsyncClient, frames: int, every: float) -> list[tuple[str, float]]:
    """Send a picture every so many seconds; return how each ended, and after how long."""

    async def one() -> tuple[str, float]:
        begun = time.perf_counter()
        try:
            await client.infer("net", X)
        except errors.LeptonError as error:
            return error.code, time.perf_counter() - begun
        return "answered", time.perf_counter() - begun

    tasks = []
    for _ in range(frames):
        tasks.append(asyncio.create_task(one()))
        await asyncio.sleep(every)
    return await asyncio.gather(*tasks)


async def test_a_camera_gets_its_newest_picture_answered(
    served: Any, polite: AsyncClient, camera: Any
) -> None:
    camera("newest")
    alone = await usual(polite, "")
    ends = await see(polite, 40, alone / 4)
    assert {how for how, _ in ends} == {"answered", "superseded"}
    assert ends[-1][0] == "answered", "the newest of all has nothing that takes its place"
    answered = [seconds for how, seconds in ends if how == "answered"]
    assert 5 <= len(answered) <= 20, "about one in four"
    assert statistics.median(answered) < 3 * alone, "it never waits for more than what runs"


async def test_oldest_refuses_the_newer_while_one_waits(
    served: Any, polite: AsyncClient, camera: Any
) -> None:
    camera("oldest")
    alone = await usual(polite, "")
    async with AsyncClient(served.board, retries=0) as impatient:
        ends = await see(impatient, 12, alone / 8)
        assert {how for how, _ in ends} == {"answered", "overloaded"}
        assert 2 <= [how for how, _ in ends].count("answered") <= 6, "what ran, what waited, and those after"
        assert statistics.median(seconds for how, seconds in ends if how == "overloaded") < alone
    async with AsyncClient(served.board, retries=10) as patient:
        ends = await see(patient, 6, alone / 8)
        assert {how for how, _ in ends} == {"answered"}, "the wait that a refusal tells is kept"


async def test_what_cannot_wait_ends_in_the_queue_and_never_runs(served: Any, polite: AsyncClient) -> None:
    alone = await usual(polite)

    async def hurried(client: AsyncClient) -> str:
        try:
            await client.infer("net", X, page="local", deadline=3 * alone)
        except errors.DeadlineExceeded:
            return "late"
        return "answered"

    async with AsyncClient(served.board, retries=0) as client:
        ends = await asyncio.gather(*(hurried(client) for _ in range(40)))
        assert ends.count("late") >= 28
        after = await client.infer("net", X, page="local")
    assert after.hops[-1].queue < 10 * alone, "thirty dead requests would have been before it"


@pytest.fixture(scope="module")
def snail(served: Any) -> Any:
    """The same, where the cloud now takes two to four seconds for a request: long enough to give it up."""
    served.end("cloud")
    served.cloud = served.start_agent("cloud", "cloud", "--simulate-slow", "2400", "--workers", "1")
    with lepton_edge.Client(served.board) as client:

        def answers() -> bool:
            """Ask once a second: an entry learns from answers that come late, and the cloud has one at a time."""
            time.sleep(1.0)
            return bool(client.infer("net", X, page="cloud-raw").hops[-1].device == "cloud")

        until(answers, 60.0)
    return served


async def time_to_stop(address: str) -> float:
    """Ask the cloud by itself; return how long that waited for what the cloud was doing."""
    async with AsyncClient(address) as client:
        result = await client.infer("net", X, page="cloud-raw")
    (hop,) = [hop for hop in result.hops if hop.device == "cloud"]
    print(f"it waited {hop.queue * 1e3:.1f} ms")
    return hop.queue


@pytest.mark.parametrize("waiting", [1, 5])
async def test_what_its_caller_cancels_stops_in_the_cloud_too(
    snail: Any, polite: AsyncClient, waiting: int
) -> None:
    """The first is being computed there, the others wait behind it."""
    tasks = [asyncio.create_task(polite.infer("net", X, page="cloud-raw")) for _ in range(waiting)]
    await asyncio.sleep(0.4)
    for task in tasks:
        task.cancel()
    assert await time_to_stop(snail.cloud) < 0.25


async def test_a_caller_that_dies_leaves_no_work_behind(snail: Any) -> None:
    asking = "import sys, numpy, lepton_edge\nwith lepton_edge.Client(sys.argv[1]) as client:\n"
    asking += "    print('asks', flush=True)\n"
    asking += "    client.infer('net', {'x': numpy.zeros((1, 3, 96, 96), 'f4')}, page='cloud-raw')"
    command = [sys.executable, "-c", asking, snail.board]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "asks\n"
        await asyncio.sleep(0.4)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert await time_to_stop(snail.cloud) < 0.25


async def test_a_deadline_is_kept_without_the_cloud_which_stops(snail: Any, polite: AsyncClient) -> None:
    alone = await usual(polite)
    deadline = min(
        max(0.9, 30 * alone), 1.6
    )  # a tenth of it is for the way home, on a machine that is slow now
    begun = time.perf_counter()
    result = await polite.infer("net", X, page="cloud-raw", deadline=deadline)
    assert time.perf_counter() - begun < deadline
    assert (result.page, result.hops[-1].device) == ("local", "board")
    assert await time_to_stop(snail.cloud) < 0.25
