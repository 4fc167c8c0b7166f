"""A link over a local socket is a link like any other."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from lepton_edge.core.errors import InvalidInput, Unavailable
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import LinkHello
from lepton_edge.link import near
from lepton_edge.link.link import Link
from lepton_edge.wire import tensors
from lepton_edge.wire.near_door import NearDoor
from partitioner.units import RequestId, TensorName

CLIENT = LinkHello("client", "app")


async def ignore(link: Link, frame: Frame) -> None:
    """Nobody asks a client."""


async def echo(link: Link, frame: Frame) -> None:
    if frame.model == "wrong":
        raise InvalidInput("x must be int64", "convert it")
    await link.send(dataclasses.replace(frame, kind=FrameKind.REPLY))


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[NearDoor]:
    opened = near.open_door(tmp_path, LinkHello("agent", "pi"), echo, lambda link: None)
    assert opened is not None
    yield opened
    await opened.close()


def asked(number: int, count: int = 0, model: str = "") -> Frame:
    array = np.arange(count, dtype=np.float32)
    carried = (tensors.pack(TensorName("x"), array),)
    return Frame(FrameKind.REQUEST, RequestId(f"{number:032x}"), model=model, tensors=carried)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 150_000 // 4, 3_000_000 // 4, 12_000_000 // 4])
async def test_tensors_of_any_size_come_back_as_they_went(door: NearDoor, count: int) -> None:
    link = await near.dial(door.path, CLIENT, ignore)
    assert link.peer.name == "pi"
    for number in range(2):
        answer = await link.request(asked(number, count), timeout=5)
        assert np.array_equal(tensors.unpack(answer.tensors[0]), np.arange(count, dtype=np.float32))
    await link.close()


async def test_many_requests_at_once_share_it(door: NearDoor) -> None:
    link = await near.dial(door.path, CLIENT, ignore)
    sizes = [1 if number % 2 else 700_000 for number in range(20)]
    answers = await asyncio.gather(*(link.request(asked(n, size), 10) for n, size in enumerate(sizes)))
    assert [answer.tensors[0].shape for answer in answers] == [(size,) for size in sizes]
    await link.close()


async def test_errors_come_typed(door: NearDoor) -> None:
    link = await near.dial(door.path, CLIENT, ignore)
    answer = await link.request(asked(0, 1, model="wrong"), timeout=5)
    assert answer.error is not None
    assert answer.error.code == InvalidInput.code
    await link.close()


async def test_a_door_that_closes_ends_its_links_and_what_waits_on_them(tmp_path: Path) -> None:
    async def silent(link: Link, frame: Frame) -> None:
        await asyncio.sleep(60)

    opened = near.open_door(tmp_path, LinkHello("agent", "pi"), silent, lambda link: None)
    assert opened is not None
    link = await near.dial(opened.path, CLIENT, ignore)
    waiting = asyncio.create_task(link.request(asked(0, 1)))
    await asyncio.sleep(0.05)
    await opened.close()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(waiting, 2)
    await asyncio.wait_for(link.closed.wait(), 2)
    with pytest.raises(Unavailable):
        await near.dial(opened.path, CLIENT, ignore)
