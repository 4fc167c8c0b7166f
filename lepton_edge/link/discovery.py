"""Finding a coordinator by mDNS, and announcing one.

Law: an address that a person gave always wins, so nobody calls this room then. Only the interface of the
default route is announced (never a container bridge), and loopback for what is bound there. A search
that finds nothing says why. zeroconf is loaded when it is first needed: it takes 13 MB, which a device with a
given address never pays.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog

from lepton_edge.core.errors import DiscoveryFailed
from lepton_edge.wire.rpc import is_loopback, join_address, split_address

log = structlog.get_logger("discovery")

SERVICE = "_lepton-edge._tcp.local."
LOOPBACK = "127.0.0.1"
_MDNS_GROUP = ("224.0.0.251", 5353)
_ELSEWHERE = ("192.0.2.1", 9)  # documentation address: choosing a route to it sends nothing
_SETTLE = 0.2  # seconds to wait for further coordinators after the first
_CONNECT = 1.0  # seconds for a found coordinator to accept a connection


def _zeroconf() -> ModuleType:
    import zeroconf.asyncio  # on purpose: see the law above

    return zeroconf.asyncio


def _open(library: ModuleType, interfaces: list[str]) -> Any:
    """Open mDNS on these interfaces, else on loopback alone; DiscoveryFailed when even that does not work."""
    try:
        return library.AsyncZeroconf(interfaces=interfaces)
    except OSError as error:
        log.debug("multicast does not work beyond loopback", interfaces=interfaces, error=str(error))
    try:
        return library.AsyncZeroconf(interfaces=[LOOPBACK])
    except OSError as error:
        hint = "give the address: --coordinator HOST:PORT"
        raise DiscoveryFailed(f"multicast does not work here: {error}", hint) from error


# --- announcing -----------------------------------------------------------------------------------


@dataclass
class Announcement:
    """A coordinator that is being announced; `address` is what others are told."""

    address: str
    _zeroconf: Any
    _service: Any

    async def close(self) -> None:
        """Take the announcement back."""
        await self._zeroconf.async_unregister_all_services()
        await self._zeroconf.async_close()


async def announce(address: str, name: str = "", *, advertise: str = "") -> Announcement:
    """Announce the control port bound at "host:port"; takes about a second, so do it beside other work.

    `advertise` ("host:port") is told instead of the bound address; `name` tells several coordinators of one
    network apart. Raises DiscoveryFailed when this machine cannot send multicast.
    """
    host, port = split_address(advertise or address)
    bound_host, _ = split_address(address)
    if is_loopback(bound_host):
        told, interfaces = LOOPBACK, [LOOPBACK]
    else:
        told = default_route_address() if host in ("0.0.0.0", "::") else host  # noqa: S104
        interfaces = [default_route_address(), LOOPBACK]
    library = _zeroconf()
    service = _service(library, told, port, name or socket.gethostname().partition(".")[0])
    announcer = _open(library, [one for one in interfaces if one])
    async with contextlib.AsyncExitStack() as on_failure:
        on_failure.push_async_callback(announcer.async_close)
        await (await announcer.async_register_service(service, allow_name_change=True))
        on_failure.pop_all()
    return Announcement(join_address(told, port), announcer, service)


def _service(library: ModuleType, host: str, port: int, name: str) -> Any:
    label = f"{name}-{port}"
    return library.AsyncServiceInfo(
        SERVICE,
        f"{label}.{SERVICE}",
        parsed_addresses=[_numeric(host)],
        port=port,
        properties={"kind": "coordinator"},
        server=f"lepton-edge-{label}.local.",
    )


def _numeric(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise DiscoveryFailed(f"{host!r} has no address to announce", "advertise a numeric one") from error


# --- finding --------------------------------------------------------------------------------------


@dataclass
class _Search:
    """What a search has come upon so far."""

    found: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    one: asyncio.Event = field(default_factory=asyncio.Event)


async def find_coordinator(timeout: float = 3.0) -> str:
    """Return the control address of a coordinator on this machine or network; an own one first.

    Raises DiscoveryFailed, which says why, after `timeout` seconds.
    """
    search = _Search()
    async with _browsing(search, timeout):
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(search.one.wait(), timeout)
            await asyncio.sleep(_SETTLE)
    if not search.found:
        raise why_nothing(search.silent, timeout)
    ranked = sorted(search.found, key=lambda address: (not is_loopback(split_address(address)[0]), address))
    if len(ranked) > 1:
        log.warning("several coordinators were found; taking the first", found=ranked)
    return ranked[0]


@contextlib.asynccontextmanager
async def _browsing(search: _Search, timeout: float) -> AsyncIterator[None]:
    library = _zeroconf()
    interfaces = [one for one in (default_route_address(), LOOPBACK) if one]
    lookups: set[asyncio.Task[None]] = set()

    def noticed(zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
        if state_change.name in ("Added", "Updated"):
            lookup = asyncio.get_running_loop().create_task(_look_up(library, zeroconf, name, search))
            lookups.add(lookup)
            lookup.add_done_callback(lookups.discard)

    finder = _open(library, interfaces)
    browser = library.AsyncServiceBrowser(finder.zeroconf, SERVICE, handlers=[noticed])
    try:
        yield
    finally:
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)
        await browser.async_cancel()
        await finder.async_close()


async def _look_up(library: ModuleType, zeroconf: Any, name: str, search: _Search) -> None:
    service = library.AsyncServiceInfo(SERVICE, name)
    if not await service.async_request(zeroconf, 2_000):
        return
    for host in service.parsed_addresses():
        address = join_address(host, service.port)
        if address in search.found or address in search.silent:
            continue
        if await _answers(host, service.port):
            search.found.append(address)
            search.one.set()
        else:
            search.silent.append(address)


async def _answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), _CONNECT)
    except (OSError, asyncio.TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


# --- why not --------------------------------------------------------------------------------------


def why_nothing(silent: list[str], timeout: float) -> DiscoveryFailed:
    """Return the error that says why a search may have found nothing."""
    hint = "start one with `lepton-edge coordinator start`, or give its address: --coordinator HOST:PORT"
    if silent:
        reason = f"announced at {', '.join(silent)}, but nobody answers there: stopped, or behind a firewall"
    elif not default_route_address():
        reason = "this machine has no network but loopback, and no coordinator runs on it"
    elif not can_multicast():
        reason = "this machine has no route for multicast"
    elif in_container():
        reason = "this is a container, whose network rarely lets multicast through"
    else:
        reason = (
            f"nobody announces one on the network of {default_route_address()}: it may be in another VLAN, "
            "isolated by the access point, or listen on its own machine only"
        )
    return DiscoveryFailed(f"no coordinator found in {timeout:g} s: {reason}", hint)


def default_route_address() -> str:
    """Return this machine's IPv4 address on the interface of the default route; empty when there is none."""
    return _source_address(_ELSEWHERE)


def can_multicast() -> bool:
    """Say whether this machine has a route for multicast."""
    return bool(_source_address(_MDNS_GROUP))


def _source_address(target: tuple[str, int]) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(target)
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def in_container(root: Path = Path("/")) -> bool:
    """Say whether this process lives in a container, as far as that shows (Linux only)."""
    if (root / ".dockerenv").exists() or (root / "run/.containerenv").exists():
        return True
    try:
        groups = (root / "proc/1/cgroup").read_text()
    except OSError:
        return False
    return any(word in groups for word in ("docker", "kubepods", "containerd", "lxc"))
