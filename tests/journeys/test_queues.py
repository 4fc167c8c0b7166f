"""Many callers at once: each gets its share, a camera its newest picture, and what nobody wants costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import lepton_edge
from lepton_edge import errors
from lepton_edge.client import AsyncClient

pytestmark = pytest.mark.journey

X = {"x": np.zeros((1, 3, 96, 96), np.float32)}
PAGES = ["local", "own", "cloud-raw"]


def model() -> onnx.ModelProto:
    """Return a net of some milliseconds: x float32 [1,3,96,96] to y float32 [1,32]."""
    make = np.random.default_rng(0).standard_normal
    shapes = {"w1": (32, 3, 3, 3), "w2": (32, 32, 3, 3), "w3": (32, 32, 3, 3)}
    weights = [numpy_helper.from_array((make(s) / 20).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "first/relu"),
        helper.make_node("Conv", ["b", "w2"], ["c"], "second", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["d"], "second/relu"),
        helper.make_node("Conv", ["d", "w3"], ["e"], "third", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"], "pool"),
        helper.make_node("Flatten", ["f"], ["y"], "flatten"),
    ]
    ends = [("x", [1, 3, 96, 96]), ("y", [1, 32])]
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in ends)
    graph = helper.make_graph(nodes, "queues", [x], [y], weights)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


@pytest.fixture(scope="module")
def served(lasting: Any) -> Iterator[Any]:
    """A board and a cloud of one computing thread each, and a model that is cut in its middle."""
    path = lasting.directory / "net.onnx"
    onnx.save(model(), str(path))
    lasting.start_coordinator()
    slow = (
        "--simulate-slow",
        "10",
        "--workers",
        "1",
    )  # it naps: what is measured is queues, not this machine
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


async def latencies(client: AsyncClient, page: str, count: int = 15) -> list[float]:
    """Ask one after the other; return the seconds that each took."""
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        await client.infer("net", X, page=page)
        taken.append(time.perf_counter() - begun)
    return taken


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
    """First come first served, the polite one would wait for sixty others: some fifty times as long as alone."""
    alone = statistics.median(await latencies(polite, page))
    async with flood(served.board, page) as answers:
        beside = statistics.median(await latencies(polite, page))
    assert answers[0] > 15, "the other one has its share too"
    assert beside < 3 * alone, f"{alone * 1e3:.1f} ms alone, {beside * 1e3:.1f} ms beside the flood"


async def test_sixty_four_callers_with_one_request_each_are_all_let_in(served: Any) -> None:
    clients = [AsyncClient(served.board, retries=0) for _ in range(64)]
    try:
        results = await asyncio.gather(*(client.infer("net", X, page="local") for client in clients))
    finally:
        for client in clients:
            await client.close()
    assert len(results) == 64
