"""The figures of an agent, for who watches it: requests, stages, links, queues, plans, memory, heat.

Law: reads the machine's state and the system, changes nothing; what is not known is left out.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable

import psutil
import structlog

from device_agents import hardware
from device_agents.driver.strain import Strain
from device_agents.machine import State, canary
from device_agents.machine.stages import all_reports
from device_agents.machine.state import ACTIVE, PREPARING, EpochState, queue_reports
from device_agents.membership import life
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.messages import LinkReport
from lepton_edge.core.version import __version__
from lepton_edge.metrics import Family, Watched, certificate, counter, gauge, open_door
from lepton_edge.security.keyring import Keyring
from partitioner.units import PageName

log = structlog.get_logger("agent")


class Figures:
    """Reads the figures of one agent; `links` tells how its links do, `attached` whether a coordinator listens."""

    def __init__(
        self,
        state: State,
        role: str,
        links: Callable[[], tuple[LinkReport, ...]],
        attached: Callable[[], bool],
    ) -> None:
        self._state, self._role, self._links, self._attached = state, role, links, attached
        self._strain = Strain()  # its own: who asks here must not take a look away from the coordinator
        self._process = psutil.Process()

    def __call__(self) -> list[Family]:
        """Return the figures of now."""
        return [*self._requests(), *self._stages(), *self._plans(), *self._peers(), *self._device()]

    def not_ready(self) -> str:
        """Return why requests cannot be answered yet, "" where they can."""
        if self._state.closing:
            return "it is ending"
        opening = [held.key.model for held in self._state.epochs.values() if held.state == PREPARING]
        served = {held.key.model for held in self._state.epochs.values() if held.state == ACTIVE}
        waited = sorted(set(opening) - served)
        return f"models are being opened: {', '.join(waited)}" if waited else ""

    def _requests(self) -> list[Family]:
        state = self._state
        ended = counter("requests_total", "Requests that ended here, by outcome.")
        ended.add(state.served, outcome="served").add(state.failed, outcome="failed")
        last = state.last_success
        since = gauge("seconds_since_success", "Seconds since a request succeeded here.")
        active = gauge("requests_active", "Requests in progress.").add(len(state.works))
        fares = canary.reports(state)
        mean = gauge("request_seconds_mean", "Mean of what the last requests took at their entry, by epoch.")
        slow = gauge("request_seconds_slow", "Of ten requests, what the second slowest took, by epoch.")
        answered = counter("entry_requests_total", "Requests that entered here, by epoch and outcome.")
        for one in fares:
            labels = {"model": one.model, "epoch": one.epoch}
            mean.add(one.mean, **labels)
            slow.add(one.slow, **labels)
            answered.add(one.answered, **labels, outcome="answered").add(
                one.failed, **labels, outcome="failed"
            )
        return [
            ended,
            active,
            since.add(time.monotonic() - last if last >= 0 else None),
            mean,
            slow,
            answered,
        ]

    def _stages(self) -> list[Family]:
        work = gauge("stage_seconds", "Median seconds of decoding, computing and encoding of a stage.")
        total = gauge("stage_total_seconds", "Median seconds from a stage's request to its answer.")
        count = counter("stage_requests_total", "Requests that had the device for themselves, by stage.")
        for one in all_reports(self._state.stages):
            stage = f"{one.first}-{one.last}"
            labels = {"model": one.model, "epoch": one.epoch, "page": one.page, "stage": stage}
            work.add(one.median, **labels)
            total.add(one.total, **labels)
            count.add(one.count, **labels)
        queued = gauge("queue_waiting", "Requests that wait in their callers' lines, by model.")
        waited = gauge("queue_wait_seconds", "What a request waited of late, by model.")
        for queue in queue_reports(self._state):
            queued.add(queue.waiting, model=queue.model)
            waited.add(queue.wait, model=queue.model)
        return [work, total, count, queued, waited]

    def _plans(self) -> list[Family]:
        held = gauge("epoch_state", "1 for the state that an epoch is in here.")
        page = gauge("page_active", "1 for the page that requests take now, at their entry.")
        predicted = gauge("predicted_seconds", "What a request was predicted to take, by epoch and page.")
        busy = counter("busy_seconds_total", "Seconds of work for requests of an epoch.")
        runs = counter("runs_total", "Runs of an epoch's blocks.")
        for one in self._state.epochs.values():
            labels = {"model": one.key.model, "epoch": one.key.epoch}
            held.add(1, **labels, state=one.state)
            busy.add(one.busy, **labels)
            runs.add(one.runs, **labels)
            if one.state == ACTIVE and one.begins(self._state.device):
                page.add(1, **labels, page=_page(one))
                predicted.add(one.book.page(_page(one)).prediction.latency, **labels, page=_page(one))
        return [held, page, predicted, busy, runs]

    def _peers(self) -> list[Family]:
        there = gauge("link_connected", "Whether there is a link to a peer that a plan needs.")
        up = gauge("link_up_bytes_per_second", "What the link to a peer moves there.")
        down = gauge("link_down_bytes_per_second", "What the link to a peer moves here.")
        trip = gauge("link_round_trip_seconds", "There and back of something small when nothing waits.")
        for one in self._links():
            there.add(one.connected, peer=one.peer)
            up.add(one.up or None, peer=one.peer)
            down.add(one.down or None, peer=one.peer)
            trip.add(one.round_trip or None, peer=one.peer)
        attached = gauge("coordinator_attached", "Whether a coordinator listens.").add(self._attached())
        return [there, up, down, trip, attached]

    def _device(self) -> list[Family]:
        total, available = hardware.memory()
        degrees = hardware.temperature()
        known = degrees if degrees > hardware.UNKNOWN_TEMPERATURE else None
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        told = self._process.cpu_times()
        about = {"device": self._state.device, "role": self._role, "software": __version__}
        return [
            gauge("agent_info", "Who this is; always 1.").add(1, **about),
            gauge("memory_total_bytes", "Memory of the device.").add(total),
            gauge("memory_available_bytes", "Memory that is available.").add(available),
            gauge("resident_bytes", "Memory of this process.").add(self._process.memory_info().rss),
            counter("cpu_seconds_total", "Processor time of this process.").add(told.user + told.system),
            gauge("temperature_celsius", "The hottest sensor of the processor.").add(known),
            gauge("throttled", "Whether heat or voltage slows the device.").add(self._strain.throttled()),
            gauge("load", "Processes that run or wait to, mean of a minute.").add(load),
        ]


def _page(held: EpochState) -> PageName:
    """Return the page that requests of an epoch take now."""
    turned = held.turner.page if held.turner is not None else PageName("")
    return turned or held.book.active


def _papers(config: AgentConfig) -> list[Family]:
    return certificate(*life(Keyring(config.state_directory))) if config.secure else certificate(0.0, 0.0)


@contextlib.asynccontextmanager
async def shown(config: AgentConfig, figures: Figures) -> AsyncIterator[None]:
    """Show the figures, and whether this agent lives and is ready, meanwhile."""
    door = await open_door(
        config.metrics_bind,
        config.metrics_port,
        Watched(lambda: [*figures(), *_papers(config)], not_ready=figures.not_ready),
    )
    if door.address:
        log.info("figures are shown", metrics=door.address)
    try:
        yield
    finally:
        await door.close()
