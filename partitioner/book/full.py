"""The full book: the best of all plans at every rate of the links, exactly.

Law: questions to `solve`, and lines. With a plan and its codecs given, an additive objective is a straight
line in the seconds per byte of the links; the best value is the lower envelope of all those lines, concave
and with few pieces. It is found as Eisner and Severance do ("Mathematical techniques for efficient record
segmentation in large shared databases", JACM 23(4), 1976): solve at both ends, solve where the two lines
meet, and go on in both halves until no plan lies below. Each piece costs about two solves, and nothing
between the ends is missed, memory limits and pins included.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from partitioner.book.draft import Span
from partitioner.book.scenarios import with_loads, with_rate
from partitioner.errors import InvalidProblem
from partitioner.solve.planner import solve
from partitioner.solve.plans import Plan
from partitioner.solve.problem import Layout, Problem
from partitioner.units import BytesPerSecond, Seconds, megabits

LOWEST, HIGHEST = megabits(0.1), megabits(1000.0)
NEAR = 5e-6  # relative: what lies between two pieces and cannot be better by more is not looked for
SAME = 1e-6  # relative: two values that a solver's rounding cannot tell apart
MOST_SOLVES = 400

Loads = tuple[float, ...]


@dataclass(frozen=True)
class Line:
    """A plan's objective at `x` times the seconds per byte: `rest` + `slope` x; and its latency likewise."""

    rest: float
    slope: float
    fixed: float
    wire: float
    layout: Layout

    def at(self, x: float) -> float:
        """Return the objective's value."""
        return self.rest + self.slope * x


@dataclass(frozen=True)
class Piece:
    """The best line from `begin` on; no plan is better by more than `gap`, relatively, while it lasts."""

    begin: float
    line: Line
    gap: float = 0.0


@dataclass(frozen=True)
class Envelope:
    """The best lines from one factor on the seconds per byte to another (`end`), in order."""

    pieces: tuple[Piece, ...]
    end: float

    def at(self, x: float) -> Line:
        """Return the line that is best at `x`, which lies between the ends."""
        later = (piece.line for piece in reversed(self.pieces) if piece.begin <= x)
        return next(later, self.pieces[0].line)


def full_book(
    problem: Problem,
    low: BytesPerSecond = LOWEST,
    high: BytesPerSecond = HIGHEST,
    *,
    most: int = MOST_SOLVES,
) -> tuple[Span, ...]:
    """Return the best plans between two rates of the uplink, each where it is best, the slowest link first.

    The uplink is the hop from the entry to the second device; every other hop is scaled with it. At most about
    `most` questions are asked; where they did not suffice, `Span.gap` says how far from the best a piece may be.

    Raises:
        InvalidProblem: the objective or a limit is no straight line along the rate (`is_linear`), the rates
            are no range, or there is no uplink.
        NoFeasiblePlan: nothing can run.
    """
    if not is_linear(problem):
        raise InvalidProblem("the best plans along a link's rate are only straight lines without such wishes")
    if not 0 < low < high < math.inf:
        raise InvalidProblem(f"no link's rate lies between {low} and {high} bytes/s")
    rate = uplink(problem)
    found = envelope(problem, rate / high, rate / low, most)
    ends = [*(piece.begin for piece in found.pieces[1:]), found.end]
    spans = [_span(problem, piece, rate, end) for piece, end in zip(found.pieces, ends, strict=True)]
    return tuple(reversed(spans))


def full_books(
    problem: Problem,
    loads: Sequence[Loads],
    low: BytesPerSecond = LOWEST,
    high: BytesPerSecond = HIGHEST,
) -> dict[Loads, tuple[Span, ...]]:
    """Return the full book under each of `loads`: factors on the seconds of each of `problem.devices`.

    Raises:
        InvalidProblem, NoFeasiblePlan: as `full_book`; or a load is no positive number.
    """
    return {one: full_book(with_loads(problem, one), low, high) for one in loads}


def envelope(problem: Problem, first: float, last: float, most: int = MOST_SOLVES) -> Envelope:
    """Return the best lines between two factors on the seconds per byte of `problem`'s links.

    Raises:
        InvalidProblem, NoFeasiblePlan: as `full_book`.
    """
    return Envelope(tuple(_Search(problem, most).between(first, last)), last)


def is_linear(problem: Problem) -> bool:
    """Return whether the wish is a straight line along the rate: additive, and no limit that the rate moves."""
    limits = problem.limits
    moved: list[float] = [limits.latency, limits.bottleneck]
    if any(device.radio_watts for device in problem.devices):
        moved.append(limits.energy)
    return problem.objective.additive and all(math.isinf(limit) for limit in moved)


def uplink(problem: Problem) -> BytesPerSecond:
    """Return the rate from the entry to the second device.

    Raises:
        InvalidProblem: there is none.
    """
    second = problem.order[1] if problem.order and len(problem.order) > 1 else None
    for device in problem.devices[1:]:
        hop = problem.hops.get((problem.entry, device.name))
        if hop is not None and second in (None, device.name):
            return hop.rate
    raise InvalidProblem("a full book needs a second device and a link to it")


