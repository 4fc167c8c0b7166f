"""Who gets in by the near door, where it is, and what is left of it."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from lepton_edge.core.errors import NotFound, Unavailable
from lepton_edge.wire import near_door
from lepton_edge.wire.near_door import NearDoor, open_door
from lepton_edge.wire.streams import ChunkStream

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


async def echo(stream: ChunkStream) -> None:
    while chunk := await stream.read():
        await stream.write(chunk)


def opened(state: Path) -> NearDoor:
    door = open_door(state, echo)
    assert door is not None
    return door


async def answers(path: str) -> bool:
    stream = await near_door.dial(path)
    await stream.write(b"ping")
    answer = await asyncio.wait_for(stream.read(), 2)
    await stream.close()
    return answer == b"ping"


async def test_only_its_owner_may_enter_the_folder(tmp_path: Path) -> None:
    door = opened(tmp_path)
    assert stat.S_IMODE(Path(door.path).parent.stat().st_mode) == 0o700
    await door.close()


async def test_a_folder_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "near").mkdir(mode=0o700)
    (tmp_path / "near").chmod(0o755)
    door = opened(tmp_path)
    assert Path(door.path).parent != tmp_path / "near"
    assert await answers(door.path)
    await door.close()


async def test_what_a_killed_process_left_is_removed_and_leads_nowhere(tmp_path: Path) -> None:
    left = tmp_path / "near" / "0badcafe"
    left.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    with pytest.raises(Unavailable):
        await near_door.dial(str(left))
    door = opened(tmp_path)
    assert os.listdir(left.parent) == [Path(door.path).name]
    assert door.path != str(left)
    await door.close()
    assert os.listdir(left.parent) == []


async def test_two_agents_have_two_doors(tmp_path: Path) -> None:
    first, second = opened(tmp_path / "a"), opened(tmp_path / "b")
    assert await answers(first.path)
    assert await answers(second.path)
    await first.close()
    assert await answers(second.path)
    with pytest.raises(Unavailable):
        await near_door.dial(first.path)
    await second.close()


async def test_a_path_that_is_too_long_gets_a_short_one_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30)
    door = opened(deep)
    try:
        assert door.path.startswith(str(near_door.SHORT))
        assert len(door.path) <= 100
        assert await answers(door.path)
    finally:
        await door.close()
        Path(door.path).parent.rmdir()


async def test_where_no_folder_is_ours_there_is_no_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    monkeypatch.setattr(near_door, "SHORT", tmp_path / ("x" * 100))
    assert open_door(shared / ("deep" * 30), echo) is None


@pytest.mark.parametrize("path", ["", "nowhere", "\0abstract", "/etc/passwd", "/tmp"])
async def test_what_is_no_socket_is_unavailable(path: str) -> None:
    with pytest.raises(Unavailable):
        await near_door.dial(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
async def test_another_users_socket_is_not_trusted(tmp_path: Path) -> None:
    door = opened(tmp_path)
    os.chown(door.path, 4242, 4242)
    with pytest.raises(Unavailable, match="another user"):
        await near_door.dial(door.path)
    await door.close()


async def test_more_than_it_serves_are_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_door, "MAX_STREAMS", 2)
    door = opened(tmp_path)
    kept = [await near_door.dial(door.path) for _ in range(2)]
    await asyncio.sleep(0.05)
    third = await near_door.dial(door.path)
    assert await asyncio.wait_for(third.read(), 2) is None
    await kept[0].close()
    await asyncio.sleep(0.05)
    assert await answers(door.path)
    await door.close()


async def test_a_link_that_fails_ends_its_stream_alone(tmp_path: Path) -> None:
    async def refuse(stream: ChunkStream) -> None:
        if await stream.read() == b"bad":
            raise NotFound("no such thing")
        await stream.write(b"good")

    door = open_door(tmp_path, refuse)
    assert door is not None
    good, bad = [await near_door.dial(door.path) for _ in range(2)]
    await bad.write(b"bad")
    assert await bad.read() is None
    await good.write(b"ping")
    assert await good.read() == b"good"
    await door.close()
