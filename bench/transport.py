"""An echo over loopback between two processes: our link beside gRPC's bare stream and bare TCP.

    python -m bench.transport [--repeats N]

Law: report, no goal yet (the data-plane issue sets them). All three are measured in turns in one run, since
the machine changes speed for minutes. The echoed payload is one float32 tensor, so a row's time holds it
twice on the wire.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import numpy as np

from bench.rows import Row
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.core.messages import Description
from lepton_edge.link.link import Link, dial
from lepton_edge.link.server import link_handlers
from lepton_edge.wire import rpc, streams, tensors
from lepton_edge.wire.codec import CHECKSUMS
from lepton_edge.wire.memory import tune_malloc
from partitioner.units import RequestId, TensorName

SIZES = {"1 kB": 1_000, "150 kB": 150_000, "600 kB": 600_000}
CHUNK = 512 << 10
Echo = Callable[[int], Awaitable[None]]


# --- the far side ---------------------------------------------------------------------------------


async def echo_frame(link: Link, frame: Frame) -> None:
    if frame.kind is FrameKind.REQUEST:
        await link.send(dataclasses.replace(frame, kind=FrameKind.REPLY))


async def echo_chunks(stream: streams.ChunkStream) -> None:
    while (chunk := await stream.read()) is not None:
        await stream.write(chunk)


async def echo_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while head := await reader.read(4):
        payload = await reader.readexactly(int.from_bytes(head, "big"))
        writer.writelines([head, payload])
        await writer.drain()


async def describe() -> Description:
    return Description("agent", "echo", "bench", 1, 0)


async def serve(tuned: bool) -> None:
    if tuned:
        tune_malloc()
    plain, checked = (
        link_handlers(LinkHello("agent", "echo"), echo_frame, describe, limits=Limits(checksum=checksum))
        for checksum in (False, True)
    )
    handlers = (plain, checked, streams.link_handlers(echo_chunks))
    servers = [await rpc.open_server("127.0.0.1:0", one) for one in handlers]
    addresses = [address for _, address in servers]
    tcp = await asyncio.start_server(echo_tcp, "127.0.0.1", 0, limit=1 << 21)
    addresses.append(f"127.0.0.1:{tcp.sockets[0].getsockname()[1]}")
    print(*addresses, flush=True)
    await asyncio.Event().wait()


# --- the near side --------------------------------------------------------------------------------


async def link_echo(address: str, checksum: bool) -> Echo:
    link = await dial(address, LinkHello("client", "bench"), echo_frame, Limits(checksum=checksum))
    numbers = itertools.count()
    arrays = {size: np.random.default_rng(0).random(size // 4, np.float32) for size in SIZES.values()}

    async def echo(size: int) -> None:
        packed = tensors.pack(TensorName("x"), arrays[size])
        await link.request(Frame(FrameKind.REQUEST, RequestId(f"{next(numbers):032x}"), tensors=(packed,)))

    return echo


async def stream_echo(address: str) -> Echo:
    stream = streams.DialledStream(address)

    async def echo(size: int) -> None:
        for begin in range(0, size, CHUNK):
            await stream.write(bytes(min(CHUNK, size - begin)))
        for _ in range(0, size, CHUNK):
            await stream.read()

    return echo


async def tcp_echo(address: str) -> Echo:
    host, port = rpc.split_address(address)
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 21)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def echo(size: int) -> None:
        writer.writelines([size.to_bytes(4, "big"), bytes(size)])
        await reader.readexactly(4)
        await reader.readexactly(size)

    return echo


async def measure(tuned: bool, repeats: int) -> None:
    if tuned:
        tune_malloc()
    command = [sys.executable, "-m", "bench.transport", "--serve", *(["--tuned"] if tuned else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as far:
        try:
            assert far.stdout
            await report(await dial_all(far.stdout.readline().split()), tuned, repeats)
        finally:
            far.kill()


async def dial_all(addresses: list[str]) -> dict[str, Echo]:
    plain, checked, bare, tcp = addresses
    echoes = {
        "TCP": await tcp_echo(tcp),
        "gRPC stream": await stream_echo(bare),
        "link": await link_echo(plain, False),
    }
    if CHECKSUMS:
        echoes["link, checksum"] = await link_echo(checked, True)
    return echoes


async def report(echoes: dict[str, Echo], tuned: bool, repeats: int) -> None:
    how = "malloc tuned" if tuned else "malloc as it is"
    for name, size in SIZES.items():
        times: dict[str, list[float]] = {what: [] for what in echoes}
        for _ in range(repeats):
            for what, echo in echoes.items():
                begun = time.perf_counter()
                await echo(size)
                times[what].append(time.perf_counter() - begun)
        base = statistics.median(times["TCP"]) * 1e3
        for what, seconds in times.items():
            median = round(statistics.median(seconds) * 1e3, 3)
            Row("transport", f"echo {name}, {what}, {how}", median, "ms", f"TCP {base:.3f} ms").print()


def main() -> None:
    """Print the rows, untuned first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--tuned", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.tuned))
        return
    asyncio.run(measure(given.tuned, given.repeats))
    if not given.tuned:  # the thresholds cannot be set back: a process of its own
        again = [sys.executable, "-m", "bench.transport", "--tuned", "--repeats", str(given.repeats)]
        subprocess.run(again, check=True)


if __name__ == "__main__":
    main()
