"""The coordinator as a process: opens its state and its port, serves, and leaves cleanly.

Law: wires the rooms together and owns their lifetimes; no decision, no message.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from lepton_edge.coordinator import beside, figures, guarding
from lepton_edge.coordinator.adaptation import ChangeLog
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.driver import Driver, wall
from lepton_edge.coordinator.events import Began, CertificatesRevoked, DeviceReplaced, DeviceSuspected
from lepton_edge.coordinator.gate import Ears, Gate, Terms
from lepton_edge.coordinator.jobs import Jobs
from lepton_edge.coordinator.limits import MAX_DEVICES
from lepton_edge.coordinator.service import Service
from lepton_edge.coordinator.standing import Drain
from lepton_edge.coordinator.state import Device, Settings, State
from lepton_edge.coordinator.store import Remembered, Store
from lepton_edge.coordinator.vault import Vault
from lepton_edge.coordinator.worker import COMMAND, Workers
from lepton_edge.core.config import CoordinatorConfig
from lepton_edge.core.custom_ops import custom_ops
from lepton_edge.core.errors import DiscoveryFailed, StorageFull
from lepton_edge.core.identity import Role
from lepton_edge.core.version import __version__
from lepton_edge.link import discovery
from lepton_edge.metrics import Family, Watched, certificate, open_door
from lepton_edge.security import certificates, commanding, whereabouts
from lepton_edge.systemd import Notifier
from lepton_edge.wire import front, introduction, occupied, rpc
from lepton_edge.wire.health import health_handlers
from partitioner.units import Seconds

log = structlog.get_logger("coordinator")

STREAMS = MAX_DEVICES + rpc.MAX_CALLS  # each device has one; the others are calls
MOST_WORKERS = 4
"""Processes that plan and compile at the same time, on as many processors; each has some 150 MB while it is warm."""
FIRST_TTL, FIRST_USES = Seconds(3600.0), 16  # of the token that a start prints
GRACE = 2.0  # seconds that calls under way get when the process is asked to end


@dataclass
class _Rooms:
    """What lives as long as the process."""

    store: Store
    workers: Workers
    driver: Driver
    service: Service


async def serve(config: CoordinatorConfig) -> None:
    """Run a coordinator until SIGINT or SIGTERM.

    Prints "coordinator ready control=HOST:PORT" on stdout once it answers. Raises AlreadyExists when another
    one uses the state directory, PortInUse when no port is free, StorageFull when the disk is.
    """
    asked = _asked_to_end()  # before anybody is told that it is ready, and may ask
    rooms = await _open(config)
    deciding = asyncio.create_task(rooms.driver.run())
    notifier = Notifier()
    living = asyncio.create_task(notifier.keep_alive(rooms.driver.turns))
    try:
        server, bound = await _listen(config, rooms)
        rooms.service.address = config.advertise or bound
        _tell_where(config, bound)
        async with _announced(config, bound), guarding.kept(rooms.service.gate):
            print(f"coordinator ready control={bound}", flush=True)
            notifier.ready(f"control port {bound}")
            await rooms.driver.post(Began("start"))
            await _tell_how_to_join(config, rooms.service)
            log.info(
                "ready",
                control=bound,
                state=str(config.state_directory),
                term=rooms.driver.state.settings.term,
            )
            async with _shown(config, bound, rooms.driver, rooms.service.gate):
                await _until_asked_to_end(asked, deciding)
        notifier.stopping()
        await server.stop(GRACE)
    finally:
        whereabouts.forget(config.state_directory)
        living.cancel()
        deciding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await deciding
        await rooms.workers.close()
        rooms.store.close()


async def _listen(config: CoordinatorConfig, rooms: _Rooms) -> tuple[front.Port, str]:
    """Open the control port, over TLS where there is a gate."""
    address = rpc.join_address(config.bind, config.port)
    health = health_handlers((rpc.CONTROL,), rooms.driver.turns)
    handlers = [*rpc.control_handlers(rooms.service), *health]
    gate = rooms.service.gate
    if gate is None:
        return await rpc.open_server(address, handlers, calls=STREAMS)
    gate.ears = Ears(
        lambda serials, device: rooms.driver.post(
            CertificatesRevoked("gate", serials, device, gate.shut_out())
        ),
        lambda device, why: rooms.driver.post(DeviceSuspected("gate", device, why)),
        lambda device: rooms.driver.state.attached_as(device),
        lambda device, what: rooms.driver.post(DeviceReplaced("gate", device, what)),
    )
    bounds = front.Bounds(connections=STREAMS, passed_on=STREAMS, calls=STREAMS)
    every = [*handlers, *introduction.join_handlers(gate)]
    return await front.open_port(address, every, trust=gate.trust, bounds=bounds)


def _tell_where(config: CoordinatorConfig, bound: str) -> None:
    """Say where it listens, if that is not where it was to; and keep it for commands on this machine."""
    if elsewhere := occupied.moved(config.port, bound):
        print(elsewhere, file=sys.stderr, flush=True)
    try:
        whereabouts.keep(config.state_directory, *rpc.split_address(bound))
    except StorageFull as error:
        log.warning("commands on this machine need --coordinator", control=bound, why=str(error))


async def _tell_how_to_join(config: CoordinatorConfig, service: Service) -> None:
    """Print one line to paste on a device: its token counts for a while. Not into a journal, which others may read."""
    if service.gate is None:
        return
    if "JOURNAL_STREAM" in os.environ:
        log.info("to let a device join: lepton-edge token create")
        return
    token = await service.gate.make_token(FIRST_TTL, FIRST_USES, Role.AGENT)
    host, port = rpc.split_address(service.address)
    if host in ("0.0.0.0", "::"):
        host = discovery.default_route_address() or socket.gethostname()
    address = rpc.join_address(host, port)
    print(f"to join: lepton-edge agent join {address} --token {token.text()}", flush=True)


async def _open(config: CoordinatorConfig) -> _Rooms:
    store = Store(config.state_directory)
    artifacts = Artifacts(config.state_directory)
    artifacts.prepare()
    settings = Settings(
        __version__,
        store.begin_term(),
        config.lease,
        config.heartbeat,
        wall(),
        store.identity(),
        secrets.token_hex(8),
    )
    custom_ops(config.allow_custom_ops)  # said now rather than at the first push
    command = (*COMMAND, *config.allow_custom_ops)
    workers = Workers(config.worker_timeout, min(MOST_WORKERS, os.cpu_count() or 1), command)
    jobs = Jobs(workers, config.state_directory)
    driver = Driver(remembered(store.load(), settings), store, artifacts, jobs.work)
    service = Service(driver, store, artifacts, jobs)
    if config.secure:
        terms = Terms(config.certificate_life, config.approve)
        service.gate = Gate(config.state_directory, Vault(store), driver.on_disk, terms)
        driver.state.revoked, driver.state.shut_out = service.gate.revoked(), service.gate.shut_out()
        begun = commanding.incarnation(service.gate.authority.pem, settings.identity, settings.term)
        driver.state.settings = dataclasses.replace(settings, incarnation=begun)
    service.name = socket.gethostname()
    service.upload_limit = config.upload_limit
    return _Rooms(store, workers, driver, service)


def remembered(found: Remembered, settings: Settings) -> State:
    """Return the state that a coordinator begins with: what it knew, with every device away."""
    return State(
        settings,
        devices={hello.device: Device(hello) for hello in found.devices},
        models={record.name: record for record in found.models},
        profiles={(model, version, kept.profile.device): kept for model, version, kept in found.profiles},
        links={(device, peer): link for device, peer, link in found.links},
        epochs={record.key: record for record in found.epochs},
        log=ChangeLog(found.serial, left_open=found.open),
        drains={name: Drain(Seconds(0.0)) for name in found.drained},
        canaries=beside.canaries(found.beside, settings.wall),
        kept=beside.kept(found.beside),
    )


@contextlib.asynccontextmanager
async def _shown(
    config: CoordinatorConfig, bound: str, driver: Driver, gate: Gate | None
) -> AsyncIterator[None]:
    """Show figures, and whether the coordinator lives, meanwhile."""

    def told() -> list[Family]:
        own = certificates.read(gate.trust.credentials.certificate) if gate is not None else None
        papers = certificate(own.begins, own.ends) if own else certificate(0.0, 0.0)
        port = rpc.split_address(bound)[1]
        return [*figures.figures(driver.state, driver.started, driver.now(), port), *papers]

    watched = Watched(
        told,
        lambda: "" if driver.turns() else "nothing is decided any more",
    )
    door = await open_door(config.metrics_bind, config.metrics_port, watched)
    if door.address:
        log.info("figures are shown", metrics=door.address)
    try:
        yield
    finally:
        await door.close()


@contextlib.asynccontextmanager
async def _announced(config: CoordinatorConfig, bound: str) -> AsyncIterator[None]:
    """Announce the control port by mDNS meanwhile; where that fails, addresses still work."""
    announcing = asyncio.create_task(_announce(config, bound)) if config.announce else None
    try:
        yield
    finally:
        if announcing is not None:
            announcing.cancel()
            (ended,) = await asyncio.gather(announcing, return_exceptions=True)
            if isinstance(ended, discovery.Announcement):
                await ended.close()
            elif isinstance(ended, Exception):  # all went on without it
                log.error("announcing by mDNS failed unexpectedly", error=repr(ended))


async def _announce(config: CoordinatorConfig, bound: str) -> discovery.Announcement | None:
    try:
        return await discovery.announce(bound, advertise=config.advertise)
    except DiscoveryFailed as error:
        log.warning("not announced by mDNS: agents need --coordinator HOST:PORT", reason=str(error))
        return None


def _asked_to_end() -> asyncio.Event:
    """Return what is set by a signal to end."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
            loop.add_signal_handler(number, asked.set)
    return asked


async def _until_asked_to_end(asked: asyncio.Event, deciding: asyncio.Task[None]) -> None:
    """Wait until a signal came; if the decider's loop fails first, raise what it failed with."""
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait({waiting, deciding}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if deciding.done():
        deciding.result()
