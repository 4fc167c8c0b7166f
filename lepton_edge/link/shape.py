"""A slow link, simulated in user space: a TCP proxy with a rate and a delay, a process of its own.

    python -m lepton_edge.link.shape --listen :9000 --to :8011 --up 18.88 --down 18.88 --delay 2

Law: moves bytes late, changes none, knows no protocol. Rates are in Mbit/s and count 4.6 % of headers on top
of the payload (`partitioner.costs.HEADER_OVERHEAD`), delays in milliseconds one way. Up is from who dials to
where it leads. All connections share the rate. Little is buffered (40 ms of the rate, and as much in the
kernel), so that the sender feels the link. It simulates neither loss nor slow start; opening a connection
costs a round trip.

A line on standard input, or the content of --control FILE, changes it at run time: "5.85,25" both directions,
"up 1.1,50" one, "0,0" cuts (bytes wait until the link is back). It prints `shape ready listen=HOST:PORT` when
it is.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from partitioner.costs import HEADER_OVERHEAD

QUEUE = 0.040  # seconds of the rate that may wait in this process; as many bytes again in the kernel's buffer
SEGMENT = 1448  # bytes: what an Ethernet frame carries
_LARGEST_READ = 65_536
_SMALLEST_BUFFER = 4 * SEGMENT
_LARGEST_BUFFER = 1 << 18
_CONTROL_EVERY = 0.05  # seconds
_CONNECT = 5.0


class Direction:
    """One direction of the link, shared by all connections: when it is free, and how late bytes arrive."""

    def __init__(self, rate: float, delay: float) -> None:
        self.free_at = 0.0
        self.change(rate, delay)

    def change(self, rate: float, delay: float) -> None:
        """Take a new rate in Mbit/s (0 cuts) and a new delay in milliseconds."""
        if not (rate >= 0 and 0 <= delay < math.inf):
            raise ValueError(f"no link has {rate} Mbit/s and {delay} ms")
        self.bytes_per_second = rate * 1e6 / 8 / HEADER_OVERHEAD
        self.delay = delay / 1e3
        self.free_at = 0.0

    @property
    def cut(self) -> bool:
        """Whether nothing passes."""
        return self.bytes_per_second == 0

    def window(self) -> int:
        """Return the bytes that fit in QUEUE seconds."""
        return int(min(max(self.bytes_per_second * QUEUE, _SMALLEST_BUFFER), _LARGEST_BUFFER))

    def piece(self) -> int:
        """Return how many bytes to take at once: a millisecond's worth."""
        return int(min(max(self.bytes_per_second * 1e-3, SEGMENT), _LARGEST_READ))

    def ready_at(self) -> float:
        """Return when it may take more bytes; never while it is cut."""
        return math.inf if self.cut else self.free_at - QUEUE

    def arrival(self, size: int, now: float) -> float:
        """Take `size` bytes at `now`; return when the last of them arrives."""
        self.free_at = max(now, self.free_at) + size / self.bytes_per_second
        return self.free_at + self.delay


@dataclass
class Flow:
    """One direction of one connection; `waiting` holds (arrival, bytes), None for the end of the stream."""

    direction: Direction
    source: socket.socket
    sink: socket.socket
    opens_at: float
    waiting: deque[tuple[float, bytes | None]] = field(default_factory=deque)
    reading: bool = True
    blocked: bool = False
    done: bool = False

    def wants_read(self, now: float) -> bool:
        """Say whether bytes may be taken from the source now."""
        return self.reading and now >= max(self.opens_at, self.direction.ready_at())

    def wants_write(self, now: float) -> bool:
        """Say whether bytes have arrived."""
        return bool(self.waiting) and not self.direction.cut and self.waiting[0][0] <= now

    def next_time(self, now: float) -> float:
        """Return when something is to be done next that no socket tells."""
        may_read = max(self.opens_at, self.direction.ready_at()) if self.reading else math.inf
        read = may_read if may_read > now else math.inf
        write = (
            self.waiting[0][0] if self.waiting and not self.direction.cut and not self.blocked else math.inf
        )
        return min(read, write)

    def read(self, now: float) -> None:
        """Take a piece from the source."""
        try:
            piece = self.source.recv(self.direction.piece())
        except BlockingIOError:
            return
        if piece:
            self.waiting.append((self.direction.arrival(len(piece), now), piece))
            return
        self.reading = False
        self.waiting.append((max(now, self.direction.free_at) + self.direction.delay, None))

    def write(self, now: float) -> None:
        """Give what has arrived to the sink, as far as it takes it."""
        self.blocked = False
        while self.wants_write(now):
            arrival, piece = self.waiting.popleft()
            if piece is None:
                self.done = True
                with contextlib.suppress(OSError):
                    self.sink.shutdown(socket.SHUT_WR)
                return
            sent = self._send(piece)
            if sent < len(piece):
                self.waiting.appendleft((arrival, piece[sent:]))
                self.blocked = True
                return

    def _send(self, piece: bytes) -> int:
        try:
            return self.sink.send(piece)
        except BlockingIOError:
            return 0


