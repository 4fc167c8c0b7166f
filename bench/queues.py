"""Queues: a polite caller beside one who floods, a camera over a slow link, and what is given up.

    python -m bench.queues [PART...]

Parts: `fair` (a caller with one request at a time, alone and beside another with sixty, on a page of the board, of the
cloud, and cut between them), `camera` (20 pictures a second to the cloud over 6 Mbit/s and 25 ms, by queue policy),
`freed` (how long the cloud still computes for nobody: what one asks next waits so long in its queue). Real
processes; devices are slowed by the agent (it sleeps what a slower one would compute), one computing thread each.

Law: asks through the client; medians; no goals of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bench.rows import Row
from examples.demo.processes import Conditions, Town, free_port
from lepton_edge.client import AsyncClient, Client
from lepton_edge.core.errors import LeptonError

MODEL, CUT = "queues", "second/relu"
X = {"x": np.zeros((1, 3, 96, 96), np.float32)}  # 110 kB
PAGES = {"on the board": "local", "cut": "own", "in the cloud": "cloud-raw"}
FLOOD, ASKED = 60, 40
SLOW, SNAIL = 20.0, 400.0
LINE = Conditions("6 Mbit/s, 25 ms", 6.0, 25.0)
PICTURES, EVERY = 60, 0.05
GIVEN_UP = 6
Ends = dict[str, list[float]]
"""Seconds by how requests ended: the page that answered, or the error's code."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all when none is named"
    )
    parts = parser.parse_args().parts or list(PARTS)
    for strange in set(parts) - PARTS.keys():
        parser.error(f"there is no part {strange!r}")
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="lepton-queues-") as folder, Town(Path(folder)) as town:
            for row in PARTS[part](town, Path(folder)):
                row.print()
    return 0


# --- who floods -----------------------------------------------------------------------------------


def fair(town: Town, folder: Path) -> Iterator[Row]:
    """Yield the polite caller's latency alone and beside the flood, by page."""
    coordinator, board, _ = _served(town, folder, SLOW)
    with Client(coordinator) as client:
        client.deploy(MODEL)
        client.pin(MODEL, behind=CUT)
    for place, page in PAGES.items():
        alone, beside = asyncio.run(_beside_a_flood(board, page))
        yield _row(f"{place}: one at a time, alone", alone * 1e3, "ms")
        told = f"{alone * 1e3:.1f} ms alone; {FLOOD} requests in flight from another"
        yield _row(f"{place}: beside a flood", beside / alone, "x", told)


async def _beside_a_flood(board: str, page: str) -> tuple[float, float]:
    async with AsyncClient(board) as polite, AsyncClient(board, max_in_flight=FLOOD) as other:
        alone = await _usual(polite, page)
        flood = [asyncio.create_task(_for_ever(other, page)) for _ in range(FLOOD)]
        await asyncio.sleep(0.5)
        beside = await _usual(polite, page)
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
    return alone, beside


async def _usual(client: AsyncClient, page: str) -> float:
    """Return the median seconds of requests one after the other."""
    return statistics.median([(await client.infer(MODEL, X, page=page)).latency for _ in range(ASKED)])


async def _for_ever(client: AsyncClient, page: str) -> None:
    while True:
        await client.infer(MODEL, X, page=page)


# --- a camera -------------------------------------------------------------------------------------


def camera(town: Town, folder: Path) -> Iterator[Row]:
    """Yield how a camera's pictures end, and after how long, by queue policy."""
    outer = free_port()
    coordinator, board, cloud = _served(town, folder, 1.0, ["--advertise", f"127.0.0.1:{outer}"])
    town.link("line", outer, int(cloud.rpartition(":")[2]), LINE)
    for policy in ("block", "newest", "oldest"):
        with Client(coordinator) as client:
            client.deploy(MODEL, queue=policy, page="cloud-raw")
        alone, ends = asyncio.run(_seen(board))
        for how, seconds in sorted(ends.items()):
            told = f"{len(seconds)} of {PICTURES}; one alone {alone * 1e3:.0f} ms"
            yield _row(f"camera, {policy}: {how}", statistics.median(seconds) * 1e3, "ms", told)


async def _seen(board: str) -> tuple[float, Ends]:
    async with AsyncClient(board, retries=0) as client:
        await client.infer(MODEL, X)
        alone = statistics.median([(await client.infer(MODEL, X)).latency for _ in range(5)])
        ends: Ends = defaultdict(list)
        stream = client.stream(MODEL, _pictures(), in_flight=PICTURES, ordered=False, on_error="yield")
        begun = time.monotonic()
        async with aclosing(stream) as results:
            async for result in results:
                taken = time.monotonic() - begun - float(result.metadata["at"])
                ends[result.page if result.error is None else result.error.code].append(taken)
    return alone, ends


