"""What a relay costs: an echo between two ends over a link through a relay, beside their direct link.

    python -m bench.relays [--repeats N]

The relay is a real agent in a process of its own; both ends are in this one, on loopback, and take turns trip by trip:
what is added is a chunk's way through one more Python process, not a network.

Law: links as agents make them; medians; no goals.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import logging
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import structlog

from bench.rows import Row
from examples.demo.processes import Town, lepton
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR, Description
from lepton_edge.core.version import __version__
from lepton_edge.link.link import Link, dial
from lepton_edge.link.relay import RelayedStream, Tunnels, meet
from lepton_edge.link.server import open_data_port
from lepton_edge.wire import tensors
from lepton_edge.wire.memory import tune_malloc
from partitioner.units import DeviceId, RequestId, TensorName

SIZES = {"1 kB": 1_000, "150 kB": 150_000, "600 kB": 600_000, "3 MB": 3_000_000}
RELAY, NEAR, FAR = DeviceId("relay"), DeviceId("near"), DeviceId("far")
WARM = 5


class End:
    """An agent's end: answers requests with what came, and takes part in tunnels through the relay."""

    def __init__(self, name: DeviceId) -> None:
        self.hello = LinkHello("agent", name, __version__)
        self.relay: Link | None = None
        self.tunnels = Tunnels(self._direct, self._met, False)

    def _direct(self, _device: DeviceId) -> Link:
        assert self.relay is not None
        return self.relay

    async def _met(self, stream: RelayedStream) -> None:
        link = Link(stream, self.hello, self.handle)
        await link.open()
        await link.over()

    async def handle(self, link: Link, frame: Frame) -> None:
        """Echo a request; leave tunnels to who knows them."""
        if frame.kind is FrameKind.TUNNEL:
            await self.tunnels.handle(link, frame)
        elif frame.kind is FrameKind.REQUEST:
            await link.send(dataclasses.replace(frame, kind=FrameKind.REPLY))

    async def describe(self) -> Description:
        """Say who this is."""
        return Description("agent", self.hello.name, __version__, PROTOCOL_MAJOR, PROTOCOL_MINOR)

    async def close(self) -> None:
        """Let go of the relay."""
        await self.tunnels.close()
        if self.relay is not None:
            await self.relay.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=60)
    repeats = parser.parse_args().repeats
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    tune_malloc(64 << 20)
    with tempfile.TemporaryDirectory(prefix="lepton-relays-") as folder, Town(Path(folder)) as town:
        for row in asyncio.run(_measured(_relay(town), repeats)):
            row.print()
    return 0


def _relay(town: Town) -> str:
    """Start an agent that forwards, and needs no coordinator for it; return its data address."""
    where = ["--coordinator", "127.0.0.1:9", "--state-directory", str(town.directory / RELAY), "--port", "0"]
    command = lepton("agent", "start", "--role", "cloud", "--name", RELAY, *where)
    return town.start(RELAY, command).wait_for("agent ready")["data"]


async def _measured(address: str, repeats: int) -> list[Row]:
    near, far = End(NEAR), End(FAR)
    port, door = await open_data_port("127.0.0.1:0", far.hello, far.handle, far.describe)
    try:
        for end in (near, far):
            end.relay = await dial(address, end.hello, end.handle)
        assert near.relay is not None
        direct = await dial(door, near.hello, near.handle)
        relayed = await meet(near.tunnels, near.relay, FAR, near.hello, near.handle)
        return [await _row(size, direct, relayed, repeats) for size in SIZES]
    finally:
        for end in (near, far):
            await end.close()
        await port.stop(0.2)


async def _row(size: str, direct: Link, relayed: Link, repeats: int) -> Row:
    taken: dict[Link, list[float]] = {direct: [], relayed: []}
    for _ in range(WARM + repeats):
        for link, seconds in taken.items():
            frame = _frame(SIZES[size])
            begun = time.perf_counter()
            await link.request(frame, 30.0)
            seconds.append(time.perf_counter() - begun)
    straight, through = (statistics.median(seconds[WARM:]) * 1e3 for seconds in taken.values())
    return Row(
        "relays", f"echo {size}: through a relay", round(through, 2), "ms", f"{straight:.2f} ms direct"
    )


def _frame(size: int) -> Frame:
    packed = (tensors.pack(TensorName("x"), np.zeros(size, np.uint8)),)
    return Frame(FrameKind.REQUEST, RequestId(uuid.uuid4().hex), tensors=packed)


if __name__ == "__main__":
    sys.exit(main())
