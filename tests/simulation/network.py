"""A network in memory: cables that are cut, slow or swallow; wires (connections) over them; nodes that die or freeze.

Law: moves messages late, or never; knows no protocol. What is under way on a wire when it breaks is lost. A cable that
swallows keeps what it got, as TCP does, and gives it when it lets through again; a wire that was silent for too long
breaks at both ends.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lepton_edge.core.frames import FrameKind
from tests.simulation.clock import Act, Clock

KEEPALIVE = 6.0
"""Seconds after which the ends of a wire take silence for a break."""


class Node:
    """A process: alive or not, frozen or not. What reaches it while frozen happens when it goes on."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name, self.clock = name, clock
        self.alive = True
        self.life = 0
        self.frozen = False
        self.wires: list[Wire] = []
        self._backlog: list[Act] = []

    def guarded(self, act: Act) -> Act:
        """Return what lets `act` happen in this life, and not while frozen."""
        life = self.life

        def happen() -> None:
            if not self.alive or self.life != life:
                return
            if self.frozen:
                self._backlog.append(happen)
            else:
                act()

        return happen

    def after(self, seconds: float, act: Act) -> None:
        """Let this process do something later."""
        self.clock.after(seconds, self.guarded(act))

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False
        backlog, self._backlog = self._backlog, []
        for act in backlog:
            act()

    def die(self) -> None:
        """Kill -9: its wires break; the other ends hear of it where the cable lets them."""
        self.alive, self.frozen = False, False
        self.life += 1
        self._backlog = []
        for wire in list(self.wires):
            wire.reset_by(self)
        self.wires = []


@dataclass
class Cable:
    """What lies between two nodes; `delay` one way, `broken` refuses and resets, `swallows` keeps everything.

    `rate` is how many times as much it moves a second as at first.
    """

    delay: float = 0.002
    broken: bool = False
    swallows: bool = False
    rate: float = 1.0
    since: float = 0.0
    held: list[Act] = field(default_factory=list)
    cost: Callable[[Any], float] = lambda message: 0.0  # seconds more that a message takes


class Wire:
    """One connection. Each end is (node, what takes a message, what hears of the end)."""

    def __init__(
        self, network: Network, ends: dict[Node, tuple[Callable[[Any], None], Act]], fifo: bool
    ) -> None:
        self.network, self.ends, self.fifo = network, ends, fifo
        self.open = True
        self._last: dict[Node, float] = dict.fromkeys(ends, 0.0)
        self._lives = {node: node.life for node in ends}
        for node in ends:
            node.wires.append(self)

    def _to(self, node: Node, act: Act) -> Act:
        """Return what lets `act` happen at an end, if it still is the process that connected."""
        return node.guarded(act) if node.life == self._lives[node] else lambda: None

    def other(self, node: Node) -> Node:
        return next(one for one in self.ends if one is not node)

    def send(self, sender: Node, message: Any) -> None:
        """Send a message; in order where `fifo`, else as the chunks of many messages come about."""
        if not self.open:
            return
        to = self.other(sender)
        take = self._to(to, lambda: self.open and self.ends[to][0](message))
        cable = self.network.cable(sender, to)
        if cable.swallows:
            cable.held.append(take)
            return
        delay = cable.delay * self.network.draw.uniform(1.0, 2.0) + cable.cost(message) / cable.rate
        due = self.network.clock.now + delay
        if self.fifo or getattr(message, "kind", None) is FrameKind.CANCEL:  # it overtakes nothing
            due = max(due, self._last[to])
        self._last[to] = max(due, self._last[to])
        self.network.clock.after(due - self.network.clock.now, self._unless_swallowed(cable, take))

    def _unless_swallowed(self, cable: Cable, take: Act) -> Act:
        return lambda: cable.held.append(take) if cable.swallows else take()

    def reset_by(self, dead: Node) -> None:
        """One end is gone without a goodbye."""
        if not self.open:
            return
        left = self.other(dead)
        cable = self.network.cable(dead, left)
        hear = self._to(left, lambda: self.end(left))
        if cable.swallows:
            self.network.clock.after(KEEPALIVE, hear)
        else:
            self.network.clock.after(cable.delay, hear)

    def end(self, *told: Node) -> None:
        """The wire is over; `told` (or both ends) hear of it."""
        if not self.open:
            return
        self.open = False
        for node in self.ends:
            if self in node.wires:
                node.wires.remove(self)
        for node in told or tuple(self.ends):
            self._to(node, self.ends[node][1])()


class Network:
    """Every cable between nodes, made as they are needed."""

    def __init__(self, clock: Clock, draw: random.Random) -> None:
        self.clock, self.draw = clock, draw
        self.cables: dict[frozenset[str], Cable] = {}

    def cable(self, one: Node, other: Node) -> Cable:
        return self.cables.setdefault(frozenset((one.name, other.name)), Cable())

    def wire(self, ends: dict[Node, tuple[Callable[[Any], None], Act]], fifo: bool = False) -> Wire | None:
        """Connect two nodes; None where that cannot be now."""
        one, other = ends
        cable = self.cable(one, other)
        if cable.broken or cable.swallows or not (one.alive and other.alive) or other.frozen:
            return None
        return Wire(self, ends, fifo)

    def cut(self, one: Node, other: Node) -> None:
        """Reset every wire between two nodes and refuse new ones."""
        self.cable(one, other).broken = True
        for wire in [wire for wire in one.wires if other in wire.ends]:
            wire.end()

    def swallow(self, one: Node, other: Node) -> None:
        """Let nothing through. Wires that are silent for too long break by themselves."""
        cable = self.cable(one, other)
        cable.swallows, cable.since = True, self.clock.now
        wires = [wire for wire in one.wires if other in wire.ends]
        self.clock.after(KEEPALIVE, lambda: self._silent(cable, wires))

    def _silent(self, cable: Cable, wires: list[Wire]) -> None:
        if cable.swallows and self.clock.now - cable.since >= KEEPALIVE - 1e-6:
            for wire in wires:
                wire.end()

    def heal(self, one: Node, other: Node) -> None:
        """Let everything through again; what was held comes now."""
        cable = self.cable(one, other)
        cable.broken = cable.swallows = False
        cable.delay = Cable.delay
        held, cable.held = cable.held, []
        for take in held:
            self.clock.after(cable.delay, take)
