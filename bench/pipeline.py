"""Pipelining: while the cloud computes request n, the link carries n + 1 and the board computes n + 2.

    python -m bench.pipeline [--requests N] [--in-flight N]

Two real agents and a shaped link between them run a book of two blocks: a matrix product on the board, 102 kB across
the link, a matrix product in the cloud. Devices are slowed by the agent (it sleeps what a slower one would compute), so
that the cells do not fight for this machine's cores. In each cell another stage is the slowest; what is answered a
second is held against the rate of that stage by itself in the same run: 1 / (decode + compute + encode) as the hops
tell them, or the link's rate over the bytes and headers of a frame's tensors.

Law: the client's stream, real processes, nothing in between.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bench.byhand import ByHand, thin_book
from bench.rows import Row
from examples.demo.processes import Child, Conditions, Town, free_port, lepton
from lepton_edge.client import AsyncClient
from lepton_edge.core.results import Result
from partitioner.costs import HEADER_OVERHEAD
from partitioner.plan import PlanBook
from partitioner.units import BlockIndex, Sha256, TensorName

ROWS, COLUMNS = 32, 800
ELEMENTS = ROWS * COLUMNS
BOARD, CLOUD = "board", "cloud"
GOAL = 0.95
WARM = 16
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Cell:
    """How many times slower the devices are, and the link: Mbit/s and milliseconds one way."""

    name: str
    board: float
    cloud: float
    link: Conditions


CELLS = (
    Cell("board slowest", 32.0, 8.0, Conditions("fast", 160.0, 5.0)),
    Cell("link slowest", 8.0, 8.0, Conditions("slow", 34.0, 5.0)),
    Cell("link slowest, far away", 8.0, 8.0, Conditions("slow", 34.0, 40.0)),
    Cell("cloud slowest", 8.0, 32.0, Conditions("fast", 160.0, 5.0)),
    Cell("all alike", 32.0, 32.0, Conditions("slow", 34.0, 5.0)),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=120, help="counted requests a cell")
    parser.add_argument("--in-flight", type=int, default=16, help="requests of the stream at a time")
    parser.add_argument("--cell", action="append", choices=[cell.name for cell in CELLS])
    options = parser.parse_args()
    for cell in CELLS:
        if options.cell and cell.name not in options.cell:
            continue
        with (
            tempfile.TemporaryDirectory(prefix="lepton-pipeline-") as directory,
            Town(Path(directory)) as town,
        ):
            for row in asyncio.run(_cell(town, cell, options.requests, options.in_flight)):
                row.print()
    return 0


async def _cell(town: Town, cell: Cell, requests: int, in_flight: int) -> list[Row]:
    byhand = ByHand()
    await byhand.start()
    try:
        door = await _started(town, cell, byhand)
        weights = [_weights(seed) for seed in (1, 2)]
        await _deploy(byhand, weights)
        async with AsyncClient(door) as client:
            asked = np.random.default_rng(3).normal(size=(1, ELEMENTS)).astype(np.float32)
            results, arrived = await _streamed(client, asked, requests, in_flight)
        _check(results, asked, weights)
        return _rows(cell, results[WARM:], arrived[WARM:], in_flight)
    finally:
        await byhand.stop()


async def _started(town: Town, cell: Cell, byhand: ByHand) -> str:
    """Start both agents and the link that the cloud is reached by; return the board's address."""
    ports = {"cloud": free_port(), "link": free_port()}
    town.link("link", ports["link"], ports["cloud"], cell.link)
    advertise = ["--advertise", f"127.0.0.1:{ports['link']}"]
    _agent(town, CLOUD, byhand.address, cell.cloud, ["--port", str(ports["cloud"]), *advertise])
    board = _agent(town, BOARD, byhand.address, cell.board, ["--port", "0"])
    await byhand.attached(BOARD, CLOUD)
    ready = await asyncio.to_thread(board.wait_for, "agent ready")
    return ready["data"]


def _agent(town: Town, name: str, coordinator: str, slow: float, extra: Sequence[str]) -> Child:
    words = lepton("agent", "start", "--role", name, "--name", name, "--coordinator", coordinator)
    state = ["--state-directory", str(town.directory / name)]
    one = ["--threads", "1", "--workers", "1", "--simulate-slow", str(slow)]
    return town.start(name, [*words, *state, *one, *extra])


