"""What waits to be computed: bounded, fair between those who ask, in order for each.

Law: knows jobs by what `put` is told of them, and no model, link or clock. Every method may be called from any thread.
A flow is who asked. What is kept of flows is bounded by the limit of the jobs, and gone when nothing waits.

A higher priority goes first, but passes a lower one that waits `PASSES` times in a row at most: priorities are the
callers' own word, and none of them may keep the others out for ever. Within one, flows share by start-time fair
queueing (Goyal, Vin, Cheng, SIGCOMM 1996): a job's tag is where its flow had come to before it, the least tag goes
first and moves its flow on by what the job weighs, and a flow that comes anew begins at the tag of the job that
went last. So who floods waits behind himself, and who asks now and then waits for nothing but what runs.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lepton_edge.core.errors import Overloaded, Unavailable
from lepton_edge.core.quick import quick

T = TypeVar("T")

PASSES = 8
LEAST_WEIGHT = 1e-9  # a job without weight would never let another flow go first


@quick
@dataclass(frozen=True)
class _Entry(Generic[T]):
    job: T
    weight: float
    order: int  # of arrival, over all flows


@dataclass
class _Flow(Generic[T]):
    """The waiting jobs of who asked: those that are `ahead`, then first come first.

    `reached` is what it had: the tag of its next job.
    """

    name: str
    priority: int
    reached: float
    ahead: dict[int, _Entry[T]] = field(default_factory=dict)  # by identity, in order
    jobs: dict[int, _Entry[T]] = field(default_factory=dict)

    def head(self) -> _Entry[T]:
        """Return which of them goes next."""
        return next(iter((self.ahead or self.jobs).values()))

    def entries(self) -> Iterator[_Entry[T]]:
        """Return all of them in order."""
        return itertools.chain(self.ahead.values(), self.jobs.values())


@dataclass
class _Level(Generic[T]):
    """The flows of one priority, and the tag of the job that went last.

    `gone` are flows of which nothing waits any more, and what they had: who comes back at once goes on from there.
    """

    clock: float = 0.0
    passed: int = 0  # how often in a row a higher priority went before it
    flows: dict[str, _Flow[T]] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)

    def flow(self, name: str, priority: int) -> _Flow[T]:
        """Return the flow called so, a new one where nothing of it waits."""
        if name not in self.flows:
            self.flows[name] = _Flow(name, priority, max(self.clock, self.gone.pop(name, 0.0)))
        return self.flows[name]

    def next(self) -> _Flow[T]:
        """Return whose turn it is: the least tag; where tags are equal, whose job came first."""
        flows = self.flows.values()
        least = min([flow.reached for flow in flows])
        return min([flow for flow in flows if flow.reached == least], key=lambda flow: flow.head().order)

    def forget(self, flow: _Flow[T], most: int) -> None:
        """Let a flow go of which nothing waits; remember what `most` of them had."""
        del self.flows[flow.name]
        if flow.reached > self.clock:
            self.gone[flow.name] = flow.reached
        if len(self.gone) > most:
            del self.gone[next(iter(self.gone))]


class Waiting(Generic[T]):
    """A queue of jobs between those who ask and the threads that compute; `limit` jobs wait at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._levels: dict[int, _Level[T]] = {}
        self._places: dict[int, _Flow[T]] = {}
        self._order = itertools.count()
        self._open = True
        self._change = threading.Condition()

    def put(
        self, job: T, flow: str = "", priority: int = 0, weight: float = 1.0, ahead: bool = False
    ) -> None:
        """Let `job` wait behind those of its flow and priority; `ahead`, before those of its flow that are not.

        `weight` is what it costs, in any unit that all jobs share: turns (1 each), or seconds as measured of late.

        Raises:
            Overloaded: `limit` jobs wait already.
            Unavailable: the queue is closed.
            ValueError: that very job waits already.
        """
        with self._change:
            self._check_room(job)
            place = self._levels.setdefault(priority, _Level()).flow(flow, priority)
            line = place.ahead if ahead else place.jobs
            line[id(job)] = _Entry(job, max(weight, LEAST_WEIGHT), next(self._order))
            self._places[id(job)] = place
            self._change.notify()

    def take(self, timeout: float | None = None) -> T | None:
        """Wait for a job and return the one whose turn it is.

        Returns None after `timeout` seconds without one, and when the queue is closed and empty.
        """
        with self._change:
            self._change.wait_for(lambda: self._places or not self._open, timeout)
            if not self._places:
                return None
            level = self._turn()
            place = level.next()
            entry = place.head()
            level.clock = max(level.clock, place.reached)
            place.reached += entry.weight
            self._remove(entry.job)
            return entry.job

    def take_like(self, same: Callable[[T], bool], most: int) -> list[T]:
        """Return up to `most` waiting jobs for which `same` holds, in the order of their turns, without waiting.

        They may pass others of their flow that are not alike; each is put on its flow's account. `same` is called
        under the lock: it must be quick, and must not use this queue.
        """
        with self._change:
            joining = [
                one for priority in sorted(self._levels, reverse=True) for one in self._like(priority, same)
            ]
            for place, entry in joining[:most]:
                place.reached += entry.weight
                self._remove(entry.job)
            return [entry.job for _, entry in joining[:most]]

    def drop(self, job: T) -> bool:
        """Remove `job`, given up while it waited; its flow pays nothing for it. False if it does not wait."""
        with self._change:
            if id(job) not in self._places:
                return False
            self._remove(job)
            return True

    def close(self) -> None:
        """Let nobody in any more; `take` gives what still waits, then None."""
        with self._change:
            self._open = False
            self._change.notify_all()

    def __len__(self) -> int:
        return len(self._places)

    def _turn(self) -> _Level[T]:
        """Return the level whose turn it is: the highest, unless one below was passed too often."""
        kept_out = [one for one, level in self._levels.items() if level.passed >= PASSES]
        turn = max(kept_out or self._levels)
        for priority, level in self._levels.items():
            level.passed = 0 if priority == turn else level.passed + (priority < turn)
        return self._levels[turn]

    def _check_room(self, job: T) -> None:
        if not self._open:
            raise Unavailable("this device is shutting down", "another device answers, or try again")
        if len(self._places) >= self._limit:
            raise Overloaded(f"{self._limit} computations wait already", "try again later, or add a device")
        if id(job) in self._places:
            raise ValueError("this job waits already")

    def _like(self, priority: int, same: Callable[[T], bool]) -> list[tuple[_Flow[T], _Entry[T]]]:
        """Return the jobs of one priority that are alike, in the order in which their turns would come."""
        tagged = []
        for place in self._levels[priority].flows.values():
            tag = place.reached
            for entry in place.entries():
                if same(entry.job):
                    tagged.append(((tag, entry.order), place, entry))
                    tag += entry.weight
        tagged.sort(key=lambda one: one[0])
        return [(place, entry) for _, place, entry in tagged]

    def _remove(self, job: T) -> None:
        place = self._places.pop(id(job))
        del (place.ahead if id(job) in place.ahead else place.jobs)[id(job)]
        level = self._levels[place.priority]
        if not place.ahead and not place.jobs:
            level.forget(place, self._limit)
        if not level.flows:
            del self._levels[place.priority]
