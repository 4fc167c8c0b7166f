"""One agent process from start to end: build the rooms, connect them, serve, drain, close.

Law: wiring only. The address that peers are told is the bound one unless `advertise` replaces it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import secrets
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from device_agents import addresses, hardware, member
from device_agents.driver import Driver, Parts
from device_agents.driver.control import Control, Refused, Voice
from device_agents.driver.errands import Errands
from device_agents.driver.figures import Figures, shown
from device_agents.driver.holdings import Holdings
from device_agents.driver.loyalty import Loyalty
from device_agents.driver.measuring import Measuring
from device_agents.driver.peers import Peers
from device_agents.driver.pieces import Background
from device_agents.driver.saved import SavedEpochs
from device_agents.driver.seals import seals_of
from device_agents.driver.telemetry import Health
from device_agents.driver.watching import Watch
from device_agents.driver.ways import Ways
from device_agents.engine import HEADROOM, Engine, EngineConfig
from device_agents.machine import State, admission, links
from device_agents.machine.events import Closing, LinksSeen, PeerDown, PeerUp, Restored
from device_agents.machine.room import default_size_limit
from device_agents.service import DataService
from device_agents.state_directory import holding
from device_agents.store import ArtifactStore
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.custom_ops import custom_ops
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import (
    PROTOCOL_MAJOR,
    PROTOCOL_MINOR,
    Description,
    Hardware,
    Hello,
    Peer,
    Progress,
)
from lepton_edge.core.version import __version__
from lepton_edge.link import near
from lepton_edge.link.link import Link, dial
from lepton_edge.link.relay import RelayedStream, Tunnels, meet
from lepton_edge.link.server import open_data_port
from lepton_edge.systemd import Notifier
from lepton_edge.wire import occupied, rpc
from lepton_edge.wire.memory import settle_garbage, tune_malloc
from partitioner.units import Bytes, DeviceId, Seconds

log = structlog.get_logger("agent")

DRAIN = Seconds(10.0)
"""How long requests in progress may still take when the process is asked to end."""

FREE_MEMORY = 64
"""The heap may keep 1/64 of the device's memory free at its top, 64 MiB at most: buffers of tensors come
twice as fast from there, but a small board has better uses for its memory."""

Tell = Callable[[str], None]


class Stoppable(Protocol):
    """A server, as far as this file is concerned."""

    async def stop(self, grace: float | None) -> None:
        """Refuse new calls and end the running ones within `grace` seconds."""
        ...


class Closable(Protocol):
    """The near door, as far as this file is concerned."""

    async def close(self) -> None:
        """Accept nobody any more, and end the streams."""
        ...


async def serve(config: AgentConfig, tell: Tell = print) -> None:
    """Run an agent until SIGINT or SIGTERM; `tell` gets one line when ready and one at each registration.

    Raises:
        PortInUse: the data port and the ones after it are taken.
        StorageFull: the state directory cannot be written.
        InvalidInput: more addresses are advertised than a coordinator takes; a library of custom operators is none.
        AlreadyExists, IncompatibleVersion: refused by the coordinator, or the state directory is in use.
    """
    addresses.check_advertised(config.advertise)
    tune_malloc(_kept(hardware.memory()[0]))
    with holding(config):
        agent = Agent(config, tell)
        await agent.run()


@dataclass
class Agent:
    """The rooms of one process."""

    config: AgentConfig
    tell: Tell

    def __post_init__(self) -> None:
        config = self.config
        self.device = DeviceId(config.name)
        self.trust = member.trust_of(config)
        self.member = member.Member(config, self.trust) if self.trust else None
        self.engine = Engine(
            EngineConfig(
                config.threads,
                config.simulate_slow,
                config.queue_limit,
                config.memory_limit,
                workers=config.workers,
                custom=custom_ops(config.allow_custom_ops),
            )
        )
        self.state = State(
            self.device, config.queue_limit, config.simulate_slow, queue_bytes=_queue_bytes(config)
        )
        self.state.workers = self.engine.workers
        self.state.budget = Bytes(int(config.memory_limit / HEADROOM))
        self.driver = Driver(self.state)
        self.service = DataService(
            self.driver,
            lambda link, frame: self.tunnels.handle(link, frame),
            self.device,
            functools.partial(admission.has_part, self.state),
        )
        self.store = ArtifactStore(config.state_directory, config.cache_limit)
        self.saved = SavedEpochs(config.state_directory / "epochs.json")
        self.seals = seals_of(config, self.trust)
        self.loyalty = Loyalty(config.state_directory / "leader.json", adopt=bool(config.adopt))
        self.hardware = dataclasses.replace(
            _within(hardware.probe(), config.memory_limit), threads=self.engine.runtime.threads
        )
        self.notifier = Notifier()
        self.incarnation = secrets.token_hex(8)
        self.addresses: tuple[str, ...] = ()
        self.door = self.near = ""
        self._connect()

    def _connect(self) -> None:
        driver = self.driver
        self.peers = Peers(
            self.device,
            Ways(
                self._dial,
                self._dial_through,
                lambda link: driver.busy(link) or self.tunnels.carried(link) > 0,
            ),
            lambda device: driver.submit(PeerUp(device, self._opens_later(device))),
            lambda device: driver.submit(PeerDown(device)),
        )
        self.tunnels = Tunnels(self.peers.direct, self._met, self.relays)
        self.control = Control(self._voice())
        self.holdings = Holdings(self.engine, self.store, self.control.fetch, self._progress, self.device)
        self.health = Health(self.state, self.engine, self.holdings, self.peers.reports)
        self.watch = Watch(
            self.peers,
            lambda seen: driver.submit(LinksSeen(seen)),
            lambda device, now: links.wanted(self.state, device, now),
        )
        driver.connect(
            Parts(
                Errands(self.engine, self.holdings),
                self.holdings,
                self.peers,
                self.saved,
                Measuring(
                    self.device,
                    self.engine,
                    self.store,
                    self.control.fetch,
                    self.peers,
                    self.control.say,
                    self._dial_self,
                ),
                self.control.say,
                Background(self.holdings, self.engine, self.device),
            )
        )

    def _voice(self) -> Voice:
        return Voice(
            self._find,
            self._hello,
            lambda: self.health.telemetry(),
            self.driver.submit,
            self._registered,
            lambda said: self.loyalty.heed(said, serves=bool(self.state.epochs)),
            self.member.revoke if self.member else lambda serials: None,
            self.trust,
            self.seals.judge,
        )

    # --- life ---

    async def run(self) -> None:
        """Serve until asked to end; raises when the coordinator refuses this agent."""
        saved = await self.seals.sound(self.saved.read())
        hello = self._link_hello()
        address = rpc.join_address(self.config.bind, self.config.port)
        server, bound = await open_data_port(
            address,
            hello,
            self.service.handle,
            self._describe,
            on_open=self.service.opened,
            plain=self._plain,
            trust=self.trust,
        )
        near_door = near.open_door(
            self.config.state_directory, hello, self.service.handle, self.service.opened
        )
        self.near = near_door.path if near_door else ""
        self.door = addresses.reachable(bound, self.config.coordinator)
        self.addresses = self.config.advertise or (self.door,)
        if elsewhere := occupied.moved(self.config.port, bound):
            print(elsewhere, file=sys.stderr, flush=True)
        self.tell(f"agent ready device={self.device} role={self.config.role} data={bound}")
        self.driver.submit(
            Restored(saved)
        )  # in the turn of the loop that began to listen: nobody asks before
        self.notifier.ready(f"device {self.device}, data port {bound}")
        settle_garbage()
        figures = Figures(self.state, self.config.role, self.peers.reports, lambda: self.control.attached)
        try:
            async with shown(self.config, figures):
                await self._serve_until_asked()
        finally:
            await self._end(server, near_door)

    async def _serve_until_asked(self) -> None:
        asked = asyncio.Event()
        _on_signals(asked.set)
        tasks = [
            asyncio.create_task(one)
            for one in (
                asked.wait(),
                self.control.run(),
                self.health.watch(),
                self.watch.run(),
                self.saved.watch(),
                self.notifier.keep_alive(),
                *self._renewing(),
            )
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Refused as refused:
            raise refused.error from None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _renewing(self) -> list[Coroutine[Any, Any, None]]:
        return [self.member.keep_fresh(lambda: self.control.address)] if self.member else []

    async def _end(self, server: Stoppable, near_door: Closable | None) -> None:
        """Let requests in progress end, then let go of everything."""
        self.notifier.stopping()
        self.driver.submit(Closing())
        loop = asyncio.get_running_loop()
        end = loop.time() + DRAIN
        while self.state.works and loop.time() < end:  # noqa: ASYNC110 (the machine knows no asyncio.Event)
            await asyncio.sleep(0.02)
        await self.tunnels.close()
        await self.peers.close()
        if near_door is not None:
            await near_door.close()
        await server.stop(0.5)
        await self.driver.close()
        self.engine.close()

    # --- what the rooms need to know of each other ---

    def _link_hello(self) -> LinkHello:
        return LinkHello("agent", self.device, __version__, opens_later=self.state.budget > 0)

    def _opens_later(self, device: DeviceId) -> bool:
        return self.peers.link(device).peer.opens_later

    async def _dial(self, address: str) -> Link:
        return await dial(
            address, self._link_hello(), self.service.handle, plain=self._plain, trust=self.trust
        )

    async def _dial_through(self, relay: Link, device: DeviceId) -> Link:
        return await meet(self.tunnels, relay, device, self._link_hello(), self.service.handle)

    async def _met(self, stream: RelayedStream) -> None:
        """Serve a link that somebody made to here through a relay."""
        await (link := Link(stream, self._link_hello(), self.service.handle)).open()
        if link.peer.kind == "agent":
            self.peers.add(link, via=DeviceId(stream.carrier.peer.name))
        await link.over()

    async def _dial_self(self) -> Link:
        """Open a link to this very agent, as an application on this device would."""
        hello = LinkHello("client", self.device, __version__)
        if self.near:
            return await near.dial(self.near, hello, self.service.handle)
        return await dial(self.door, hello, self.service.handle, plain=self._plain, trust=self.trust)

    @property
    def _plain(self) -> bool:
        return self.config.transport != "grpc"

    async def _describe(self) -> Description:
        return Description(
            "agent",
            self.device,
            __version__,
            PROTOCOL_MAJOR,
            PROTOCOL_MINOR,
            self.control.address,
            (Peer(self.device, self.addresses),),
            self.near,
        )

    def _hello(self) -> Hello:
        return Hello(
            self.device,
            self.config.role,
            self.incarnation,
            __version__,
            PROTOCOL_MAJOR,
            PROTOCOL_MINOR,
            self.hardware,
            self.addresses,
            self.config.simulate_slow,
            tuple(held.status() for held in self.state.epochs.values()),
            self.config.watts,
            self.config.radio_watts,
            relay=self.relays,
            leader=self.loyalty.leader,
            adopt=self.loyalty.adopt,
            machine=self.member.machine if self.member else "",
            custom_domains=tuple(sorted(self.engine.config.custom.domains)),
        )

    @property
    def relays(self) -> bool:
        """Whether this agent forwards for others: where nobody said, a cloud does and a board does not."""
        return self.config.role == "cloud" if self.config.relay is None else self.config.relay

    def _progress(self, command: str, stage: str, done: int, total: int) -> None:
        self.control.say(Progress(command, stage, done, total))

    def _registered(self, address: str) -> None:
        self.tell(f"agent registered coordinator={address}")

    async def _find(self) -> str:
        if self.config.coordinator:
            return self.config.coordinator
        # zeroconf costs 6 MB and 50 ms, which an agent that was given an address does not pay
        from lepton_edge.link import discovery

        return await discovery.find_coordinator()


def _on_signals(asked: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
            loop.add_signal_handler(name, asked)


def _kept(total: Bytes) -> int:
    """Return how many free bytes the heap may keep."""
    return min(64 << 20, total // FREE_MEMORY)


def _queue_bytes(config: AgentConfig) -> int:
    return config.queue_bytes or default_size_limit(config.memory_limit or hardware.memory()[0])


def _within(found: Hardware, limit: Bytes) -> Hardware:
    """Return what is told of this device: no more memory than it was given."""
    if not limit:
        return found
    return dataclasses.replace(found, memory_available=Bytes(min(limit, found.memory_available)))
