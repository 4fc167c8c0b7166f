"""A coordinator is found where it is announced; where nothing is found, the reason is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lepton_edge.core.errors import DiscoveryFailed
from lepton_edge.link import discovery


async def closing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.fixture(autouse=True)
def own_service(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Keep out of the way of coordinators that run here for other reasons."""
    monkeypatch.setattr(discovery, "SERVICE", f"_le{abs(hash(request.node.name)) % 10**9}._tcp.local.")


async def test_a_coordinator_on_loopback_is_found_on_its_own_machine() -> None:
    server = await asyncio.start_server(closing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    announcement = await discovery.announce(f"127.0.0.1:{port}")
    try:
        assert announcement.address == f"127.0.0.1:{port}"
        assert await discovery.find_coordinator(10) == f"127.0.0.1:{port}"
    finally:
        await announcement.close()
        server.close()


async def test_a_coordinator_that_is_announced_but_gone_is_named() -> None:
    server = await asyncio.start_server(closing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    announcement = await discovery.announce(f"127.0.0.1:{port}")
    try:
        with pytest.raises(DiscoveryFailed, match=f"127.0.0.1:{port}, but nobody answers"):
            await discovery.find_coordinator(4)  # a busy machine hears late
    finally:
        await announcement.close()


async def test_a_failed_search_says_why_in_time_and_what_to_do() -> None:
    begun = asyncio.get_running_loop().time()
    with pytest.raises(DiscoveryFailed, match="no coordinator found in 0.3 s: ") as caught:
        await discovery.find_coordinator(0.3)
    assert asyncio.get_running_loop().time() - begun < 1.5
    assert "--coordinator HOST:PORT" in caught.value.hint


@pytest.mark.parametrize(
    ("address", "multicast", "container", "reason"),
    [
        ("", True, True, "no network but loopback"),
        ("192.0.2.7", False, True, "no route for multicast"),
        ("192.0.2.7", True, True, "container"),
        ("192.0.2.7", True, False, "access point"),
    ],
)
def test_the_most_likely_reason_is_named(
    monkeypatch: pytest.MonkeyPatch, address: str, multicast: bool, container: bool, reason: str
) -> None:
    monkeypatch.setattr(discovery, "default_route_address", lambda: address)
    monkeypatch.setattr(discovery, "can_multicast", lambda: multicast)
    monkeypatch.setattr(discovery, "in_container", lambda: container)
    assert reason in str(discovery.why_nothing([], 3.0))


def test_a_container_is_recognised(tmp_path: Path) -> None:
    assert not discovery.in_container(tmp_path)
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/cgroup").write_text("0::/system.slice/kubepods-besteffort.slice")
    assert discovery.in_container(tmp_path)


async def test_a_name_without_an_address_cannot_be_announced() -> None:
    with pytest.raises(DiscoveryFailed, match="no address"):
        await discovery.announce("0.0.0.0:8010", advertise="no-such-host.invalid:8010")
