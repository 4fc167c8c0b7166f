"""Processor time of an agent for one request, beside the model: what its own work costs.

    python -m bench.cpu [--rounds N] [--elements N]

Two real agents (the entry and the cloud) run a book whose two blocks compute next to nothing; 100 kB come in and
100 kB cross the cut, raw. The application and the coordinator are this process. For "entry to next", a peer
that does not answer yet stands in for the cloud: the entry's clock is read when a dozen requests have reached
it, and again when it has answered them. Processor time is the whole process's, all threads included; the
engine's own share (decode, compute, encode of the hops) is taken off. Beside it runs a process that does
nothing but pass frames on from one link to the next: the floor that the transport sets.

Law: reads other processes' clocks, changes nothing in them. Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.byhand import ANSWER, CUT, THROUGH, ByHand, thin_book
from bench.rows import Row
from examples.demo.processes import Child, Town, lepton
from lepton_edge.client import AsyncClient
from lepton_edge.core.frames import Frame, FrameKind, Hop
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR, Description, Peer
from lepton_edge.core.results import Result
from lepton_edge.link.link import Link, dial
from lepton_edge.link.server import open_data_port
from lepton_edge.wire import tensors
from lepton_edge.wire.memory import tune_malloc
from partitioner.units import DeviceId, TensorName

BATCH = 12
"""Requests that wait at the mute peer: few enough that no entry's patience ends and no window fills."""
WARM = 4
ENTRY, CLOUD, MUTE, RELAY = "entry", "cloud", "mute", "relay"
GOAL_TO_NEXT, GOAL_IN_ALL = 0.6, 1.0  # milliseconds
Floats = NDArray[np.float32]


def main() -> int:
    options = _options()
    if options.relay:
        tune_malloc()
        asyncio.run(relay(options.relay))
        return 0
    with tempfile.TemporaryDirectory(prefix="lepton-cpu-") as directory, Town(Path(directory)) as town:
        for row in asyncio.run(_measured(town, options)):
            row.print()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30, help=f"rounds of {BATCH} requests of each sort")
    parser.add_argument("--elements", type=int, default=25_000, help="float32 elements of input and frontier")
    parser.add_argument("--relay", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


# --- the far sides --------------------------------------------------------------------------------


class Mute:
    """A peer that keeps requests until it is told to answer them."""

    def __init__(self) -> None:
        self.held: list[tuple[Link, Frame]] = []
        self.came = asyncio.Event()

    async def handle(self, link: Link, frame: Frame) -> None:
        """Keep a request; its credit goes back at once."""
        if frame.kind is FrameKind.REQUEST:
            self.held.append((link, frame))
            self.came.set()

    async def until(self, count: int) -> None:
        """Wait for the `count`-th request."""
        while len(self.held) < count:
            self.came.clear()
            await self.came.wait()

    async def answer(self) -> None:
        """Answer everything that waits."""
        held, self.held = self.held, []
        made = (tensors.pack(TensorName("y"), np.zeros((1, ANSWER), np.float32)),)
        for link, frame in held:
            hops = (Hop(DeviceId(MUTE), frame.first_block, 2),)
            await link.send(dataclasses.replace(frame, kind=FrameKind.REPLY, tensors=made, hops=hops))


async def relay(onward: str) -> None:
    """Pass requests on to the peer at `onward` and its answers back: two links and nothing else."""
    hello = LinkHello("agent", RELAY)
    ahead = await dial(onward, hello, _ignore)

    async def pass_on(link: Link, frame: Frame) -> None:
        if frame.kind is FrameKind.REQUEST:
            link.release(frame)
            await link.send(await ahead.request(frame))

    _, address = await open_data_port("127.0.0.1:0", hello, pass_on, _describe)
    print(f"relay ready data={address}", flush=True)
    await asyncio.Event().wait()


async def _ignore(link: Link, frame: Frame) -> None:
    del link, frame


async def _describe() -> Description:
    return Description("agent", DeviceId(RELAY), "bench", PROTOCOL_MAJOR, PROTOCOL_MINOR)


# --- measuring ------------------------------------------------------------------------------------


@dataclass
class Spent:
    """Milliseconds of processor time a request, one value a round: on the way there, back, and in all."""

    there: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    far: list[float] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)


@dataclass(frozen=True)
class Scene:
    """Everything that runs."""

    given: Floats
    mute: Mute
    clients: dict[str, AsyncClient]
    children: dict[str, Child]

    def used(self, name: str) -> float:
        """Return the processor time of a process so far, in milliseconds, all its threads together."""
        return time.clock_gettime_ns(~self.children[name].process.pid << 3 | 2) / 1e6

    async def held_back(self, name: str, page: str, spent: Spent) -> None:
        """Send a batch past the process `name` to the mute peer, then let that answer."""
        begin = self.used(name)
        asked = []
        for count in range(1, BATCH + 1):
            asked.append(asyncio.create_task(self._ask(name, MUTE, page)))
            await self.mute.until(count)
        half = self.used(name)
        await self.mute.answer()
        spent.results += await asyncio.gather(*asked)
        spent.there.append((half - begin) / BATCH)
        spent.back.append((self.used(name) - half) / BATCH)

    async def one_by_one(self, page: str, spent: Spent) -> None:
        """Ask a batch, one request after the other, answered by the cloud."""
        begin, far = self.used(ENTRY), self.used(CLOUD)
        results = [await self._ask(ENTRY, "net", page) for _ in range(BATCH)]
        spent.whole.append((self.used(ENTRY) - begin) / BATCH)
        spent.far.append((self.used(CLOUD) - far) / BATCH)
        spent.results += results

    async def _ask(self, name: str, model: str, page: str) -> Result:
        return await self.clients[name].infer(model, {"x": self.given}, page=page)


