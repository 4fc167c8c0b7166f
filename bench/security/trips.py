"""Round trips and openings with TLS and in the open, in turns: over loopback, and from a slowed board.

Law: orders, takes medians, yields rows. Of a slowed board the processor's figures are what its processor is busy for:
this machine's time as often as it is slower.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.rows import Row
from bench.security.ends import LANES, OPEN, TLS, Ends, Papers, beside, ends, slowed

SIZES = (1_000, 150_000, 600_000, 3_000_000)
GOAL_SIZE, GOAL = 600_000, 2.2
TURNS = 10
SLOWNESSES = (4.0, 8.0)
OPENINGS = 30
IN_TURNS = "the other kind, in turns"
FULL = "a full handshake; there are no tickets, so nothing is resumed"


@dataclass
class Told:
    """Of one kind of link and one size, milliseconds: each trip on the clock, processor of both ends by turns."""

    took: list[float] = field(default_factory=list)
    near: list[float] = field(default_factory=list)
    far: list[float] = field(default_factory=list)

    @property
    def clock(self) -> float:
        """Return the median trip."""
        return statistics.median(self.took)


def loopback(trips: int) -> Iterator[Row]:
    """Yield what TLS costs between two processes of this machine."""
    with ends(Papers.make(), LANES) as both:
        for size in SIZES:
            yield from _of_size(in_turns(both, "trip", trips, size), f"{size} bytes", size == GOAL_SIZE)
        yield from _of_opening(in_turns(both, "open", OPENINGS), "")


def board(trips: int, slownesses: Sequence[float] = SLOWNESSES) -> Iterator[Row]:
    """Yield what TLS costs a board that is so many times slower than this machine; the far end is not."""
    for times in slownesses:
        where = f"board {times:g}x slower"
        with ends(Papers.make(), LANES, far=beside(), near=slowed(times)) as both:
            trip = in_turns(both, "trip", max(TURNS, trips // 3), GOAL_SIZE)
            yield from _of_board(trip, f"{where}, {GOAL_SIZE} bytes", times)
            yield from _of_opening(in_turns(both, "open", OPENINGS), f"{where}: ", times)


def in_turns(both: Ends, do: str, count: int, size: int = 0) -> dict[str, Told]:
    """Have both kinds do a job `count` times each, a tenth of it at a time; return what each took."""
    told = {name: Told() for name in LANES}
    for turn in range(TURNS):
        for name in list(told)[:: 1 if turn % 2 else -1]:
            one = both.ask(do=do, lane=name, size=size, count=max(1, count // TURNS))
            told[name].took += [seconds * 1e3 for seconds in one["took"]]
            told[name].near.append(one["busy"] * 1e3)
            told[name].far.append(one["far"] * 1e3)
    return told


def _of_size(told: dict[str, Told], what: str, judged: bool) -> Iterator[Row]:
    both = {name: statistics.fmean(one.near) + statistics.fmean(one.far) for name, one in told.items()}
    for name, one in told.items():
        yield _row(f"{name}: round trip of {what}", one.clock, "ms")
        yield _row(f"{name}: processor of both ends, {what}", both[name], "ms")
    yield _row(
        f"TLS / in the open, {what}", told[TLS].clock / told[OPEN].clock, "x", GOAL if judged else None
    )
    yield _row(f"TLS / in the open, processor, {what}", both[TLS] / both[OPEN], "x")


def _of_board(told: dict[str, Told], what: str, times: float) -> Iterator[Row]:
    busy = {name: times * statistics.median(one.near) for name, one in told.items()}
    for name, one in told.items():
        yield _row(f"{what}, {name}: round trip", one.clock, "ms")
        yield _row(f"{what}, {name}: the board's processor", busy[name], "ms")
    yield _row(f"{what}, TLS / in the open: round trip", told[TLS].clock / told[OPEN].clock, "x")
    yield _row(f"{what}, TLS / in the open: the board's processor", busy[TLS] / busy[OPEN], "x")


def _of_opening(told: dict[str, Told], where: str, times: float = 1.0) -> Iterator[Row]:
    for name, one in told.items():
        beside = FULL if name == TLS else IN_TURNS
        yield _row(f"{where}{name}: a link is open after", one.clock, "ms", beside=beside)
        busy = times * statistics.median(one.near)
        yield _row(f"{where}{name}: this end's processor, closing included", busy, "ms", beside=beside)


def _row(what: str, value: float, unit: str, goal: float | None = None, beside: str = IN_TURNS) -> Row:
    met = None if goal is None else value <= goal
    return Row("security", what, round(value, 3), unit, beside, goal, met)
