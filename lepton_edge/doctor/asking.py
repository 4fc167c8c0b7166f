"""What a coordinator says when a doctor asks it: who it is, its clock, and whether it reaches the devices' ports.

Law: asks and never fails: what goes wrong is in the answer. An address is searched by mDNS where none is given.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from lepton_edge.core.frames import WireError
from lepton_edge.core.identity import COORDINATOR_HOST
from lepton_edge.core.messages import AdminCall, CheckDoors, Document
from lepton_edge.doctor.facts import Coordinator, Door
from lepton_edge.link import discovery
from lepton_edge.wire import rpc
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError
from partitioner.units import DeviceId, Seconds

PATIENCE = 20.0  # seconds for the coordinator to try all doors


async def ask(address: str, device: DeviceId | None = None, trust: Trust | None = None) -> Coordinator:
    """Ask the coordinator at `address`, "" for the one that mDNS finds, to try the doors of `device`, or all."""
    try:
        address = address or await discovery.find_coordinator()
        channel = rpc.open_channel(address, rpc.LONGEST_COMMAND, trust=trust, host=COORDINATOR_HOST)
    except LeptonError as error:
        return Coordinator(address, error.message, error.hint)
    try:
        stub = rpc.ControlStub(channel, address)
        found = await _described(stub, address)
        return found if found.why else await _with_doors(stub, found, device)
    finally:
        await channel.close()


async def _described(stub: rpc.ControlStub, address: str) -> Coordinator:
    begun = time.monotonic()
    try:
        told = await stub.describe()
    except LeptonError as error:
        return Coordinator(address, error.message, error.hint)
    took = Seconds(time.monotonic() - begun)
    if told.kind != "coordinator":
        return Coordinator(
            address, f"an {told.kind} answers there, no coordinator", f"its coordinator: {told.coordinator}"
        )
    protocol = (told.protocol_major, told.protocol_minor)
    return Coordinator(address, name=told.name, software=told.software, protocol=protocol, seconds=took)


async def _with_doors(stub: rpc.ControlStub, found: Coordinator, device: DeviceId | None) -> Coordinator:
    if found.protocol < (1, 1):
        return dataclasses.replace(found, doors_why="it is of protocol 1.0")
    begun, sent = time.monotonic(), time.time()
    try:
        told = await asyncio.wait_for(_document(stub, CheckDoors(device or DeviceId(""))), PATIENCE)
    except LeptonError as error:
        return dataclasses.replace(found, doors_why=error.message)
    except asyncio.TimeoutError:
        return dataclasses.replace(found, doors_why=f"it did not answer within {PATIENCE:.0f} s")
    return read(found, told, sent, time.monotonic() - begun)


def read(found: Coordinator, told: dict[str, Any], sent: float, took: float) -> Coordinator:
    """Return `found` with what a document of doors tells; it was asked at `sent` and took so many seconds.

    The coordinator looked at its clock when it was asked, so that trying the doors tells nothing against it.
    """
    devices = told.get("devices", [])
    doors = [
        Door(DeviceId(one["device"]), door["address"], door["why"], Seconds(door["seconds"]))
        for one in devices
        for door in one["doors"]
    ]
    doubt = Seconds(min(took, max(found.seconds, 0.05)))
    return dataclasses.replace(
        found,
        skew=Seconds(told["now"] - sent),
        doubt=doubt,
        devices=tuple((DeviceId(one["device"]), bool(one["connected"])) for one in devices),
        doors=tuple(doors),
    )


async def _document(stub: rpc.ControlStub, call: AdminCall) -> dict[str, Any]:
    async for event in stub.admin(_only(call)):
        if isinstance(event, WireError):
            raise rpc.raised(event)
        if isinstance(event, Document):
            told: dict[str, Any] = json.loads(event.json)
            return told
    raise LeptonError("the coordinator hung up before it had answered", "see its log")


async def _only(call: AdminCall) -> AsyncIterator[AdminCall]:
    yield call
