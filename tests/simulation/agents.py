"""An agent of the simulation: the real decider, and a driver that plays engine, links and disk in virtual time.

Law: carries out commands as `device_agents.driver` does; `validate` runs after every step. Its disk outlives it.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from device_agents.machine import State, canary, fencing, learning, step
from device_agents.machine import commands as c
from device_agents.machine import events as e
from device_agents.machine.admission import work_key
from device_agents.machine.stages import reports
from device_agents.machine.state import load_reports, queue_reports, validate
from lepton_edge.core import messages as m
from lepton_edge.core.errors import LeptonError
from lepton_edge.core.frames import Frame, FrameKind, WireError, WireTensor
from partitioner.costs import DeviceProfile, LinkProfile, Measurement
from tests.simulation import model
from tests.simulation.network import Network, Node, Wire

MIB = 1 << 20
HARDWARE = m.Hardware("x86_64", "Linux", 4, 8192 * MIB, 4096 * MIB, "a processor", ("CPU",), "onnxruntime 1")
FULL = WireError("storage_full", "no space left on the device", "free some", "device", True)
BROKEN = WireError("compute_failed", "the engine broke", "see its log", "device", True)
GONE = WireError("unavailable", "there is no link", "", "network", True)
LINK = LinkProfile(2e6, 2e6, 0.002, 0.002)
REDIAL = 0.3
HEARTBEAT = 1.5


@dataclass
class Luck:
    """How often what seldom goes wrong does, 0 to 1."""

    prepare_fails: float = 0.0
    compute_fails: float = 0.0


@dataclass
class Disk:
    """What a reboot finds."""

    saved: tuple[e.SavedEpoch, ...] = ()
    leader: m.Leader | None = None


@dataclass
class Errand:
    """What the driver holds for a request."""

    kept: dict[str, WireTensor] = field(default_factory=dict)
    stages: dict[str, tuple[Line, tuple[str, int]]] = field(default_factory=dict)


class Line:
    """A data link: requests and answers, correlated by request id and attempt."""

    def __init__(self, wire: Wire, node: Node) -> None:
        self.wire, self.node = wire, node
        self.asks: dict[tuple[str, int], tuple[Callable[[Frame], None], Callable[[], None]]] = {}

    def ask(self, frame: Frame, told: Callable[[Frame], None], lost: Callable[[], None]) -> None:
        self.asks[frame.request_id, frame.attempt] = (told, lost)
        self.wire.send(self.node, frame)

    def give_up(self, key: tuple[str, int], model_name: str, epoch: int) -> None:
        if self.asks.pop(key, None) is not None:
            gone = Frame(FrameKind.CANCEL, key[0], model=model_name, epoch=epoch, attempt=key[1])
            self.wire.send(self.node, gone)

    def answered(self, frame: Frame) -> None:
        told = self.asks.pop((frame.request_id, frame.attempt), None)
        if told is not None:
            told[0](frame)

    def ended(self) -> None:
        asks, self.asks = self.asks, {}
        for _, lost in asks.values():
            lost()


class Agent(Node):
    """One agent process after another under one name, with one disk."""

    def __init__(self, name: str, role: str, network: Network, luck: Luck, draw: random.Random) -> None:
        super().__init__(name, network.clock)
        self.role, self.network, self.luck, self.draw = role, network, luck, draw
        self.disk = Disk()
        self.find: Callable[[], Any] = lambda: None
        self.agents: dict[str, Agent] = {}
        self.offset = 0.0
        self.slow = 1.0  # times the seconds that its computing takes
        self.trouble: list[str] = []
        self.replied: set[e.WorkKey] = set()
        self.booted = False
        self._begin()

    def _begin(self) -> None:
        self.state = State(self.name)
        self.replied.clear()
        self.opened: set[e.EpochKey] = set()
        self.errands: dict[e.WorkKey, Errand] = {}
        self.timers: dict[e.WorkKey, set[str]] = {}
        self.heeded: dict[str, tuple[Line, tuple[str, int]]] = {}
        self.lines: dict[e.LinkId, Line] = {}
        self.peers: dict[str, list[Line]] = {}
        self.kept: dict[str, m.Peer] = {}
        self.control: Wire | None = None
        self.links = 0
        self.events: list[e.Event] = []
        self.stepping = False

    # --- life -------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start, with what lies on the disk, unless it runs."""
        if self.alive and self.booted:
            return
        self.booted = True
        self._begin()
        self.alive = True
        if self.disk.saved:
            self.submit(e.Restored(self.disk.saved))
        self._attach()
        self._look()

    def die(self) -> None:
        super().die()
        self.control = None

    def jump(self, seconds: float) -> None:
        """Let this process's clock jump: every timer is due."""
        self.offset += seconds
        for work, timers in list(self.timers.items()):
            for timer in list(timers):
                self._fire(work, timer)

    def submit(self, event: e.Event) -> None:
        self.events.append(event)
        if self.stepping:
            return
        self.stepping = True
        while self.events:
            one = self.events.pop(0)
            commands = step(self.state, one, self.clock.now + self.offset)
            validate(self.state)
            for command in commands:
                getattr(self, "_" + type(command).__name__)(command)
        self.stepping = False

    def _look(self) -> None:
        """Once a second: how the links do."""
        self.submit(e.LinksSeen(self._reports()))
        self.after(1.0, self._look)

    def _reports(self) -> tuple[m.LinkReport, ...]:
        return tuple(self._report(name) for name in sorted(self.kept))

    def _report(self, name: str) -> m.LinkReport:
        cable = self.network.cable(self, self.agents[name])
        if not self.peers.get(name):
            return m.LinkReport(name, connected=False)
        return m.LinkReport(
            name, up=2e6 * cable.rate, down=2e6 * cable.rate, round_trip=3 * cable.delay, samples=9, age=0.5
        )

    # --- the data port ----------------------------------------------------------------------------

    def accept(self, peer: Node, kind: str) -> tuple[Callable[[Any], None], Callable[[], None], Line]:
        """Return what takes messages of a new wire, what hears of its end, and the line."""
        self.links += 1
        number = e.LinkId(self.links)
        line = Line(None, self)  # type: ignore[arg-type]
        self.lines[number] = line
        take = functools.partial(self._take, number, line, kind, peer.name)
        return take, functools.partial(self._closed, number, line, kind, peer.name), line

    def _take(self, number: e.LinkId, line: Line, kind: str, peer: str, frame: Frame) -> None:
        if frame.kind is FrameKind.REQUEST:
            flow = frame.flow if kind == "agent" else peer
            self.submit(e.RequestArrived(number, frame, flow))
            assert work_key(frame)
        elif frame.kind is FrameKind.CANCEL:
            self.submit(e.CancelArrived(number, frame.request_id, frame.attempt))
        else:
            line.answered(frame)

    def _closed(self, number: e.LinkId, line: Line, kind: str, peer: str) -> None:
        del self.lines[number]
        line.ended()
        self.submit(e.LinkClosed(number))
        if kind == "agent":
            self.peers[peer].remove(line)
            if not self.peers[peer]:
                self.submit(e.PeerDown(peer))
                self._redial(peer)

    def _joined(self, peer: str, line: Line) -> None:
        lines = self.peers.setdefault(peer, [])
        lines.append(line)
        if len(lines) == 1:
            self.submit(e.PeerUp(peer))

    def _redial(self, peer: str) -> None:
        if peer in self.kept and not self.peers.get(peer):
            self._dial(peer)
            self.after(REDIAL * self.draw.uniform(0.5, 1.5), functools.partial(self._redial, peer))

    def _dial(self, peer: str) -> None:
        other = self.agents[peer]
        if self.network.cable(self, other).broken or not other.alive or other.frozen:
            return
        mine, theirs = self.accept(other, "agent"), other.accept(self, "agent")
        wire = self.network.wire({self: mine[:2], other: theirs[:2]})
        if wire is None:
            for agent, line in ((self, mine[2]), (other, theirs[2])):
                agent.lines = {number: one for number, one in agent.lines.items() if one is not line}
            return
        mine[2].wire = theirs[2].wire = wire
        self._joined(peer, mine[2])
        other._joined(self.name, theirs[2])

    # --- the control stream -----------------------------------------------------------------------

    def _attach(self) -> None:
        """Look for the coordinator until there is a stream to it."""
        self.after(self.draw.uniform(0.2, 1.0), self._attach)
        found = self.find()
        if self.control is not None or found is None:
            return
        hang = functools.partial(self._detached)
        self.control = found.attached(self, self._hello(), (self._hear, hang))

    def _detached(self) -> None:
        self.control = None

    def _hello(self) -> m.Hello:
        held = tuple(one.status() for one in self.state.epochs.values())
        return m.Hello(
            self.name, self.role, f"{self.name}-{self.life}", "0.1", m.PROTOCOL_MAJOR, m.PROTOCOL_MINOR, HARDWARE,
            (f"{self.name}:8011",), 1.0, held, leader=self.disk.leader,
        )  # fmt: skip

    def _hear(self, message: m.CoordinatorSays) -> None:
        if isinstance(message, m.Rejected):
            return
        if isinstance(message, m.Welcome):
            refused = fencing.refusal(self.disk.leader, message.leader, serves=bool(self.state.epochs))
            if refused is not None:
                self.control.end()
                return
            self._obey(message.leader)
            self._beat(self.control)
        self.submit(e.CoordinatorSaid(message))

    def _obey(self, leader: m.Leader) -> None:
        before, self.disk.leader = self.disk.leader, leader
        if before is not None and before.identity == leader.identity and before.term > leader.term:
            self.trouble.append(f"{self.name} obeys {leader} after {before}")

    def _beat(self, stream: Wire) -> None:
        if self.control is not stream:
            return
        state = self.state
        now = self.clock.now + self.offset
        told = m.Telemetry(
            0.1, 4096 * MIB, 50 * MIB, 40.0, len(state.works), state.served, state.failed,
            now - state.last_success if state.last_success >= 0 else -1.0, reports(state.stages), self._reports(),
            queue_reports(state), learning.reports(state, now), loads=load_reports(state),
            epochs=canary.reports(state),
        )  # fmt: skip
        self._tell(told)
        self.after(HEARTBEAT, functools.partial(self._beat, stream))

    def _tell(self, word: m.AgentSays) -> None:
        if self.control is not None:
            self.control.send(self, word)

    # --- commands ---------------------------------------------------------------------------------

    def _RunSegment(self, command: c.RunSegment) -> None:
        errand = self.errands.setdefault(command.work, Errand())
        if command.epoch not in self.opened:
            self.trouble.append(
                f"{self.name} runs {command.work} on an epoch that is not open: {command.epoch}"
            )
        took = (
            model.seconds(self.role, range(command.first, command.last))
            * self.slow
            * self.draw.uniform(0.8, 1.6)
        )
        if command.run == 1 and command.work in self.replied:
            self.trouble.append(f"{self.name} runs {command.work} again, though it was answered")
        values = {} if command.fresh else dict(errand.kept)
        values.update({one.name: one for one in command.tensors})
        if self.draw.random() < self.luck.compute_fails:
            self.after(
                took, lambda: self._end_run(command, e.SegmentFailed(command.work, command.run, BROKEN))
            )
            return
        self.after(took, lambda: self._ran(command, values, took))

    def _ran(self, command: c.RunSegment, values: dict[str, WireTensor], took: float) -> None:
        errand = self.errands.get(command.work)
        if errand is None:
            return
        held = self.state.epochs[command.epoch]
        for block in range(command.first, command.last):
            made = model.run(
                values[model.NAMES[block]], block, held.key.epoch, model.number(held.book.version)
            )
            values[made.name] = made
        errand.kept = {name: values[name] for name in command.keep}
        forward = tuple(values[one.tensor] for one in command.forward)
        outputs = tuple(values[name] for name in command.outputs)
        self._end_run(
            command, e.SegmentDone(command.work, command.run, e.Timing(compute=took), forward, outputs)
        )

    def _end_run(self, command: c.RunSegment, event: e.Event) -> None:
        if command.work in self.errands:
            self.submit(event)

    def _SendStage(self, command: c.SendStage) -> None:
        work, peer = command.work, command.peer
        lines = self.peers.get(peer)
        if not lines:
            self.submit(e.StageLost(work, f"there is no link to {peer}", peer))
            return
        key = (command.frame.request_id, command.frame.attempt)
        if work in self.errands or work in self.timers or work in self.state.works:
            self.errands.setdefault(work, Errand()).stages[peer] = (lines[0], key)
        lines[0].ask(
            command.frame,
            lambda frame: self.submit(e.StageReplied(work, frame, peer)),
            lambda: self.submit(e.StageLost(work, f"the link to {peer} was lost", peer)),
        )

    def _AskReady(self, command: c.AskReady) -> None:
        of = command.key, command.peer, command.frame.page, command.frame.request_id
        lines = self.peers.get(command.peer)
        if not lines:
            self.submit(e.ReadyTold(*of, GONE))
            return
        lines[0].ask(
            command.frame,
            lambda frame: self.submit(e.ReadyTold(*of, frame.error)),
            lambda: self.submit(e.ReadyTold(*of, GONE)),
        )

    def _CancelStage(self, command: c.CancelStage) -> None:
        errand = self.errands.get(command.work)
        found = errand.stages.pop(command.peer, None) if errand else None
        if found is not None:
            found[0].give_up(found[1], command.frame.model, command.frame.epoch)

    def _SetTimer(self, command: c.SetTimer) -> None:
        self.timers.setdefault(command.work, set()).add(command.timer)
        self.after(command.delay, lambda: self._fire(command.work, command.timer))

    def _fire(self, work: e.WorkKey, timer: str) -> None:
        if timer in self.timers.get(work, ()):
            self.timers[work].discard(timer)
            self.submit(e.TimerFired(work, timer))

    def _Reply(self, command: c.Reply) -> None:
        self.replied.add(command.work)
        self._answer(command.link, command.frame)

    def _Fail(self, command: c.Fail | c.Refuse) -> None:
        self._answer(command.link, command.frame)

    _Refuse = _Fail

    def _Answer(self, command: c.Answer) -> None:
        self._answer(command.link, command.frame)

    def _Resend(self, command: c.Resend) -> None:
        self._answer(command.link, command.answer.frame)

    def _answer(self, number: e.LinkId, frame: Frame) -> None:
        line = self.lines.get(number)
        if line is not None:
            line.wire.send(self, frame)

    def _Release(self, command: c.Release) -> None:
        self.timers.pop(command.work, None)
        errand = self.errands.pop(command.work, None)
        for peer, (line, key) in errand.stages.items() if errand else ():
            if peer == command.heed:
                self._give_up(self.heeded.pop(peer, None))
                self.heeded[peer] = line, key
            else:
                self._give_up((line, key))

    def _give_up(self, found: tuple[Line, tuple[str, int]] | None) -> None:
        if found is not None:
            found[0].give_up(found[1], model.MODEL, 0)

    def _OpenEpoch(self, command: c.OpenEpoch) -> None:
        self.after(self.draw.uniform(0.05, 0.4), lambda: self._open(command))

    def _open(self, command: c.OpenEpoch) -> None:
        held = self.state.epochs.get(command.key)
        if held is None or held.book is not command.book:
            return  # closed while it was opened
        if command.command and self.draw.random() < self.luck.prepare_fails:
            self.submit(e.EpochRefused(command.key, FULL))
            return
        self.opened.add(command.key)
        self.submit(e.EpochOpened(command.key, (0.1,), 1000))

    def _OpenPieces(self, command: c.OpenPieces) -> None:
        told = e.PiecesOpened(command.key, command.first, command.last, command.blocks)
        self.after(self.draw.uniform(0.05, 0.4), lambda: self.submit(told))

    def _CloseEpoch(self, command: c.CloseEpoch) -> None:
        self.opened.discard(command.key)

    def _KeepPeers(self, command: c.KeepPeers) -> None:
        before, self.kept = self.kept, {peer.device: peer for peer in command.peers}
        for name in self.kept.keys() - before.keys():
            self.after(0.01, functools.partial(self._redial, name))

    def _Persist(self, command: c.Persist) -> None:
        self.disk.saved = command.epochs

    def _Say(self, command: c.Say) -> None:
        self._tell(command.message)

    def _Measure(self, command: c.Measure) -> None:
        self.after(0.3, lambda: self.submit(e.Measured(self._measured(command.command))))

    def _measured(self, asked: Any) -> Any:
        if isinstance(asked, m.ProfileCommand):
            profile = DeviceProfile(self.name, Measurement(0.01, 0.001, 5), ())
            return m.Profiled(asked.command, asked.model, asked.version, profile)
        if isinstance(asked, m.GaugeCommand):
            return m.Gauged(asked.command, 0.03)
        if asked.peer.device not in self.peers or not self.peers[asked.peer.device]:
            self._dial(asked.peer.device)
        if not self.peers.get(asked.peer.device):
            return m.Outcome(asked.command, WireError("unavailable", "no link", retryable=True))
        return m.Probed(asked.command, asked.peer.device, LINK)

    def leaks(self) -> list[str]:
        """Return what is still kept of requests."""
        kept = {"works": self.state.works, "errands": self.errands, "timers": self.timers}
        kept["asks"] = {key: 1 for lines in self.peers.values() for line in lines for key in line.asks}
        return [
            f"{self.name} keeps {len(found)} {what}: {list(found)[:3]}"
            for what, found in kept.items()
            if found
        ]


__all__ = ["Agent", "LeptonError", "Luck"]
