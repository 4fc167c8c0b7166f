"""What TLS costs: our links with it and without, in turns, from one process to another over loopback.

    python -m bench.security [--trips N] >rows.jsonl

Round trips of four sizes on the clock and in processor time of both ends; what a new link costs to open; and whether
certificates that are renewed under load lose a request. Law: measures and prints; who is believed is made here, for
the time of the run. Where others use the machine only the ratios count.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import numpy as np
import psutil

from bench.rows import Row
from lepton_edge.client.logs import be_quiet
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.identity import ANY_MODEL, Credentials, Identity, Role, credentials_of
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import Description
from lepton_edge.link.link import Link, dial
from lepton_edge.link.server import open_data_port
from lepton_edge.security.authority import Authority
from lepton_edge.wire import tensors
from lepton_edge.wire.tls import Trust
from partitioner.units import ModelName, RequestId, Seconds, TensorName

SIZES = (1_000, 150_000, 600_000, 3_000_000)
GOAL_SIZE, GOAL = 600_000, 2.2
OPENINGS = 30
_numbers = itertools.count()


def main() -> int:
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(_serve(json.loads(sys.stdin.readline())))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trips", type=int, default=300, help="round trips of each size and kind")
    asyncio.run(_measure(parser.parse_args().trips))
    return 0


# --- the far end ----------------------------------------------------------------------------------


async def _serve(pem: str) -> None:
    """Serve echoes on a port with TLS and one without, and renew on demand, until killed."""
    be_quiet()  # on stdout only what is asked for
    trust = Trust(credentials_of(pem.encode()))
    hello, told = LinkHello("agent", "far"), []
    for one in (trust, None):
        _, address = await open_data_port("127.0.0.1:0", hello, _answer, _describe, trust=one)
        told.append(address)
    print(json.dumps(told), flush=True)
    while renewed := await asyncio.to_thread(sys.stdin.readline):
        trust.renew(credentials_of(json.loads(renewed).encode()))
        print("renewed", flush=True)


async def _answer(link: Link, frame: Frame) -> None:
    link.release(frame)
    await link.send(Frame(FrameKind.REPLY, frame.request_id, attempt=frame.attempt, tensors=frame.tensors))


async def _describe() -> Description:
    return Description("agent", "far", "bench", 1, 1)


@dataclass
class FarEnd:
    """The other process, and where it listens."""

    process: subprocess.Popen[str]
    addresses: list[str]

    def renew(self, credentials: Credentials) -> None:
        """Have it use other credentials from now on."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(credentials.pem().decode()) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "renewed\n"

    def seconds(self) -> float:
        """Return the processor time that it and this process have used."""
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in (self.process.pid, None))


@contextlib.contextmanager
def _far_end(credentials: Credentials) -> Iterator[FarEnd]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.security", "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(credentials.pem().decode()) + "\n")
        process.stdin.flush()
        yield FarEnd(process, json.loads(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


# --- this end -------------------------------------------------------------------------------------


@dataclass
class Told:
    """Of one kind of link and one size: trips on the clock, processor time of both ends; milliseconds."""

    trips: list[float] = field(default_factory=list)
    processor: float = 0.0


async def _measure(trips: int) -> None:
    now = Seconds(time.time())
    authority = Authority.make(now)
    agent, app = Identity(Role.AGENT, "far"), Identity(Role.CLIENT, "bench", (ANY_MODEL,))
    trust = Trust(authority.credentials(app, now)[0])
    with _far_end(authority.credentials(agent, now)[0]) as far:
        kinds = {"TLS": (far.addresses[0], trust), "in the open": (far.addresses[1], None)}
        async with _links(kinds) as links:
            for size in SIZES:
                await _trips(far, links, size, trips)
        for name, (address, one) in kinds.items():
            await _openings(name, address, one)
        await _renewal(
            far, kinds["TLS"][0], trust, [authority.credentials(one, now)[0] for one in (agent, app)]
        )


@contextlib.asynccontextmanager
async def _links(kinds: dict[str, tuple[str, Trust | None]]) -> AsyncIterator[dict[str, Link]]:
    opened = {name: await _dialled(address, trust) for name, (address, trust) in kinds.items()}
    try:
        yield opened
    finally:
        for link in opened.values():
            await link.close()


async def _dialled(address: str, trust: Trust | None) -> Link:
    return await dial(address, LinkHello("client", "bench"), _answer, trust=trust)


def _frame(size: int) -> Frame:
    packed = tensors.pack(TensorName("x"), np.arange(size, dtype=np.uint8))
    return Frame(FrameKind.REQUEST, RequestId(f"{next(_numbers):032x}"), ModelName("echo"), tensors=(packed,))


async def _trips(far: FarEnd, links: dict[str, Link], size: int, trips: int) -> None:
    told = {name: Told() for name in links}
    for link in links.values():
        await _some(link, size, 20, Told())
    for _ in range(10):
        for name, link in links.items():
            begun = far.seconds()
            await _some(link, size, trips // 10, told[name])
            told[name].processor += (far.seconds() - begun) * 1e3
    for name, one in told.items():
        _row(f"{name}: round trip of {size} bytes", statistics.median(one.trips), "ms")
        _row(f"{name}: processor of both ends, {size} bytes", one.processor / len(one.trips), "ms")
    tls, plain = told.values()
    ratio = statistics.median(tls.trips) / statistics.median(plain.trips)
    goal = GOAL if size == GOAL_SIZE else None
    _row(f"TLS / in the open, {size} bytes", ratio, "x", goal)
    _row(f"TLS / in the open, processor, {size} bytes", tls.processor / plain.processor, "x")


async def _some(link: Link, size: int, count: int, told: Told) -> None:
    frames = [_frame(size) for _ in range(count)]
    for frame in frames:
        begun = time.perf_counter()
        await link.request(frame)
        told.trips.append((time.perf_counter() - begun) * 1e3)


async def _openings(name: str, address: str, trust: Trust | None) -> None:
    took = []
    for _ in range(OPENINGS):
        begun = time.perf_counter()
        link = await _dialled(address, trust)
        took.append((time.perf_counter() - begun) * 1e3)
        await link.close()
    _row(f"{name}: a link is open after", statistics.median(took), "ms")


async def _renewal(far: FarEnd, address: str, trust: Trust, renewed: list[Credentials]) -> None:
    """Ask without pause while both sides renew, on a link that is there and on ones that are made meanwhile."""
    lost, asked = 0, 0
    link = await _dialled(address, trust)
    for round_ in range(60):
        if round_ % 20 == 10:
            await asyncio.to_thread(far.renew, renewed[0])
            trust.renew(renewed[1])
        other = await _dialled(address, trust)
        for one in (link, other):
            asked += 1
            answer = await one.request(_frame(1_000), 5.0)
            lost += answer.kind is not FrameKind.REPLY
        await other.close()
    await link.close()
    _row(f"requests lost of {asked} while certificates were renewed 3 times", lost, "requests", 0)


def _row(what: str, value: float, unit: str, goal: float | None = None) -> None:
    met = None if goal is None else value <= goal
    Row("security", what, round(value, 4), unit, "the other kind, in turns", goal, met).print()


if __name__ == "__main__":
    raise SystemExit(main())