async def _streamed(
    client: AsyncClient, asked: Floats, requests: int, in_flight: int
) -> tuple[list[Result], list[float]]:
    results, arrived = [], []
    inputs = ({"x": asked} for _ in range(requests + WARM))
    async for result in client.stream("net", inputs, in_flight=in_flight, page="cut"):
        results.append(result)
        arrived.append(time.perf_counter())
        print(f"\r{len(results)} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results, arrived


def _check(results: Sequence[Result], asked: Floats, weights: Sequence[Floats]) -> None:
    """Every answer is right, in order, and came by the page that was asked for."""
    right = (asked.reshape(ROWS, COLUMNS) @ weights[0] @ weights[1]).reshape(-1)[: results[0]["y"].size]
    assert [one.index for one in results] == list(range(len(results)))
    for one in results:
        assert one.page == "cut", one.reason
        np.testing.assert_allclose(one["y"].reshape(-1), right, rtol=1e-2, atol=1e-2)


def _rows(cell: Cell, results: Sequence[Result], arrived: Sequence[float], in_flight: int) -> list[Row]:
    reached = (len(arrived) - 1) / (arrived[-1] - arrived[0])
    rates = {"link": cell.link.rate * 1e6 / 8 / HEADER_OVERHEAD / _bytes_up(results)}
    for device in (BOARD, CLOUD):
        rates[device] = 1 / statistics.mean(_busy(one, device) for one in results)
    slowest = min(rates, key=rates.__getitem__)
    told = ", ".join(f"{name} {rate:.1f}" for name, rate in rates.items())
    beside = f"each by itself: {told} /s; {in_flight} in flight"
    share = round(reached / rates[slowest], 3)
    rows = [
        Row("pipeline", f"{cell.name}: answered", round(reached, 2), "1/s", beside),
        Row("pipeline", f"{cell.name}: answered / {slowest} alone", share, "1", beside, GOAL, share >= GOAL),
    ]
    alone = sum(1 / rate for rate in rates.values()) + 2e-3 * cell.link.delay
    return [*rows, Row("pipeline", f"{cell.name}: against one at a time", round(reached * alone, 2), "x")]


def _busy(result: Result, device: str) -> float:
    hop = next(one for one in result.hops if one.device == device)
    return hop.decode + hop.compute + hop.encode


def _bytes_up(results: Sequence[Result]) -> float:
    return statistics.mean(next(one for one in r.hops if one.device == BOARD).bytes_out for r in results)


# --- the book: two matrix products in place of the thin book's blocks -----------------------------


async def _deploy(byhand: ByHand, weights: Sequence[Floats]) -> None:
    book, _ = thin_book("net", BOARD, CLOUD, ELEMENTS)
    graphs = [_graph(weights[0], "x", "mid", ELEMENTS), _graph(weights[1], "mid", "y", 10)]
    names = [Sha256(hashlib.sha256(graph).hexdigest()) for graph in graphs]
    byhand.artifacts.update(zip(names, graphs, strict=True))
    await byhand.deploy(_with(book, names), {BOARD: (0, 1), CLOUD: (0, 1)})
    await asyncio.sleep(1.0)  # the entry dials its peer


def _with(book: PlanBook, names: Sequence[Sha256]) -> PlanBook:
    blocks = tuple(
        replace(book.blocks[at], index=BlockIndex(at), artifact=name) for at, name in enumerate(names)
    )
    return replace(book, blocks=blocks)


def _weights(seed: int) -> Floats:
    made = np.random.default_rng(seed).normal(size=(COLUMNS, COLUMNS)) / np.sqrt(COLUMNS)
    return np.asarray(made, np.float32)


def _graph(weights: Floats, given: str, made: str, answer: int) -> bytes:
    """Return given [1, ELEMENTS] -> its product with `weights`, row by row -> the first `answer` of it."""
    constants = [
        numpy_helper.from_array(weights, "w"),
        *(
            helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
            for name, values in {
                "square": (ROWS, COLUMNS), "flat": (1, -1), "at0": (0,), "end": (answer,), "at1": (1,),
            }.items()
        ),
    ]  # fmt: skip
    nodes = [
        helper.make_node("Reshape", [given, "square"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["b"]),
        helper.make_node("Reshape", ["b", "flat"], ["c"]),
        helper.make_node("Slice", ["c", "at0", "end", "at1"], [TensorName(made)]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        for name, size in ((given, ELEMENTS), (made, answer))
    ]
    graph = helper.make_graph(nodes, "product", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


if __name__ == "__main__":
    sys.exit(main())
