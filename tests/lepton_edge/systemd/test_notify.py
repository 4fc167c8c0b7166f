"""What reaches the service manager's socket, and that nothing is said where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_edge.systemd import Notifier

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(5)
        yield made


def heard(manager: socket.socket) -> list[str]:
    words = []
    manager.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            words.append(manager.recv(4096).decode())
    return words


def test_it_says_when_it_is_ready_and_when_it_ends(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    notifier.ready("device=pi")
    notifier.stopping()
    assert heard(manager) == ["READY=1\nSTATUS=device=pi", "STOPPING=1\nSTATUS=lets requests in progress end"]


def test_an_abstract_socket_is_found() -> None:
    if not Path("/proc").exists():
        pytest.skip("abstract sockets are Linux's")
    name = f"lepton-edge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).alive()
        assert heard(made) == ["WATCHDOG=1"]


async def test_signs_of_life_come_only_while_the_work_goes_on(manager: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "30000"})
    assert notifier.every == pytest.approx(0.01)
    turns = [True]
    asked = asyncio.Event()

    def goes_on() -> bool:
        asked.set()
        return turns[0]

    task = asyncio.create_task(notifier.keep_alive(goes_on))
    await asked.wait()
    assert heard(manager)
    turns[0] = False
    asked.clear()
    await asked.wait()  # of two looks, the first may have begun before
    heard(manager)
    for _ in range(2):
        asked.clear()
        await asked.wait()
    assert heard(manager) == []
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_without_a_manager_or_a_watchdog_nothing_is_said() -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(Notifier({}).keep_alive(lambda: pytest.fail("asked for nothing")), 0.01)
    assert Notifier({"WATCHDOG_USEC": "1000000"}).every == 0
    Notifier({"NOTIFY_SOCKET": "/nowhere/at/all"}).ready()
    other = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid() + 1)}
    assert Notifier(other).every == 0
    assert Notifier({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"}).every == 0
