"""What TLS costs a control port with many agents: none, ours in front of gRPC, gRPC's own.

    python -m bench.doors [--agents N] [--seconds S] >rows.jsonl

A process serves streams as a coordinator does, another has `--agents` of them, each of which says as much as a
heartbeat every 1.5 s and is answered as often. Processor time of the serving process at rest, how long until all are
in, how long a heartbeat takes there and back, and memory. Law: measures and prints; decides nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import psutil

from bench.rows import Row
from lepton_edge.client.logs import be_quiet
from lepton_edge.core.identity import ANY_MODEL, Identity, Role, credentials_of
from lepton_edge.security.authority import Authority
from lepton_edge.wire import front, rpc
from lepton_edge.wire.tls import Trust
from partitioner.units import Seconds

KINDS = ("in the open", "our front, TLS", "gRPC's own TLS")
BEAT = 1.5
WORD = bytes(400)  # about what telemetry is
METHOD = "/bench.Doors/Attach"


def main() -> int:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(_serve(sys.argv[2], json.loads(sys.stdin.readline())))
    elif sys.argv[1:2] == ["crowd"]:
        asyncio.run(_crowd(int(sys.argv[2]), sys.argv[3], json.loads(sys.stdin.readline())))
    else:
        parser = argparse.ArgumentParser(
            description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--agents", type=int, default=1000)
        parser.add_argument("--seconds", type=float, default=15.0)
        parser.add_argument("--kind", action="append", choices=KINDS)
        options = parser.parse_args()
        for kind in options.kind or KINDS:
            _measure(kind, options.agents, options.seconds)
    return 0


async def _echo(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
    async for word in requests:
        yield word


async def _serve(kind: str, pem: str) -> None:
    be_quiet()
    handlers = [
        grpc.method_handlers_generic_handler(
            "bench.Doors", {"Attach": grpc.stream_stream_rpc_method_handler(_echo)}
        )
    ]
    trust, many = Trust(credentials_of(pem.encode())), 6000
    if kind == KINDS[2]:
        shown = trust.credentials
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)], maximum_concurrent_rpcs=many)
        server.add_generic_rpc_handlers(tuple(handlers))
        pairs = ((shown.key, shown.certificate),)
        believed = grpc.ssl_server_credentials(pairs, shown.authority, True)
        address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', believed)}"
        await server.start()
    else:
        bounds = front.Bounds(many, many, many)
        believed = trust if kind == KINDS[1] else None
        _, address = await front.open_port("127.0.0.1:0", handlers, None, trust=believed, bounds=bounds)
    print(address, flush=True)
    await asyncio.Event().wait()


class _Agents:
    """All of them, and how long their heartbeats took since the last time."""

    def __init__(self, address: str, trust: Trust | None) -> None:
        self.address, self.trust = address, trust
        self.took: list[float] = []
        self.inside = 0
        self.losses = 0

    async def live(self) -> None:
        """Be one of them: attach, and beat; again when the stream breaks."""
        while True:
            channel = rpc.open_channel(self.address, trust=self.trust)
            inside = False
            try:
                call = channel.stream_stream(METHOD)()
                while True:
                    begun = time.monotonic()
                    await call.write(WORD)
                    await call.read()
                    self.took.append(time.monotonic() - begun)
                    self.inside += not inside
                    inside = True
                    await asyncio.sleep(BEAT)
            except grpc.aio.AioRpcError:
                self.losses += 1
                self.inside -= inside
                await asyncio.sleep(0.2)
            finally:
                with contextlib.suppress(Exception):
                    await channel.close()


async def _crowd(number: int, address: str, pem: str) -> None:
    be_quiet()
    trust = Trust(credentials_of(pem.encode())) if pem else None
    agents, begun = _Agents(address, trust), time.monotonic()
    tasks = [asyncio.create_task(agents.live()) for _ in range(number)]
    while agents.inside < number:
        await asyncio.sleep(0.05)
    print(json.dumps(time.monotonic() - begun), flush=True)
    await asyncio.sleep(2 * BEAT)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps([statistics.median(agents.took), agents.losses]), flush=True)
        agents.took.clear()
    for task in tasks:
        task.cancel()


def _measure(kind: str, number: int, seconds: float) -> None:
    now = Seconds(time.time())
    authority = Authority.make(now)
    far = authority.credentials(Identity(Role.COORDINATOR, "far"), now)[0].pem().decode()
    app = authority.credentials(Identity(Role.CLIENT, "app", (ANY_MODEL,)), now)[0].pem().decode()
    serving = _started(["serve", kind], far)
    crowd = None
    try:
        assert serving.stdout is not None
        address = serving.stdout.readline().strip()
        crowd = _started(["crowd", str(number), address], "" if kind == KINDS[0] else app)
        _look(kind, number, seconds, psutil.Process(serving.pid), crowd)
    finally:
        for process in (serving, crowd):
            if process is not None:
                process.kill()
                process.communicate()


def _look(kind: str, number: int, seconds: float, seen: psutil.Process, crowd: subprocess.Popen[str]) -> None:
    assert crowd.stdin is not None
    assert crowd.stdout is not None
    inside, used = json.loads(crowd.stdout.readline()), sum(seen.cpu_times()[:2])
    _row(kind, number, "all inside", inside, "s")
    _row(kind, number, "processor until then", used, "s")
    time.sleep(3 * BEAT)
    _ask(crowd)
    begun = sum(seen.cpu_times()[:2])
    time.sleep(seconds)
    _row(
        kind, number, "processor at rest", 100 * (sum(seen.cpu_times()[:2]) - begun) / seconds, "% of a core"
    )
    took, losses = _ask(crowd)
    _row(kind, number, "a heartbeat there and back", took * 1e3, "ms")
    _row(kind, number, "streams that broke", losses, "")
    _row(kind, number, "memory", seen.memory_info().rss / 2**20, "MiB")


def _ask(crowd: subprocess.Popen[str]) -> Any:
    assert crowd.stdin is not None
    assert crowd.stdout is not None
    crowd.stdin.write("figures\n")
    crowd.stdin.flush()
    return json.loads(crowd.stdout.readline())


def _started(words: list[str], pem: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.doors", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(pem) + "\n")
    process.stdin.flush()
    return process


def _row(kind: str, number: int, what: str, value: float, unit: str) -> None:
    Row(
        "doors", f"{number} agents, {kind}: {what}", round(value, 3), unit, "the other kinds, in turns"
    ).print()


if __name__ == "__main__":
    raise SystemExit(main())
