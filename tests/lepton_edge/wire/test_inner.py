"""Behind a front: nobody but this process gets to gRPC's own server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lepton_edge.core.identity import Role
from lepton_edge.core.messages import Description
from lepton_edge.wire import front, inner, rpc
from tests.certificates import authority

KNOCK = """
import os, socket, sys
if len(sys.argv) > 2:
    os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
socket.socket(socket.AF_UNIX).connect(sys.argv[1])
"""


async def describe() -> Description:
    return Description("agent", "pi", "test", 1, 1)  # type: ignore[arg-type]


async def described(address: str) -> str:
    channel = rpc.open_channel(address, trust=authority().trust(Role.CLIENT, "app"))
    try:
        return (await rpc.ControlStub(channel, address).describe(3.0)).name
    finally:
        await channel.close()


def knock(path: str, *user: str) -> str:
    command = [sys.executable, "-S", "-c", KNOCK, path, *user]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return done.stderr.strip().rpartition("\n")[2]


async def test_a_port_is_all_that_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(inner, "FOLDERS", (tmp_path,))
    mine = psutil.Process()
    before = {one.laddr.port for one in mine.net_connections("tcp") if one.status == "LISTEN"}
    trust = authority().trust(Role.AGENT, "pi")
    port, address = await front.open_port("127.0.0.1:0", rpc.describe_handlers(describe), trust=trust)
    assert await described(address) == "pi"
    listening = {one.laddr.port for one in mine.net_connections("tcp") if one.status == "LISTEN"} - before
    assert listening == {rpc.split_address(address)[1]}
    if sys.platform == "linux":
        assert list(tmp_path.iterdir()) == [], "it has no name that somebody could open"
    await port.stop(None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks at a process of Linux")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else")
async def test_another_user_of_the_machine_does_not_get_there() -> None:
    server, where = await inner.open_inner(rpc.describe_handlers(describe))
    assert where.is_private
    theirs = where.target.replace("self", str(os.getpid()))
    assert knock(theirs) == "", "its own user does, or this test would show nothing"
    assert "PermissionError" in knock(theirs, str(65534))
    await server.stop(None)
    where.close()


async def test_where_no_socket_can_be_made_it_is_a_port_of_the_loopback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(inner, "FOLDERS", (tmp_path / "none", Path("/proc"), tmp_path / ("deep" * 40)))
    trust = authority().trust(Role.AGENT, "pi")
    port, address = await front.open_port("127.0.0.1:0", rpc.describe_handlers(describe), trust=trust)
    assert await described(address) == "pi"
    await port.stop(None)
    server, where = await inner.open_inner(rpc.describe_handlers(describe))
    assert not where.is_private
    await server.stop(None)
    where.close()