class Proxy:
    """The listening socket, the flows of all connections, and the loop that moves them."""

    def __init__(self, listen: tuple[str, int], to: tuple[str, int], up: Direction, down: Direction) -> None:
        self.up, self.down, self._to = up, down, to
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._prepare(self._listener, up)
        self._listener.bind(listen)
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._flows: list[Flow] = []

    @property
    def address(self) -> str:
        """The address that it listens on."""
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    def change(self, line: str) -> None:
        """Take "RATE,DELAY", "up RATE,DELAY" or "down RATE,DELAY"; ValueError for anything else."""
        words = line.split()
        which, values = ["both", *words][-2:] if words else ("", "")
        chosen = {"both": (self.up, self.down), "up": (self.up,), "down": (self.down,)}.get(which)
        if chosen is None or len(words) > 2 or values.count(",") != 1:
            raise ValueError(f"{line!r} is neither RATE,DELAY nor up|down RATE,DELAY")
        rate, delay = (float(value) for value in values.split(","))
        for direction in chosen:
            direction.change(rate, delay)
        for flow in self._flows:
            _bound(flow.source, flow.direction)

    def close(self) -> None:
        """Reset every connection and stop listening."""
        for flow in list(self._flows):
            self._drop(flow)
        self._listener.close()

    def turn(self, longest: float, also: Sequence[int] = ()) -> list[int]:
        """Wait `longest` seconds at most for what comes first; move it; say which of `also` can be read."""
        now = time.monotonic()
        reading = [flow for flow in self._flows if flow.wants_read(now)]
        blocked = [flow for flow in self._flows if flow.blocked]
        later = [flow.next_time(now) for flow in self._flows]
        wait = max(0.0, min([longest, *(at - now for at in later)]))
        takes = [self._listener.fileno(), *(flow.source.fileno() for flow in reading), *also]
        readable, writable, _ = select.select(takes, [flow.sink.fileno() for flow in blocked], [], wait)
        if self._listener.fileno() in readable:
            self._accept()
        self._move(set(readable), set(writable))
        return [number for number in also if number in readable]

    def _move(self, readable: set[int], writable: set[int]) -> None:
        for flow in list(self._flows):
            now = time.monotonic()
            try:
                if flow.source.fileno() in readable and flow.wants_read(now):
                    flow.read(now)
                if flow.wants_write(now) and (not flow.blocked or flow.sink.fileno() in writable):
                    flow.write(now)
            except OSError:  # reset by either side
                self._drop(flow)
        for flow in [flow for flow in self._flows if flow.done]:
            self._finish(flow)

    def _accept(self) -> None:
        try:
            near, _ = self._listener.accept()
        except OSError:
            return
        try:
            far = self._connect()
        except OSError:
            _reset(near)
            return
        _bound(far, self.down)
        opens_at = time.monotonic() + self.up.delay + self.down.delay
        for one in (near, far):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._flows.append(Flow(self.up, near, far, opens_at))
        self._flows.append(Flow(self.down, far, near, opens_at))

    def _connect(self) -> socket.socket:
        far = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._prepare(far, self.down)
        far.settimeout(_CONNECT)
        try:
            far.connect(self._to)
        except OSError:
            far.close()
            raise
        return far

    def _prepare(self, one: socket.socket, direction: Direction) -> None:
        """Set what must be set before a connection: segments as on Ethernet, and a small receive buffer."""
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        _bound(one, direction)

    def _finish(self, flow: Flow) -> None:
        """Forget a flow whose end has arrived; close the connection when both are done."""
        other = next((one for one in self._flows if one.source is flow.sink), None)
        self._flows.remove(flow)
        if other is None:
            flow.source.close()
            flow.sink.close()

    def _drop(self, flow: Flow) -> None:
        """Reset both sides of a broken connection."""
        pair = {flow.source, flow.sink}
        self._flows = [one for one in self._flows if one.source not in pair]
        _reset(flow.source)
        _reset(flow.sink)


def _bound(one: socket.socket, direction: Direction) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, direction.window())


def _reset(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


# --- the process ----------------------------------------------------------------------------------


class Controls:
    """Where changes come from: lines on standard input, and a file that is read when it changed."""

    def __init__(self, proxy: Proxy, file: Path | None) -> None:
        self._proxy, self._file = proxy, file
        self._seen, self._half = "", b""
        self.inputs: list[int] = [] if file or sys.stdin is None else [sys.stdin.fileno()]

    def read_lines(self) -> None:
        """Take what came on standard input; stop listening at its end."""
        piece = os.read(self.inputs[0], 4096)
        if not piece:
            self.inputs = []
        *lines, self._half = (self._half[:4096] + piece).split(b"\n")
        for line in lines:
            self._apply(line.decode(errors="replace"))

    def look(self) -> None:
        """Take the file's content when it changed."""
        if self._file is None or not self._file.exists():
            return
        content = self._file.read_text()
        if content != self._seen:
            self._seen = content
            for line in content.splitlines():
                self._apply(line)

    def _apply(self, line: str) -> None:
        if not line.strip():
            return
        try:
            self._proxy.change(line.strip())
        except ValueError as error:
            print(f"ignored: {error}", file=sys.stderr, flush=True)


def serve(proxy: Proxy, controls: Controls) -> None:
    """Move bytes until the process is ended."""
    while True:
        if proxy.turn(_CONTROL_EVERY, controls.inputs):
            controls.read_lines()
        controls.look()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a shaped link until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m lepton_edge.link.shape", description="a simulated slow link"
    )
    parser.add_argument(
        "--listen", type=_address, required=True, metavar="HOST:PORT", help="where to be dialled"
    )
    parser.add_argument("--to", type=_address, required=True, metavar="HOST:PORT", help="where it leads")
    parser.add_argument("--up", type=float, required=True, help="Mbit/s from the dialler on; 0 cuts")
    parser.add_argument("--down", type=float, required=True, help="Mbit/s back to the dialler; 0 cuts")
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds one way")
    parser.add_argument(
        "--control", type=Path, help="a file whose content changes the link, instead of standard input"
    )
    given = parser.parse_args(arguments)
    up, down = Direction(given.up, given.delay), Direction(given.down, given.delay)
    proxy = Proxy(given.listen, given.to, up, down)
    print(f"shape ready listen={proxy.address}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        serve(proxy, Controls(proxy, given.control))


if __name__ == "__main__":
    main()
