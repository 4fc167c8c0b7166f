"""The shaped link is as slow as it says, and no slower; it can be cut, and it passes endings on."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_edge.link.shape import Direction, Proxy
from partitioner.costs import HEADER_OVERHEAD


def serve_one(connection: socket.socket) -> None:
    """Answer each request of 8 bytes (how many follow, how many to send back) when all has come."""
    with connection, contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while len(head := connection.recv(8, socket.MSG_WAITALL)) == 8:
            receive(connection, int.from_bytes(head[:4], "big"))
            connection.sendall(b"!" + bytes(int.from_bytes(head[4:], "big")))


def receive(connection: socket.socket, size: int) -> None:
    while size:
        piece = connection.recv(min(size, 1 << 20))
        if not piece:
            raise ConnectionError("ended")
        size -= len(piece)


def ask(connection: socket.socket, up: int = 0, down: int = 0) -> float:
    """Return the seconds that sending `up` bytes and getting `down` bytes back takes."""
    begun = time.perf_counter()
    connection.sendall(up.to_bytes(4, "big") + down.to_bytes(4, "big") + bytes(up))
    receive(connection, down + 1)
    return time.perf_counter() - begun


@pytest.fixture
def server() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve_one, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def shaped(to: str, rate: float, delay: float, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "lepton_edge.link.shape", "--listen", "127.0.0.1:0", "--to", to]
    numbers = ["--up", str(rate), "--down", str(rate), "--delay", str(delay), *more]
    with subprocess.Popen(command + numbers, stdin=-1, stdout=-1, text=True) as process:
        try:
            assert process.stdout
            ready = process.stdout.readline()
            assert ready.startswith("shape ready listen=127.0.0.1:")
            yield process, ready.strip().partition("=")[2]
        finally:
            process.kill()


def connect(address: str) -> socket.socket:
    host, port = address.split(":")
    connection = socket.create_connection((host, int(port)), timeout=5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()
    time.sleep(0.05)


def test_rate_and_delay_are_what_they_should_be(server: str) -> None:
    """Within 0.5 ms and 3 %; the best of a few, since the machine has other work too."""
    with shaped(server, 18.88, 2) as (_, address), connect(address) as near, connect(server) as direct:
        ask(near)
        base = min(ask(direct) for _ in range(9))
        delay = min(ask(near) - base for _ in range(9)) / 2
        assert delay == pytest.approx(0.002, abs=0.0005)
        ideal = 300_000 * HEADER_OVERHEAD * 8 / 18.88e6
        up = min(ask(near, up=300_000) - 2 * delay for _ in range(3))
        down = min(ask(near, down=300_000) - 2 * delay for _ in range(3))
        assert up == pytest.approx(ideal, rel=0.03)
        assert down == pytest.approx(ideal, rel=0.03)


def quickest(near: socket.socket) -> float:
    """The least of three: others use this machine too."""
    return min(ask(near) for _ in range(3))


def test_it_changes_while_it_runs_and_can_be_cut(server: str) -> None:
    with shaped(server, 100, 0) as (process, address), connect(address) as near:
        assert quickest(near) < 0.02
        say(process, "100,30")
        assert 0.06 <= quickest(near) < 0.09
        say(process, "0,0")
        near.settimeout(0.1)
        with pytest.raises(TimeoutError):
            ask(near)
        say(process, "nonsense\nup -1,0\n100,0")
        near.settimeout(5)
        receive(near, 1)  # what waited arrives when the link is back
        assert quickest(near) < 0.02


def test_a_file_can_change_it(server: str, tmp_path: Path) -> None:
    control = tmp_path / "link"
    control.write_text("")
    with shaped(server, 100, 0, "--control", str(control)) as (_, address), connect(address) as near:
        ask(near)
        control.write_text("up 100,20\ndown 100,10\n")
        time.sleep(0.15)
        assert 0.03 <= quickest(near) < 0.06


def test_all_connections_share_the_rate(server: str) -> None:
    with shaped(server, 20, 0) as (_, address), connect(address) as one, connect(address) as other:
        ask(one), ask(other)
        begun = time.perf_counter()
        threads = [threading.Thread(target=ask, args=(c, 100_000)) for c in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.perf_counter() - begun == pytest.approx(200_000 * HEADER_OVERHEAD * 8 / 20e6, rel=0.1)


def test_the_sender_feels_the_link() -> None:
    """What is buffered between the two ends is bounded: under 200 ms of the rate."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        to = f"127.0.0.1:{listener.getsockname()[1]}"
        with shaped(to, 10, 0) as (_, address), connect(address) as near:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
            far, _ = listener.accept()
            with far:
                far.settimeout(5)
                near.settimeout(0.25)
                accepted = 0
                begun = time.perf_counter()
                with contextlib.suppress(TimeoutError):
                    while time.perf_counter() - begun < 0.25:
                        accepted += near.send(bytes(4096))
                carried = 0.25 * 10e6 / 8
                assert accepted < carried + 0.2 * 10e6 / 8


def test_endings_pass(server: str) -> None:
    with shaped(server, 100, 1) as (_, address):
        with connect(address) as near:
            ask(near)
            near.shutdown(socket.SHUT_WR)
            assert near.recv(10) == b""  # the server saw the end, and ended too
        with socket.create_server(("127.0.0.1", 0)) as dead:
            nobody = f"127.0.0.1:{dead.getsockname()[1]}"
    with shaped(nobody, 100, 1) as (_, address), pytest.raises(ConnectionError):
        ask_once(address)


def ask_once(address: str) -> None:
    with connect(address) as near:
        ask(near)


def test_what_is_no_link_is_refused() -> None:
    for rate, delay in ((-1, 0), (1, -1), (float("nan"), 0), (1, float("inf"))):
        with pytest.raises(ValueError, match="no link"):
            Direction(rate, delay)
    proxy = Proxy(("127.0.0.1", 0), ("127.0.0.1", 9), Direction(1, 0), Direction(1, 0))
    for line in ("", "1", "1,2,3", "left 1,2", "up", "up 1,2 x", "a,b"):
        with pytest.raises(ValueError, match="neither|could not"):
            proxy.change(line)
    proxy.change("down 5,1")
    assert proxy.down.delay == 0.001
    assert proxy.up.delay == 0
    proxy.close()
