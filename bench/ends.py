"""Processes for the ends of `echoes`, and turns between them: a far end serves, a near end asks when it is told to.

    python -m bench.ends far KIND HOST [CONTROL]          # prints "serving ADDRESS"
    python -m bench.ends near KIND ADDRESS [CONTROL]      # reads jobs on stdin, answers on stdout, JSON

Law: every way has two processes of its own, so that none pays for another's threads or memory. Malloc is tuned
as an agent tunes it, but for kinds that end in "-untuned": those run as a program is that does not know of it.
With a CONTROL, TCP's congestion control of all connections is that one.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bench.echoes import SERVE, Bytes, LinkWay, ProtoWay, Way, way_to
from bench.small import beside
from lepton_edge.wire.memory import tune_malloc

UNTUNED = "-untuned"
SETTLED = 0.5
"""Seconds after which a new connection has the congestion control that was asked for."""
LONGEST = 300.0
"""Seconds after which a job is given up: something hangs."""
Job = dict[str, Any]


# --- the asking process ---------------------------------------------------------------------------


async def near_end(kind: str, address: str) -> None:
    """Do the jobs of stdin, one after the other, over one open connection."""
    way = await way_to(kind, address)
    while line := await asyncio.to_thread(sys.stdin.readline):  # the link lives on between jobs
        job = json.loads(line)
        told = await asyncio.wait_for(JOBS[job["do"]](way, job), LONGEST)
        print(json.dumps(told), flush=True)


async def _trips(way: Way, job: Job) -> Job:
    """Send "size" bytes "count" times, after "warm" times that do not count; they come back with "echo"."""
    payload = _payload(job["size"])
    trip = way.echo if job.get("echo") else way.take
    wall, busy = [], 0.0
    for number in range(job.get("warm", 0) + job["count"]):
        begun, used = time.perf_counter(), time.process_time()
        await trip(payload)
        if number >= job.get("warm", 0):
            wall.append(time.perf_counter() - begun)
            busy += time.process_time() - used
    return {"wall": wall, "busy": busy / job["count"]}


async def _stream(way: Way, job: Job) -> Job:
    """Send "size" bytes "count" times with "in_flight" under way; return bytes a second."""
    assert isinstance(way, LinkWay | ProtoWay)
    begun = time.perf_counter()
    await way.stream(_payload(job["size"]), job["count"], job["in_flight"])
    return {"rate": job["count"] * job["size"] / (time.perf_counter() - begun)}


async def _beside(way: Way, job: Job) -> Job:
    assert isinstance(way, LinkWay)
    seen = await beside(way, _payload(job["size"]), job["seconds"])
    return dataclasses.asdict(seen) | {"chunk": seen.chunk}


async def _control(way: Way, job: Job) -> Job:
    """Return the congestion controls of this process's connections, as the kernel tells them."""
    await way.take(_payload(job.get("size", 1000)))
    await asyncio.sleep(SETTLED)
    return {"control": "/".join(sorted({_control_of(one) for one in _connections()}))}


JOBS = {"trips": _trips, "stream": _stream, "beside": _beside, "control": _control}


def _payload(size: int) -> Bytes:
    return np.random.default_rng(0).integers(0, 256, size, np.uint8)


# --- congestion control ---------------------------------------------------------------------------


def _connections() -> Iterator[socket.socket]:
    """Yield this process's TCP sockets, whoever opened them, as copies that are closed after use."""
    numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    for number in numbers:
        with contextlib.suppress(OSError):  # the listing's own is closed by now
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                yield from _if_tcp(os.dup(number))


def _if_tcp(number: int) -> Iterator[socket.socket]:
    with socket.socket(fileno=number) as one:
        if one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_STREAM:
            yield one


def _control_of(connection: socket.socket) -> str:
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    return told.partition(b"\0")[0].decode()


def _keep_control(name: str) -> None:
    """Give new sockets the control `name` for a while: gRPC has no option for it, and it opens them when it likes."""
    end = time.monotonic() + SETTLED * 4
    while time.monotonic() < end:
        for one in _connections():
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
        time.sleep(0.02)


# --- the ordering process -------------------------------------------------------------------------


class Asker:
    """A near end in a process of its own, and its far end in another."""

    def __init__(
        self, kind: str, host: str, near: Sequence[str] = (), far: Sequence[str] = (), control: str = ""
    ) -> None:
        self.kind = kind
        self._far = _start([*far, *_end("far", kind, host, control)])
        self._near = _start([*near, *_end("near", kind, _serving(self._far), control)])

    def ask(self, **job: Any) -> Job:
        """Have a job done; return what the near end told."""
        assert self._near.stdin
        assert self._near.stdout
        self._near.stdin.write(json.dumps(job) + "\n")
        self._near.stdin.flush()
        line = self._near.stdout.readline()
        if not line:
            raise RuntimeError(f"the near end of {self.kind} ended: see above")
        told: Job = json.loads(line)
        return told

    def stop(self) -> None:
        """End both processes."""
        for child in (self._near, self._far):
            child.kill()
            child.communicate()


@contextlib.contextmanager
def askers(
    kinds: Sequence[str],
    host: str = "127.0.0.1",
    near: Sequence[str] = (),
    far: Sequence[str] = (),
    control: str = "",
) -> Iterator[dict[str, Asker]]:
    """Yield an asker of each kind; `near` and `far` are prefixes of command lines that lead to other hosts.

    `control` is TCP's congestion control on both sides, the kernel's own where it is empty.
    """
    with contextlib.ExitStack() as stack:
        found: dict[str, Asker] = {}
        for kind in kinds:
            found[kind] = Asker(kind, host, near, far, control)
            stack.callback(found[kind].stop)
        yield found


def _end(side: str, kind: str, where: str, control: str) -> list[str]:
    return [sys.executable, "-m", "bench.ends", side, kind, where, *([control] if control else [])]


def _start(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _serving(child: subprocess.Popen[str]) -> str:
    assert child.stdout
    for line in child.stdout:
        if line.startswith("serving "):
            return line.split()[1]
    raise RuntimeError("a far end ended before it served: see above")


def main() -> None:
    side, kind, where, *control = sys.argv[1:]
    if control:
        threading.Thread(target=_keep_control, args=control, daemon=True).start()
    if not kind.endswith(UNTUNED):
        tune_malloc()
    kind = kind.removesuffix(UNTUNED)
    if side == "far":
        SERVE[kind](where)
    else:
        asyncio.run(near_end(kind, where))


if __name__ == "__main__":
    main()
