"""The lines of a model that does not simply let requests wait in order: per caller, who runs and who waits.

Law: pure. What runs is never replaced. A line is forgotten when nothing of it runs or waits.

    policy   a request comes, and as many run as may     one that runs ends
    block    waits (refused where `limit` wait)          the first that waits begins
    newest   waits; the first of `limit` + 1 gives way   the first that waits begins
    oldest   refused where `limit` wait                  the first that waits begins
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from device_agents.machine.events import WorkKey
from partitioner.plan import Page, QueueRule
from partitioner.units import ModelName

MOST_IN_FLIGHT = 16
ROUNDING = 0.1  # a pipeline of 2.05 stages' worth is one of two

LineKey = tuple[str, ModelName]  # a flow's requests for one model


@dataclass(frozen=True)
class LineRule:
    """How long a line may be: `in_flight` run at most and `limit` wait at most (0: any number)."""

    newest: bool
    limit: int
    in_flight: int


@dataclass
class Line:
    """What runs and what waits of one caller and model."""

    running: int = 0
    waiting: deque[WorkKey] = field(default_factory=deque)


@dataclass
class Lines:
    """All lines of this device."""

    lines: dict[LineKey, Line] = field(default_factory=dict)
    waits: int = 0  # in all of them

    def is_full(self, key: LineKey, rule: LineRule) -> bool:
        """Whether one more would have to wait, and as many wait as may."""
        line = self.lines.get(key)
        return line is not None and bool(rule.limit) and len(line.waiting) >= rule.limit

    def first(self, key: LineKey) -> WorkKey | None:
        """Return which has waited longest."""
        line = self.lines.get(key)
        return line.waiting[0] if line is not None and line.waiting else None

    def enter(self, key: LineKey, work: WorkKey, rule: LineRule) -> bool:
        """Take work in; return whether it may begin, else it waits."""
        line = self.lines.setdefault(key, Line())
        if line.running < rule.in_flight and not line.waiting:
            line.running += 1
            return True
        line.waiting.append(work)
        self.waits += 1
        return False

    def leave(self, key: LineKey, work: WorkKey) -> WorkKey | None:
        """Let work go that ended; return which may begin in its place: it counts as running from now on."""
        line = self.lines[key]
        if work in line.waiting:
            line.waiting.remove(work)
            self.waits -= 1
            return None
        line.running -= 1
        if line.waiting:
            line.running += 1
            self.waits -= 1
            return line.waiting.popleft()
        if not line.running:
            del self.lines[key]
        return None

    def waiting_for(self, model: ModelName) -> int:
        """Return how many requests for `model` wait in lines."""
        return sum(len(line.waiting) for key, line in self.lines.items() if key[1] == model)


def line_rule(rule: QueueRule, page: Page) -> LineRule | None:
    """Return how a caller's requests line up on `page`; None where they just wait in order, as long as there is room.

    A policy of a later version counts as "block".
    """
    chosen = rule.policy in ("newest", "oldest")
    if not chosen and not rule.limit and not rule.in_flight:
        return None
    limit = rule.limit or (1 if chosen else 0)
    return LineRule(rule.policy == "newest", limit, rule.in_flight or enough_in_flight(page))


def enough_in_flight(page: Page) -> int:
    """Return how many requests at a time keep the slowest stage of a page busy: its latency through its bottleneck.

    More would only wait on the way (Little's law), and what waits there is no longer the newest.
    """
    ahead = page.prediction
    if ahead.bottleneck <= 0:
        return 2 if len(page.stages) > 1 else 1
    return min(max(1, math.ceil(ahead.latency / ahead.bottleneck - ROUNDING)), MOST_IN_FLIGHT)
