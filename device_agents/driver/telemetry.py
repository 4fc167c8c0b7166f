"""How this device feels: load, memory, temperature, requests, and whether it still computes.

Law: reads, and once in a while runs a synthetic inference where no request did; changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

import structlog

from device_agents import hardware
from device_agents.driver.holdings import Holdings
from device_agents.driver.strain import Strain
from device_agents.engine import Engine
from device_agents.machine import State, canary, learning
from device_agents.machine.stages import reports
from device_agents.machine.state import load_reports, queue_reports
from lepton_edge.core.messages import LinkReport, Telemetry
from partitioner.errors import LeptonError
from partitioner.units import Seconds

log = structlog.get_logger("agent")

SYNTHETIC_EVERY = Seconds(30.0)


class Health:
    """The state of one agent, as it is told to the coordinator."""

    def __init__(
        self, state: State, engine: Engine, holdings: Holdings, links: Callable[[], tuple[LinkReport, ...]]
    ) -> None:
        self._state, self._engine, self._holdings, self._links = state, engine, holdings, links
        self._strain = Strain()
        self._last_synthetic = -1.0

    def telemetry(self) -> Telemetry:
        """Return the heartbeat of now."""
        state = self._state
        last = max(self._last_synthetic, state.last_success)
        return Telemetry(
            load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
            memory_available=hardware.memory()[1],
            resident=self._engine.resident(),
            temperature=hardware.temperature(),
            requests_active=len(state.works),
            requests_served=state.served,
            requests_failed=state.failed,
            seconds_since_success=Seconds(time.monotonic() - last if last >= 0 else -1.0),
            stages=reports(state.stages),
            queues=queue_reports(state),
            links=self._links(),
            turns=learning.reports(state, time.monotonic()),
            loads=load_reports(state),
            workers=state.workers,
            busy=self._strain.busy(),
            throttled=self._strain.throttled(),
            epochs=canary.reports(state),
        )

    async def watch(self) -> None:
        """Run a synthetic inference whenever no request succeeded for a while."""
        while True:
            await asyncio.sleep(SYNTHETIC_EVERY)
            quiet = time.monotonic() - self._state.last_success > SYNTHETIC_EVERY
            if quiet and not self._state.works:
                await self._synthetic()

    async def _synthetic(self) -> None:
        try:
            if await self._holdings.check():
                self._last_synthetic = time.monotonic()
        except LeptonError as error:
            log.warning("a synthetic inference failed", error=str(error))