async def _measured(town: Town, options: argparse.Namespace) -> list[Row]:
    byhand, mute = ByHand(), Mute()
    await byhand.start()
    hello = LinkHello("agent", MUTE)
    port, address = await open_data_port("127.0.0.1:0", hello, mute.handle, _describe)
    children = {name: _agent(town, name, byhand.address) for name in (ENTRY, CLOUD)}
    children[RELAY] = town.python(RELAY, ["-m", "bench.cpu", "--relay", address])
    await _deploy(byhand, address, options.elements)
    doors = {name: await _door(children[name], name) for name in (ENTRY, RELAY)}
    clients = {name: AsyncClient(door) for name, door in doors.items()}
    given = np.random.default_rng(1).normal(size=(1, options.elements)).astype(np.float32)
    try:
        return await _rounds(Scene(given, mute, clients, children), options.rounds)
    finally:
        await asyncio.gather(*(client.close() for client in clients.values()))
        await port.stop(0)
        await byhand.stop()


def _agent(town: Town, name: str, coordinator: str) -> Child:
    role = "cloud" if name == CLOUD else "board"
    words = lepton("agent", "start", "--role", role, "--name", name, "--coordinator", coordinator)
    state = str(town.directory / name)
    return town.start(name, [*words, "--port", "0", "--threads", "1", "--state-directory", state])


async def _door(child: Child, name: str) -> str:
    said = "relay ready" if name == RELAY else "agent ready"
    return (await asyncio.to_thread(child.wait_for, said))["data"]


async def _deploy(byhand: ByHand, mute: str, elements: int) -> None:
    await byhand.attached(ENTRY, CLOUD)
    for model, far in (("net", CLOUD), (MUTE, MUTE)):
        book, artifacts = thin_book(model, ENTRY, far, elements)
        byhand.artifacts.update(artifacts)
        holds = {ENTRY: (0, 1)} | ({CLOUD: (0, 1)} if far == CLOUD else {})
        others = (Peer(DeviceId(MUTE), (mute,)),) if far == MUTE else ()
        await byhand.deploy(book, holds, others)
    await asyncio.sleep(1.0)  # the entry dials its peers


async def _rounds(scene: Scene, rounds: int) -> list[Row]:
    """Measure everything in turns, so that all of it shares the machine's moods."""
    spent = {page: Spent() for page in (CUT, THROUGH, RELAY)}
    for turn in range(rounds + WARM):
        if turn == WARM:
            spent = {page: Spent() for page in spent}
        for page in (CUT, THROUGH):
            await scene.held_back(ENTRY, page, spent[page])
            await scene.one_by_one(page, spent[page])
        await scene.held_back(RELAY, "", spent[RELAY])
        print(f"\rround {turn + 1}/{rounds + WARM} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [*_entry_rows(spent), *_wall_rows(spent[CUT].results)]


# --- rows -----------------------------------------------------------------------------------------


def _entry_rows(spent: dict[str, Spent]) -> list[Row]:
    floor = spent[RELAY]
    there, back = statistics.median(floor.there), statistics.median(floor.back)
    rows = []
    for page in (CUT, THROUGH):
        one = spent[page]
        engine = _engine(one.results, ENTRY)
        goals = (GOAL_TO_NEXT, GOAL_IN_ALL) if page == CUT else (None, None)
        rows += [
            _row(f"{page}: entry to next", one.there, engine, goals[0], f"bare links {there:.2f} ms"),
            _row(f"{page}: entry, reply back", one.back, 0.0, None, f"bare links {back:.2f} ms"),
            _row(f"{page}: entry in all", one.whole, engine, goals[1], f"bare links {there + back:.2f} ms"),
            _row(f"{page}: cloud in all", one.far, _engine(one.results, CLOUD), None, ""),
        ]
    return rows


def _row(what: str, values: Sequence[float], engine: float, goal: float | None, beside: str) -> Row:
    value = round(statistics.median(values) - engine, 3)
    compared = f"{beside}; engine {engine:.3f} ms taken off" if engine else beside
    return Row("cpu", what, value, "ms", compared, goal, None if goal is None else value <= goal)


def _engine(results: Sequence[Result], device: str) -> float:
    """Return the median milliseconds that the engine of `device` told of: decode, compute, encode."""
    hops = [hop for one in results for hop in one.hops if hop.device == device]
    return statistics.median((hop.decode + hop.compute + hop.encode) * 1e3 for hop in hops)


def _wall_rows(results: Sequence[Result]) -> list[Row]:
    answered = [one for one in results if one.hops[-1].device == CLOUD]
    rows = [_wall("latency", [one.latency for one in answered])]
    for place, device in enumerate(("client", ENTRY, CLOUD)):
        for name in ("queue", "decode", "compute", "encode", "network", "total"):
            values = [getattr(one.hops[place], name) for one in answered]
            rows.append(_wall(f"{device}: {name}", values))
    return rows


def _wall(what: str, values: Sequence[float]) -> Row:
    return Row("cpu", f"{CUT}: wall: {what}", round(statistics.median(values) * 1e3, 3), "ms")


if __name__ == "__main__":
    sys.exit(main())