async def _pictures() -> AsyncIterator[tuple[dict[str, np.ndarray], dict[str, str]]]:
    begun = time.monotonic()
    for number in range(PICTURES):
        await asyncio.sleep(max(0.0, begun + number * EVERY - time.monotonic()))
        yield X, {"at": f"{time.monotonic() - begun:.4f}"}


# --- what is given up -----------------------------------------------------------------------------


def freed(town: Town, folder: Path) -> Iterator[Row]:
    """Yield how long the cloud goes on with a request that nobody waits for any more."""
    coordinator, board, _ = _served(town, folder, 1.0)
    with Client(coordinator) as client:
        client.deploy(MODEL)
    town.children["cloud"].stop()
    cloud = town.agent("cloud", coordinator, ["--workers", "1", "--simulate-slow", f"{SNAIL:g}"])
    asyncio.run(_until_the_cloud_answers(board))
    for how, give_up in (("its caller cancels", _cancelled), ("its caller is killed", _killed)):
        waited = [asyncio.run(_waits_after(give_up, board, cloud)) for _ in range(GIVEN_UP)]
        told = f"{min(waited) * 1e3:.0f} to {max(waited) * 1e3:.0f} ms; {GIVEN_UP} requests"
        yield _row(f"freed: {how}, the cloud's engine", statistics.median(waited) * 1e3, "ms", told)


async def _until_the_cloud_answers(board: str) -> None:
    async with AsyncClient(board) as client:
        for _ in range(20):
            if (await client.infer(MODEL, X, page="cloud-raw")).hops[-1].device == "cloud":
                return
            await asyncio.sleep(0.5)
    raise SystemExit("the cloud did not come back")


async def _waits_after(give_up: object, board: str, cloud: str) -> float:
    assert callable(give_up)
    await give_up(board)
    async with AsyncClient(cloud) as client:
        result = await client.infer(MODEL, X, page="cloud-raw")
    return next(hop.queue for hop in result.hops if hop.device == "cloud")


async def _cancelled(board: str) -> None:
    async with AsyncClient(board) as client:
        task = asyncio.create_task(client.infer(MODEL, X, page="cloud-raw"))
        await asyncio.sleep(0.4)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


_ASKS = f"""
import sys, numpy, lepton_edge
with lepton_edge.Client(sys.argv[1]) as client:
    print("asks", flush=True)
    client.infer({MODEL!r}, {{"x": numpy.zeros((1, 3, 96, 96), "f4")}}, page="cloud-raw")
"""


async def _killed(board: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", _ASKS, board], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        await asyncio.sleep(0.4)
    finally:
        process.kill()
        process.communicate()


# --- the town -------------------------------------------------------------------------------------


def _served(town: Town, folder: Path, slow: float, cloud: Sequence[str] = ()) -> tuple[str, str, str]:
    """Start everybody and push the model; return the addresses of coordinator, board and cloud."""
    coordinator = town.coordinator()
    how = ["--workers", "1", "--simulate-slow", f"{slow:g}"]
    addresses = [
        town.agent(role, coordinator, [*how, *more]) for role, more in (("board", ()), ("cloud", cloud))
    ]
    onnx.save(model(), str(folder / "queues.onnx"))
    with Client(coordinator, patience=300.0) as client:
        client.push(MODEL, folder / "queues.onnx")
    return coordinator, addresses[0], addresses[1]


def model() -> onnx.ModelProto:
    """Return a net of a millisecond: x float32 [1,3,96,96] to y float32 [1,32]."""
    make = np.random.default_rng(0).standard_normal
    shapes = {"w1": (32, 3, 3, 3), "w2": (32, 32, 3, 3), "w3": (32, 32, 3, 3)}
    weights = [numpy_helper.from_array((make(s) / 20).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "first/relu"),
        helper.make_node("Conv", ["b", "w2"], ["c"], "second", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["d"], CUT),
        helper.make_node("Conv", ["d", "w3"], ["e"], "third", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"], "pool"),
        helper.make_node("Flatten", ["f"], ["y"], "flatten"),
    ]
    ends = [("x", [1, 3, 96, 96]), ("y", [1, 32])]
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in ends)
    graph = helper.make_graph(nodes, MODEL, [x], [y], weights)
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


def _row(what: str, value: float, unit: str, told: str = "") -> Row:
    return Row("queues", what, round(value, 2), unit, told)


PARTS = {"fair": fair, "camera": camera, "freed": freed}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LeptonError as error:
        sys.exit(f"{error.code}: {error.message} / what to do: {error.hint}")
