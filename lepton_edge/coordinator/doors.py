"""Whether the devices' data ports answer from here: what a doctor on the other side cannot see for itself.

Law: dials only what a device that is known has registered, a few at a time, each once; changes nothing. A device that
asks for itself hears whether it answers, and neither why not nor how soon: the addresses are its own word, and a
coordinator that told more of them would look into its network for whoever holds one device's key.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from lepton_edge.coordinator.state import Device, State
from lepton_edge.core.errors import InvalidInput, Overloaded
from lepton_edge.core.messages import MAX_DATA_ADDRESSES, Hello
from lepton_edge.security.rates import Rates
from lepton_edge.wire import rpc
from lepton_edge.wire.addresses import is_loopback, split_address
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError
from partitioner.units import DeviceId, Seconds

DOORS = "lepton-edge/doors/1"
AT_ONCE = 16
MOST = 256  # devices of one call
PATIENCE = 2.0  # seconds for one address
LONGEST_ADDRESS = 260
"""Letters: a name of the domain name system has 253, a port 5."""
SILENT = "it does not answer from here"

Json = dict[str, Any]


def check_hello(hello: Hello) -> None:
    """Raise InvalidInput unless the addresses that a device registers are a few, and addresses."""
    if len(hello.data_addresses) > MAX_DATA_ADDRESSES:
        raise InvalidInput(
            f"{hello.device!r} registers {len(hello.data_addresses)} addresses",
            f"advertise {MAX_DATA_ADDRESSES} at most",
        )
    for address in hello.data_addresses:
        if len(address) > LONGEST_ADDRESS:
            raise InvalidInput(f"{hello.device!r} registers an address of {len(address)} letters")
        split_address(address)


def chosen(state: State, device: DeviceId) -> list[Device]:
    """Return the device of that name, none where nobody is called so; for "" those that are attached."""
    if device:
        return [state.devices[device]] if device in state.devices else []
    return sorted(state.connected(), key=lambda one: one.name)[:MOST]


async def document(devices: list[Device], trust: Trust | None = None) -> Json:
    """Return which data addresses of these devices answer, and why the others do not; asked over TLS with `trust`."""
    return await _tried([(one, one.hello.data_addresses) for one in devices], trust)


class OwnDoors:
    """What devices are told of their own doors: bounded in how often, and in what."""

    def __init__(self) -> None:
        self._asked = Rates()

    async def document(self, devices: list[Device], trust: Trust | None, asker: rpc.PeerContext) -> Json:
        """Return what `document` does, of the device that asks, without what it need not know.

        The answer comes after the same time whatever is there. Raises Overloaded where it asks too often.
        """
        name, begun = asker.identity.name if asker.identity else "", time.monotonic()
        wait = self._asked.wait(name, Seconds(begun))
        if wait > 0:
            late = Overloaded(
                "the coordinator was asked too often to try your ports", f"again in {wait:.0f} s"
            )
            late.retry_after = wait
            raise late
        self._asked.failed(name, Seconds(begun))
        near = is_loopback(split_address(asker.peer)[0])
        told = await _tried([(one, _tellable(one, near=near)) for one in devices], trust)
        for device, one in zip(devices, told["devices"], strict=True):
            one["doors"] = _silenced(device.hello.data_addresses, one["doors"])
        if any(door["why"] for one in told["devices"] for door in one["doors"]):
            await asyncio.sleep(max(0.0, begun + PATIENCE - time.monotonic()))
        return told


def _tellable(device: Device, *, near: bool) -> tuple[str, ...]:
    """Return the addresses of `device` that peers could be told: those of this machine itself if it is `near`."""
    return tuple(one for one in device.hello.data_addresses if near or not is_loopback(split_address(one)[0]))


def _silenced(addresses: tuple[str, ...], doors: list[Json]) -> list[Json]:
    answers = {door["address"] for door in doors if not door["why"]}
    return [{"address": one, "why": "" if one in answers else SILENT, "seconds": 0.0} for one in addresses]


async def _tried(devices: list[tuple[Device, tuple[str, ...]]], trust: Trust | None) -> Json:
    now, limit = time.time(), asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(_device(one, addresses, limit, trust) for one, addresses in devices))
    return {"schema": DOORS, "now": now, "devices": found}


async def _device(
    device: Device, addresses: tuple[str, ...], limit: asyncio.Semaphore, trust: Trust | None
) -> Json:
    doors = await asyncio.gather(*(_door(device.name, one, limit, trust) for one in addresses))
    return {"device": device.name, "connected": device.stream is not None, "doors": doors}


async def _door(name: DeviceId, address: str, limit: asyncio.Semaphore, trust: Trust | None) -> Json:
    async with limit:
        begun = time.monotonic()
        why = await _why_not(name, address, trust)
        return {"address": address, "why": why, "seconds": round(time.monotonic() - begun, 4)}


async def _why_not(name: DeviceId, address: str, trust: Trust | None) -> str:
    try:
        channel = rpc.open_channel(address, trust=trust)
    except LeptonError as error:
        return error.message
    try:
        told = await rpc.ControlStub(channel, address).describe(PATIENCE)
    except LeptonError as error:
        return error.message
    finally:
        await channel.close()
    return "" if told.name == name else f"{told.kind} {told.name} answers there"
