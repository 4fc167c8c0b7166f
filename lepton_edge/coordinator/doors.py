"""Whether the devices' data ports answer from here: what a doctor on the other side cannot see for itself.

Law: dials only what a device that is known has registered, a few at a time, each once; changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from lepton_edge.coordinator.state import Device, State
from lepton_edge.wire import rpc
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError
from partitioner.units import DeviceId

DOORS = "lepton-edge/doors/1"
AT_ONCE = 16
MOST = 256  # devices of one call
PATIENCE = 2.0  # seconds for one address

Json = dict[str, Any]


def chosen(state: State, device: DeviceId) -> list[Device]:
    """Return the device of that name, none where nobody is called so; for "" those that are attached."""
    if device:
        return [state.devices[device]] if device in state.devices else []
    return sorted(state.connected(), key=lambda one: one.name)[:MOST]


async def document(devices: list[Device], trust: Trust | None = None) -> Json:
    """Return which data addresses of these devices answer, and why the others do not; asked over TLS with `trust`."""
    now, limit = time.time(), asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(_device(one, limit, trust) for one in devices))
    return {"schema": DOORS, "now": now, "devices": found}


async def _device(device: Device, limit: asyncio.Semaphore, trust: Trust | None) -> Json:
    doors = [await _door(device.name, address, limit, trust) for address in device.hello.data_addresses]
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