def span_at(spans: Sequence[Span], rate: BytesPerSecond) -> Span:
    """Return the piece that holds `rate`; the first or last one for a rate outside of them all."""
    return next((one for one in spans if rate <= one.high), spans[-1])


@dataclass(frozen=True)
class _Between:
    """Two lines, each best at its end; if nothing else is better between, the second takes over at `meet`.

    There nothing can be better by more than `gap`, relatively: the envelope is concave, so never below its chord.
    """

    a: float
    b: float
    first: Line
    last: Line
    meet: float
    gap: float


class _Search:
    """The search; counts its solves, and divides where most may be missing."""

    def __init__(self, problem: Problem, most: int) -> None:
        self._problem, self._most = problem, most
        self._lines: list[Line] = []
        self._solves = 0

    def between(self, first: float, last: float) -> list[Piece]:
        """Return the pieces from `first` to `last`, in order."""
        whole = _between(first, last, self._solve(first), self._solve(last))
        waiting, settled, count = [(-whole.gap, 0, whole)], [], 0
        while waiting:
            one = heapq.heappop(waiting)[2]
            if one.gap <= NEAR or self._solves >= self._most:
                settled.append(one)
                continue
            best = self._solve(one.meet)
            if best.at(one.meet) >= one.first.at(one.meet) * (1 - SAME):
                settled.append(dataclasses.replace(one, gap=0.0))
                continue
            for part in (
                _between(one.a, one.meet, one.first, best),
                _between(one.meet, one.b, best, one.last),
            ):
                count += 1
                heapq.heappush(waiting, (-part.gap, count, part))
        return _pieces(sorted(settled, key=lambda one: one.a))

    def _solve(self, x: float) -> Line:
        """Return the line that is best at `x`; a line met before may be, where a solver rounds."""
        self._solves += 1
        found = _line(self._problem, x, solve(with_rate(self._problem, 1 / x), alternatives=False))
        self._lines.append(found)
        return min(self._lines, key=lambda line: line.at(x))


def _between(a: float, b: float, first: Line, last: Line) -> _Between:
    if first.layout == last.layout or first.at(b) <= last.at(b) * (1 + SAME):
        return _Between(a, b, first, first, b, 0.0)
    if last.at(a) <= first.at(a) * (1 + SAME):
        return _Between(a, b, first, last, a, 0.0)
    meet = min(max((last.rest - first.rest) / (first.slope - last.slope), a), b)
    chord = first.at(a) + (last.at(b) - first.at(a)) * (meet - a) / (b - a)
    return _Between(a, b, first, last, meet, max(first.at(meet) / chord - 1.0, 0.0) if chord > 0 else 0.0)


def _pieces(found: list[_Between]) -> list[Piece]:
    """Return the pieces of neighbouring intervals: a line that goes on is one piece, an empty one is none."""
    pieces = [Piece(found[0].a, found[0].first)]
    for one in found:
        before = pieces[-1]
        pieces[-1] = dataclasses.replace(before, gap=max(before.gap, one.gap))
        if one.last.layout == before.line.layout:
            continue
        following = Piece(one.meet, one.last, one.gap)
        if one.meet <= before.begin:
            pieces[-1] = following
        elif one.meet < found[-1].b:
            pieces.append(following)
    return pieces


def _line(problem: Problem, x: float, plan: Plan) -> Line:
    """Return the line of a plan that was solved at `x` times the seconds per byte of `problem`."""
    busy = plan.costs.hop_busy
    wire = sum(busy.values()) / x
    watts = {device.name: device.radio_watts for device in problem.devices}
    joules = sum((watts[a] + watts[b]) * seconds for (a, b), seconds in busy.items()) / x
    slope = problem.objective.latency * wire + problem.objective.energy * joules
    return Line(plan.value - slope * x, slope, plan.costs.latency - wire * x, wire, explicit(plan))


def explicit(plan: Plan) -> Layout:
    """Return the plan's layout with the codec of every crossing written down."""
    codecs = {
        (boundary, choice.tensor): choice.codec
        for boundary, choices in enumerate(plan.costs.codecs)
        for choice in choices
    }
    return dataclasses.replace(plan.layout, codecs=codecs)


def describe(problem: Problem, layout: Layout) -> str:
    """Say in a few words what a plan is: who runs it all, or behind which layers it is divided; and the codecs."""
    holding = [(device, part) for device, part in zip(layout.order, layout.stages, strict=False) if part]
    used = sorted(set(layout.codecs.values()))
    by = f" ({', '.join(used)})" if used else ""
    if len(holding) <= 1:
        return f"{holding[0][0] if holding else layout.order[0]} alone{by}"
    names = [problem.graph.layers[max(part)].name for _, part in holding[:-1]]
    return f"{', '.join(device for device, _ in holding)}: divided behind {', '.join(names)}{by}"


def _span(problem: Problem, piece: Piece, rate: float, end: float) -> Span:
    line = piece.line
    return Span(
        low=BytesPerSecond(rate / end),
        high=BytesPerSecond(rate / piece.begin),
        layout=line.layout,
        label=describe(problem, line.layout),
        fixed=Seconds(line.fixed),
        wire=line.wire * rate,
        gap=piece.gap,
    )
