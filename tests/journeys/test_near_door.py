"""An agent's local socket, from the start of its process to what a killed one leaves behind."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.client.address import describe
from lepton_edge.client.remote import dial_entry
from lepton_edge.core.errors import CorruptFrame, Unavailable
from lepton_edge.core.frames import Frame
from lepton_edge.core.links import LinkHello
from lepton_edge.link import near
from lepton_edge.link.link import Link

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")
INSECURE = True  # it speaks for itself, and in the open


def ignore(link: Link, frame: Frame) -> None:
    """Nobody asks a client."""


async def answering(path: str) -> str:
    """Return the name of who answers at `path`."""
    link = await near.dial(path, LinkHello("client", "app"), ignore)
    await link.probe()
    name = link.peer.name
    await link.close()
    return name


def test_an_agent_tells_its_socket_and_a_killed_one_is_not_in_the_way_of_the_next(house: Any) -> None:
    house.start_coordinator()
    address = house.start_agent("pi", "board")
    told = asyncio.run(describe(address)).near
    assert asyncio.run(answering(told)) == "pi"
    house.kill("pi")
    assert Path(told).exists()
    with pytest.raises(Unavailable):
        asyncio.run(answering(told))
    address = house.start_agent("pi", "board")
    again = asyncio.run(describe(address)).near
    assert os.listdir(Path(told).parent) == [Path(again).name]
    assert asyncio.run(answering(again)) == "pi"
    house.end("pi")
    assert os.listdir(Path(told).parent) == []


async def test_a_killed_agent_ends_its_near_links_at_once(house: Any) -> None:
    await asyncio.to_thread(house.start_coordinator)
    address = await asyncio.to_thread(house.start_agent, "pi", "board")
    link = await near.dial((await describe(address)).near, LinkHello("client", "app"), ignore)
    house.kill("pi")
    await asyncio.wait_for(link.closed.wait(), 1.0)
    assert isinstance(link.error, Unavailable)


async def test_whoever_else_listens_at_the_socket_is_passed_by(house: Any) -> None:
    await asyncio.to_thread(house.start_coordinator)
    address = await asyncio.to_thread(house.start_agent, "pi", "board")
    path = Path((await describe(address)).near)
    path.unlink()

    async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9)
        writer.close()

    stranger = await asyncio.start_unix_server(garbage, str(path))
    used = await dial_entry(address)
    assert isinstance(used, Link)
    assert used.peer.name == "pi"
    await used.close()
    with pytest.raises(CorruptFrame):
        await dial_entry(address, by_socket=True)
    stranger.close()
