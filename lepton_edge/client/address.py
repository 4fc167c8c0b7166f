"""Who is there: from an address, or from none, to the entry that a client asks and the coordinator behind it.

Law: asks `Describe` and mDNS, and decides by what they say; opens no link. An address that was given always
wins; a search that fails says why within seconds.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from lepton_edge.core.calls import AdminCall, least_minor
from lepton_edge.core.config import CONTROL_PORT, DATA_PORT
from lepton_edge.core.errors import (
    DiscoveryFailed,
    IncompatibleVersion,
    InvalidInput,
    LeptonError,
    Unauthenticated,
    Unavailable,
)
from lepton_edge.core.messages import PROTOCOL_MAJOR, Description, Peer
from lepton_edge.link import discovery
from lepton_edge.link.timeout import Timeout
from lepton_edge.wire import rpc
from lepton_edge.wire.addresses import is_free
from lepton_edge.wire.occupied import whose
from lepton_edge.wire.tls import Trust
from partitioner.units import ModelName

HERE = "127.0.0.1"
LOCAL_AGENT = f"{HERE}:{DATA_PORT}"
LOCAL_COORDINATOR = f"{HERE}:{CONTROL_PORT}"
DESCRIBE_TIMEOUT = 5.0
LOCAL_TIMEOUT = 1.0
SEARCH_TIMEOUT = 3.0


@dataclass(frozen=True)
class Doors:
    """Where to ask: `entries` are data addresses, best first; `coordinator` a control address or empty.

    `serving` are the entries of each model that a coordinator knows to be active.
    """

    asked: str
    entries: tuple[str, ...]
    coordinator: str
    serving: tuple[tuple[ModelName, tuple[str, ...]], ...] = ()

    def of(self, model: ModelName) -> tuple[str, ...]:
        """Return the entries to ask for a model."""
        return next((entries for name, entries in self.serving if name == model), self.entries)


async def find_doors(address: str | None, trust: Trust | None = None, beside: str = "") -> Doors:
    """Return the doors that `address` leads to; with None: a coordinator here, an agent here, else mDNS.

    The coordinator goes first, since of several agents here it alone knows which one is to be asked; one that
    knows of none (it has just started, say) is passed over where an agent is here. `beside` is where the coordinator
    listens in whose state the key lies: that one is meant rather than another.

    Raises:
        InvalidInput: the address is not host:port.
        Unavailable: nobody answers there.
        DiscoveryFailed: no address was given and nobody was found; says why.
        IncompatibleVersion: who answers speaks another major version.
    """
    if address:
        return doors(address, await describe(address, trust=trust))
    empty: Doors | None = None
    for local in _here(beside, LOCAL_AGENT):
        try:
            found = await _describe_or_none(local, trust)
        except Unauthenticated:
            if empty is None:
                raise
            continue  # our own coordinator is there: who is here besides is another's
        there = doors(local, found) if found is not None else None
        if there is not None and there.entries:
            return there
        empty = empty or there
    return empty or await _search(trust, beside)


async def find_coordinator(address: str | None, trust: Trust | None = None, beside: str = "") -> str:
    """Return the control address to administer: `address`, else a coordinator here, else what mDNS finds.

    Raises:
        As `find_doors`.
    """
    if address:
        return address
    for local in _here(beside):
        if await _describe_or_none(local, trust) is not None:
            return local
    return await _searched(beside)


def _here(beside: str, *others: str) -> list[str]:
    """Return the addresses of this machine that are asked, in order."""
    return list(dict.fromkeys([*([beside] if beside else []), LOCAL_COORDINATOR, *others]))


async def _search(trust: Trust | None, beside: str) -> Doors:
    found = await _searched(beside)
    return doors(found, await describe(found, trust=trust))


async def _searched(beside: str) -> str:
    """Return what mDNS finds; an error also says of the addresses here who is there instead.

    Raises:
        DiscoveryFailed: it finds nobody.
    """
    try:
        return await discovery.find_coordinator(SEARCH_TIMEOUT)
    except DiscoveryFailed as error:
        error.message = "; ".join([error.message, *await _instead(beside)])
        raise


async def _instead(beside: str) -> list[str]:
    told = []
    if beside:
        told.append(f"the one that was started here last, at {beside}, does not answer: is it running?")
    if beside != LOCAL_COORDINATOR and not await asyncio.to_thread(is_free, HERE, CONTROL_PORT):
        by = await asyncio.to_thread(whose, CONTROL_PORT)
        told.append(f"{LOCAL_COORDINATOR} is taken{by}, and answers as something else")
    return told


async def _describe_or_none(address: str, trust: Trust | None) -> Description | None:
    try:
        return await describe(address, LOCAL_TIMEOUT, trust)
    except Unauthenticated as error:  # somebody is here: a search would hide why it is not asked
        error.hint += (
            f" ({address} was tried since no address was given: is your own coordinator running? "
            "Another is named by --coordinator HOST:PORT)"
        )
        raise
    except LeptonError:
        return None


async def describe(
    address: str, timeout: float = DESCRIBE_TIMEOUT, trust: Trust | None = None
) -> Description:
    """Return who answers at `address`; with `trust` over TLS, verified to be one of our coordinator's.

    Raises:
        InvalidInput: the address is not host:port.
        Unavailable: nobody answers within `timeout` seconds.
        IncompatibleVersion: who answers speaks another major version.
        Unauthenticated: it speaks TLS and we do not, or the other way round, or it or we are not believed.
    """
    check_address(address)
    found = await _described(address, timeout, trust)
    if found is None:
        raise _nobody(address)
    if found.protocol_major != PROTOCOL_MAJOR:
        raise IncompatibleVersion(
            f"{address} speaks protocol {found.protocol_major}, this client {PROTOCOL_MAJOR}",
            f"it runs lepton-edge {found.software}: use the same major version on both sides",
        )
    return found


async def _described(address: str, timeout: float, trust: Trust | None) -> Description | None:
    """Return what is answered at `address`; None where nobody answers.

    No error that leads to the failed call leaves here: whoever kept it would keep a connection with it.
    """
    channel = rpc.open_channel(address, trust=trust)
    try:
        async with Timeout(timeout, _nobody(address)):
            return await rpc.ControlStub(channel, address).describe()
    except Unavailable:
        return None
    finally:
        await channel.close()


async def refuse_older(address: str, call: AdminCall, trust: Trust | None = None) -> None:
    """Return when the coordinator at `address` knows all that `call` says; it is asked only where it may not.

    Raises:
        IncompatibleVersion: it would overlook a part of it, and do something else.
    """
    least = least_minor(call)
    if least == 0:
        return
    found = await describe(address, trust=trust)
    if found.protocol_minor < least:
        raise IncompatibleVersion(
            f"the coordinator at {address} (lepton-edge {found.software}) does not know all that is asked here: it "
            f"speaks protocol {found.protocol_major}.{found.protocol_minor}, this needs {PROTOCOL_MAJOR}.{least}",
            "nothing was changed; install the same release of lepton-edge there",
        )


def _nobody(address: str) -> Unavailable:
    return Unavailable(
        f"nobody answers at {address}",
        "check the address, and that `lepton-edge coordinator start` or `lepton-edge agent start` runs there; "
        "if others reach it: is the key revoked?",
    )


def check_address(address: str) -> None:
    """Raise InvalidInput unless `address` is host:port."""
    host, _, port = address.rpartition(":")
    host = "" if "/" in host else host  # http://...
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InvalidInput(f"{address!r} is not an address", 'write "host:port", such as 192.168.1.20:8010')


def doors(address: str, found: Description) -> Doors:
    """Return the doors behind `address`, where `found` answered: an agent is the entry itself."""
    if found.kind == "agent":
        return Doors(address, (address,), found.coordinator)
    peers = {peer.device: peer for peer in (*found.entries, *found.doors)}
    serving = tuple(
        (one.model, tuple(entry_addresses([peers[name] for name in one.entries if name in peers])))
        for one in found.serving
    )
    return Doors(address, tuple(entry_addresses(found.entries)), address, serving)


def entry_addresses(entries: Sequence[Peer]) -> list[str]:
    """Return the entries' addresses, those on this machine first, else in the coordinator's order."""
    addresses = [address for peer in entries for address in peer.addresses]
    return sorted(addresses, key=lambda address: not is_local(address))


def is_local(address: str) -> bool:
    """Tell whether the host of `address` is this machine: whether a socket can be bound to it."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(target)
    except OSError:
        return False
    return True
