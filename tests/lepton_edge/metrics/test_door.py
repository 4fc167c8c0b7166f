"""What the door on 8002 answers, to those who ask well, badly, slowly, or in crowds."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from lepton_edge.metrics import Door, Watched, door, gauge, open_door


class Process:
    """What is watched: it may be dead, or not ready."""

    dead = waits = ""


@pytest.fixture
async def process() -> AsyncIterator[tuple[Process, str]]:
    made = Process()
    watched = Watched(lambda: [gauge("load", "Load.").add(1.5)], lambda: made.dead, lambda: made.waits)
    opened = await open_door("127.0.0.1", 0, watched)
    yield made, opened.address
    await opened.close()


async def ask(address: str, request: str) -> str:
    """Return what is answered; "" where the connection is closed without an answer."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request.encode())
    try:
        told = await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        told = b""
    writer.close()
    return told.decode()


async def test_figures_and_health(process: tuple[Process, str]) -> None:
    made, address = process
    assert "lepton_edge_load 1.5\n" in await ask(address, "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await ask(address, "GET /livez HTTP/1.1\r\n\r\n")).startswith("HTTP/1.1 200 OK")
    made.waits = "models are being opened"
    told = await ask(address, "GET /readyz HTTP/1.1\r\n\r\n")
    assert told.startswith("HTTP/1.1 503")
    assert told.endswith("models are being opened\n")
    assert " 200 " in await ask(address, "GET /livez HTTP/1.1\r\n\r\n")
    made.dead = "nothing is decided"
    assert " 503 " in await ask(address, "GET /livez HTTP/1.1\r\n\r\n")
    assert (await ask(address, "HEAD /metrics HTTP/1.1\r\n\r\n")).endswith("\r\n\r\n")
    assert " 404 " in await ask(address, "GET /etc/passwd HTTP/1.1\r\n\r\n")
    assert " 405 " in await ask(address, "POST /metrics HTTP/1.1\r\n\r\n")


async def test_who_asks_too_much_or_too_slowly_is_left(
    process: tuple[Process, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address = process
    assert await ask(address, "GET /" + "x" * 2 * door.LONGEST) == ""
    monkeypatch.setattr(door, "PATIENCE", 0.05)
    assert await ask(address, "GET /metrics") == ""


async def test_a_crowd_is_not_let_in_and_others_are_when_it_left(process: tuple[Process, str]) -> None:
    _, address = process
    host, _, port = address.rpartition(":")
    crowd = [await asyncio.open_connection(host, int(port)) for _ in range(door.MOST)]
    assert await ask(address, "GET /livez HTTP/1.1\r\n\r\n") == ""
    for _, writer in crowd:
        writer.close()
    for _ in range(100):
        if "200" in await ask(address, "GET /livez HTTP/1.1\r\n\r\n"):
            return
    pytest.fail("the door stayed shut")


async def test_who_does_not_read_its_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "PATIENCE", 0.1)
    before = asyncio.all_tasks()
    opened = await open_door("127.0.0.1", 0, Watched(list, lambda: "", lambda: "x" * (16 << 20)))
    host, _, port = opened.address.rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() - before, "or this test shows nothing"
        end = asyncio.get_running_loop().time() + 5
        while asyncio.all_tasks() - before:
            assert asyncio.get_running_loop().time() < end, "it is held still"
            await asyncio.sleep(0.02)
    await opened.close()


async def test_of_the_usual_port_the_next_free_one_is_taken_but_no_others_own() -> None:
    opened: list[Door] = []
    with contextlib.ExitStack() as taken:
        for port in range(8002, 8010):
            held = taken.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # somebody has it anyway
                held.bind(("127.0.0.1", port))
                held.listen()
        beyond = await open_door("127.0.0.1", 8002, Watched(list))
        opened.append(beyond)
        assert int(beyond.address.rpartition(":")[2]) not in range(8002, 8012)
    opened.append(await open_door("127.0.0.1", 8002, Watched(list)))
    assert opened[-1].address
    for one in opened:
        await one.close()


async def test_a_port_that_was_asked_for_is_that_one_or_none() -> None:
    first = await open_door("127.0.0.1", 0, Watched(list))
    port = int(first.address.rpartition(":")[2])
    assert await open_door("127.0.0.1", port, Watched(list)) == Door()
    await first.close()
    assert await open_door("127.0.0.1", door.OFF, Watched(list)) == Door()


async def test_a_door_that_cannot_be_opened_stops_nobody() -> None:
    assert (await open_door("192.0.2.77", 0, Watched(list))).address == ""
