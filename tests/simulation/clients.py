"""A client of the simulation: asks, asks again on a new link, gives up at the deadline; checks every answer.

Law: does what `lepton_edge.client` does (same request id over tries; another attempt after an error), and keeps what
came of each request.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, field

from lepton_edge.core.frames import Frame, FrameKind
from tests.simulation import model
from tests.simulation.agents import Agent, Line
from tests.simulation.network import Network, Node

RETRIES = 3
PATIENCE = 30.0
"""Seconds after which what has no deadline is given up: nothing that happens here lasts so long."""


@dataclass
class Asked:
    """One request and what came of it: `ends` has one entry when it is over."""

    number: int
    value: int
    page: str
    begun: float
    deadline: float
    at: float = 0.0
    attempt: int = 0
    tries: int = 0
    ends: list[str] = field(default_factory=list)
    frame: Frame | None = None
    replies: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return bool(self.ends)


class Client(Node):
    """An application beside one entry."""

    def __init__(self, name: str, entry: Agent, network: Network, draw: random.Random) -> None:
        super().__init__(name, network.clock)
        self.entry, self.network, self.draw = entry, network, draw
        self.line: Line | None = None
        self.dials = 0
        self.asked: list[Asked] = []
        self.versions: set[int] = {1}
        self.trouble: list[str] = []
        self.twice = 0.02  # of its frames come twice

    def ask(self, page: str = "", deadline: float = 0.0) -> Asked:
        """Ask once, now."""
        number = len(self.asked)
        value = (number * 7919 + int(self.name[-1]) * 104_729) % 999_983
        one = Asked(number, value, page, self.clock.now, self.clock.now + (deadline or PATIENCE))
        self.asked.append(one)
        self.after(one.deadline - one.begun, lambda: self._end(one, "deadline"))
        self._try(one)
        return one

    def cancel(self, one: Asked) -> None:
        """Give a request up."""
        if not one.over and self.line is not None:
            self.line.give_up((self._key(one), one.attempt), model.MODEL, 0)
            one.ends.append("cancelled")

    def _key(self, one: Asked) -> str:
        return f"{self.name}-{one.number}"

    def _try(self, one: Asked) -> None:
        if one.over:
            return
        line = self._link()
        if line is None:
            one.tries += 1
            if one.tries > RETRIES:
                self._end(one, "unavailable")
            else:
                self.after(0.1 * 2**one.tries, lambda: self._try(one))
            return
        left = max(1, int((one.deadline - self.clock.now) * 1e3))
        frame = Frame(
            FrameKind.REQUEST, self._key(one), model=model.MODEL, page=one.page, attempt=one.attempt, remaining_ms=left,
            tensors=(model.asked(one.value),),
        )  # fmt: skip
        line.ask(frame, lambda told: self._told(one, told), lambda: self._lost(one))
        if self.draw.random() < self.twice:  # its frame comes again, maybe when it is answered already
            one.replies[self.dials, one.attempt] = -1
            self.after(self.draw.uniform(0.0, 0.1), lambda: line.wire.send(self, frame))

    def _link(self) -> Line | None:
        if self.line is not None and self.line.wire.open:
            return self.line
        if not self.entry.alive or self.entry.frozen:
            return None
        line = Line(None, self)  # type: ignore[arg-type]
        take, hang, theirs = self.entry.accept(self, "client")
        self.dials += 1
        mine = functools.partial(self._take, self.dials, line), line.ended
        wire = self.network.wire({self: mine, self.entry: (take, hang)})
        if wire is None:
            return None
        line.wire = theirs.wire = wire
        self.line = line
        return line

    def _take(self, wire: int, line: Line, frame: Frame) -> None:
        one = self.asked[int(frame.request_id.rsplit("-", 1)[1])]
        count = one.replies[wire, frame.attempt] = one.replies.get((wire, frame.attempt), 0) + 1
        if count > 1:
            self.trouble.append(f"{frame.request_id}/{frame.attempt} was answered twice on one link")
        line.answered(frame)

    def _told(self, one: Asked, frame: Frame) -> None:
        if one.over:
            return
        one.frame = frame
        if frame.kind is FrameKind.REPLY:
            self._end(one, self._verdict(one, frame))
            return
        error = frame.error
        assert error is not None
        retried = error.code in ("overloaded", "unavailable", "stale_epoch")
        pause = max(0.1 * 2**one.tries, error.retry_after_ms / 1e3)
        if retried and one.tries < RETRIES and self.clock.now + pause < one.deadline:
            one.tries += 1
            one.attempt += 1
            self.after(pause, lambda: self._try(one))
        else:
            self._end(one, error.code)

    def _verdict(self, one: Asked, frame: Frame) -> str:
        if len(frame.tensors) != 1:
            return f"wrong: {len(frame.tensors)} tensors"
        _, version, _, value = model.fields(frame.tensors[0])
        if version in self.versions and value == model.right(one.value, version):
            return "right"
        return f"wrong: {model.fields(frame.tensors[0])} for {one.value}, {frame.epoch} {frame.page} {frame.reason}"

    def _lost(self, one: Asked) -> None:
        """The link broke: the same attempt again, on a new link."""
        one.tries += 1
        if one.tries > RETRIES + 1:
            self._end(one, "unavailable")
        else:
            self.after(0.05 * 2**one.tries, lambda: self._try(one))

    def _end(self, one: Asked, how: str) -> None:
        if one.over:
            return
        one.ends.append(how)
        one.at = self.clock.now
        if how == "deadline" and one.deadline - one.begun >= PATIENCE:
            self.trouble.append(f"{self._key(one)} was waited for in vain, for {PATIENCE} s")
        if how == "deadline" and self.line is not None:
            self.line.give_up((self._key(one), one.attempt), model.MODEL, 0)
        if self.clock.now > one.deadline + 0.001 and not self.frozen:
            self.trouble.append(
                f"{self._key(one)} ended {self.clock.now - one.deadline:.3f} s late with {how}"
            )
