"""Measurements on the coordinator's command: a model on this device, the link to a peer.

Law: profiles go one after the other, through the engine that serves requests, so that they see what
requests see.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from device_agents.driver.peers import Peers
from device_agents.driver.probing import MessageCosts, message_costs, probe_link
from device_agents.engine import Engine
from device_agents.engine.speed import speed_probe
from device_agents.machine.events import Measured
from device_agents.profiling import run_profile
from device_agents.store import ArtifactStore, Fetch
from lepton_edge.core.messages import (
    GaugeCommand,
    Gauged,
    ProbeCommand,
    Probed,
    ProfileCommand,
    Profiled,
    Progress,
)
from lepton_edge.link.link import Link
from partitioner.units import DeviceId, Seconds


@dataclass
class Measuring:
    """What measurements need. `dial_self` opens a link to this very agent."""

    device: DeviceId
    engine: Engine
    store: ArtifactStore
    fetch: Fetch
    peers: Peers
    progress: Callable[[Progress], None]
    dial_self: Callable[[], Awaitable[Link]]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def measure(self, command: ProfileCommand | ProbeCommand | GaugeCommand) -> Measured:
        """Do it and return the answer; raises what went wrong."""
        async with self._turn:
            if isinstance(command, ProbeCommand):
                return await self._probe(command)
            if isinstance(command, GaugeCommand):
                return Measured(Gauged(command.command, await speed_probe(self.engine)))
            return await self._profile(command)

    async def _probe(self, command: ProbeCommand) -> Measured:
        link = await self.peers.reach(command.peer)
        found = await probe_link(link, command)
        found = dataclasses.replace(found, via=self.peers.via(link))
        return Measured(Probed(command.command, command.peer.device, found))

    async def _profile(self, command: ProfileCommand) -> Measured:
        def told(stage: str, done: int, total: int) -> None:
            self.progress(Progress(command.command, stage, done, total))

        found = await run_profile(self.engine, self.store, self.fetch, command, device=self.device, told=told)
        probe = await speed_probe(self.engine)
        await self.engine.tidy()
        costs = await self._messages()
        found = dataclasses.replace(
            found,
            overhead=Seconds(found.overhead + costs.echo),
            send_message=costs.end,
            send_byte=costs.byte,
            receive_message=costs.end,
            receive_byte=costs.byte,
        )
        return Measured(Profiled(command.command, command.model, command.version, found, probe))

    async def _messages(self) -> MessageCosts:
        """Return what frames cost on this device, beside what a request computes."""
        link = await self.dial_self()
        try:
            return await message_costs(link)
        finally:
            await link.close()
