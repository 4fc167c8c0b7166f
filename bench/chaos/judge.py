"""From everything that witnesses said to figures: wrong, lost, doubled, late, untyped; and who did it.

Law: pure arithmetic on testimonies and faults; goal 0 for each of them, and for what does not come back; each kind
of fault that was wanted bit often enough, with a request in its victim. What a run allows (errors of a board that
stands still, pages that are pinned) is `allowance`'s.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.chaos import allowance
from bench.chaos.allowance import Pinned
from bench.chaos.schedule import Fault
from bench.chaos.testimony import Ended
from bench.rows import Row

NEVER_BACK = 15.0
"""Seconds after a fault for which a board is excused that was not back in time."""
GRACE = 0.25
"""Seconds after its deadline within which an answer or error must be here; plus what the witness itself was late."""
MOST_UNHEEDED = 0.2
"""What part of the requests that were given up may be answered: those where the answer was on its way."""
BENCH = "chaos"


@dataclass
class Struck:
    """One fault as it came to pass: seconds of the machine's clock; `back` None: it did not come back in time.

    `aimed` says that a request was at its victim, by its age and what such requests take; `bit` that what it was to
    make impossible was: one that did not bite does not count.
    """

    fault: Fault
    at: float
    over: float = 0.0
    aimed: bool = False
    back: float | None = None
    bit: bool = True


@dataclass
class Evidence:
    """All that a run leaves."""

    struck: list[Struck] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    excused: set[int] = field(default_factory=set)
    """Places in `ended` of those whose witness stood still."""
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    untyped: list[str] = field(default_factory=list)
    allowed: list[tuple[float, frozenset[str]]] = field(default_factory=list)
    deadline: float = 2.0
    kinds: frozenset[str] = frozenset()
    """Kinds of faults that were to strike, `fewest` times each."""
    fewest: int = 0
    homes: dict[str, str] = field(default_factory=dict)
    """The board that each witness asks."""
    pins: list[Pinned] = field(default_factory=list)
    given_up: int = 0
    unheeded: int = 0
    unserved: list[str] = field(default_factory=list)
    """What a board did not do that it must be able to do alone."""
    obeyed: list[str] = field(default_factory=list)
    """Who obeyed a coordinator that is not theirs."""
    believed: list[str] = field(default_factory=list)
    """What counted though it was revoked, or did not though it must."""
    left: list[str] = field(default_factory=list)
    """What was not at rest at the end, see `rest`."""


def is_stale(ended: Ended, allowed: Sequence[tuple[float, frozenset[str]]]) -> bool:
    """Whether the answer is of a version that nothing may answer any more when the request was sent."""
    versions: frozenset[str] = frozenset()
    for since, then in allowed:
        if since <= ended.sent:
            versions = then
        elif since <= ended.at:
            versions |= then
    return bool(versions) and ended.told["version"] not in versions


def wrong(evidence: Evidence) -> list[Ended]:
    """Return the answers that are of no input and version, or of a version that was replaced."""
    return [
        one
        for one in evidence.ended
        if one.verdict == "wrong" or (one.verdict == "right" and is_stale(one, evidence.allowed))
    ]


def late(evidence: Evidence) -> list[Ended]:
    """Return what ended too long after its deadline."""
    return [
        one
        for place, one in enumerate(evidence.ended)
        if place not in evidence.excused and one.told["took"] > evidence.deadline + GRACE + one.told["lag"]
    ]


def untyped(evidence: Evidence) -> list[str]:
    """Return what ended with something that is no error of ours."""
    told = [f"{one.witness}: {one.told['why']}" for one in evidence.ended if one.verdict == "untyped"]
    return [*told, *evidence.untyped]


def culprit(one: Ended, struck: Sequence[Struck]) -> str:
    """Return the faults that struck while a request was under way, or before it."""
    near = [each for each in struck if each.at <= one.at and (each.over or one.at) + 1.0 >= one.sent]
    return ", ".join(f"#{each.fault.index} {each.fault.kind} of {each.fault.victim}" for each in near[-3:])


def needless(evidence: Evidence) -> list[Ended]:
    """Return the errors of boards that nothing had struck: what happens elsewhere is no reason for one."""
    excused = [
        (
            each.fault.victim,
            each.at,
            (each.over or each.at) + (NEVER_BACK if each.back is None else each.back),
        )
        for each in evidence.struck
        if each.fault.kind in allowance.STANDS_STILL
    ]
    return [
        one
        for place, one in enumerate(evidence.ended)
        if one.verdict == "error" and place not in evidence.excused and one.told["lag"] < GRACE
        if not any(
            evidence.homes.get(one.witness) == board and one.sent <= until and one.at >= since
            for board, since, until in excused
        )
    ]


def unpinned(evidence: Evidence) -> list[Ended]:
    """Return the right answers by another page than the one that was pinned while they were asked for."""
    return [
        one
        for one in evidence.ended
        if one.verdict == "right"
        and (page := allowance.pinned(evidence.pins, evidence.homes.get(one.witness, ""), one.sent, one.at))
        and one.told["page"] != page
    ]


def unfollowed(evidence: Evidence) -> list[Struck]:
    """Return the links that became slow for long, and were used all the same by most."""
    return [each for each in evidence.struck if allowance.is_slow(each) and _most_used(each, evidence.ended)]


def _most_used(slow: Struck, ended: Sequence[Ended]) -> bool:
    """Whether most of the answers in the second half of a slow link's time came over it."""
    begin = slow.at + allowance.NOTICED
    then = [one for one in ended if one.verdict == "right" and begin <= one.sent and one.at <= slow.over]
    before = [one for one in ended if slow.at - allowance.BEFORE <= one.at <= slow.at]
    users = {one.witness for one in before if _came_over(one, slow)}
    theirs = [one for one in then if one.witness in users]
    return sum(_came_over(one, slow) for one in theirs) * 2 > len(theirs)


def _came_over(one: Ended, slow: Struck) -> bool:
    return any(hop[0] == slow.fault.victim for hop in one.told.get("hops", ()))


def _told(one: Ended, evidence: Evidence) -> str:
    return f"{one.told}; {culprit(one, evidence.struck)}"


def _behaviour(title: str, evidence: Evidence) -> Iterator[Row]:
    """Yield what no single request shows."""
    slow = [each for each in evidence.struck if allowance.is_slow(each)]
    stayed = unfollowed(evidence)
    which = ", ".join(f"#{each.fault.index}" for each in stayed[:5]) or f"of {len(slow)}"
    what = f"{title}: slow links that most requests still took"
    yield Row(BENCH, what, len(stayed), "links", which, 0, met=not stayed)
    yield _none(f"{title}: did not come up or serve again", evidence.unserved, "boards")
    yield _none(f"{title}: obeyed an older coordinator", evidence.obeyed, "agents")
    yield _none(f"{title}: believed though revoked, or not though valid", evidence.believed, "papers")
    yield _none(f"{title}: left when nobody asked any more", evidence.left, "things")
    share = evidence.unheeded / evidence.given_up if evidence.given_up else 0.0
    told = f"{evidence.unheeded} of {evidence.given_up}, without those that crossed"
    what = f"{title}: answered though they were given up"
    yield Row(
        BENCH, what, round(share, 3), "of the requests", told, MOST_UNHEEDED, met=share <= MOST_UNHEEDED
    )


def _none(what: str, found: Sequence[str], unit: str) -> Row:
    """Return the row of what should not be at all."""
    return Row(BENCH, what, len(found), unit, "; ".join(found[:3])[:300], 0, met=not found)


def rows(evidence: Evidence) -> Iterator[Row]:
    """Yield every figure."""
    title = f"{len(evidence.struck)} faults"
    told: dict[str, list[str]] = {
        "wrong": [_told(one, evidence) for one in wrong(evidence)],
        "lost": evidence.lost,
        "doubled": evidence.doubled,
        "late": [_told(one, evidence) for one in late(evidence)],
        "untyped": untyped(evidence),
        "needless errors": [_told(one, evidence) for one in needless(evidence)],
        "another page than the pinned one": [_told(one, evidence) for one in unpinned(evidence)],
    }
    for name, found in told.items():
        first = f"first: {found[0][:300]}" if found else f"of {len(evidence.ended)}"
        yield Row(BENCH, f"{title}: {name}", len(found), "requests", first, 0, met=not found)
    yield from _behaviour(title, evidence)
    yield from _answers(title, evidence)
    yield from _by_kind(evidence)


def _answers(title: str, evidence: Evidence) -> Iterator[Row]:
    verdicts = Counter(one.verdict for one in evidence.ended)
    codes = Counter(one.told["code"] for one in evidence.ended if one.verdict == "error")
    yield Row(BENCH, f"{title}: answered right", verdicts["right"], "requests", f"of {len(evidence.ended)}")
    spread = ", ".join(f"{count}x {code}" for code, count in codes.most_common(5))
    yield Row(BENCH, f"{title}: typed errors", verdicts["error"], "requests", spread)
    fallbacks = sum(one.told.get("reason", "").startswith("fallback") for one in evidence.ended)
    yield Row(BENCH, f"{title}: answered by a fallback", fallbacks, "requests")
    backs = sorted(each.back for each in evidence.struck if each.back is not None)
    never = [each for each in evidence.struck if each.back is None]
    which = ", ".join(f"#{each.fault.index} {each.fault.kind}" for each in never[:5])
    yield Row(
        BENCH, f"{title}: did not return to the plan in time", len(never), "faults", which, 0, met=not never
    )
    if backs:
        yield Row(BENCH, f"{title}: back on the plan, median", round(statistics.median(backs), 2), "s")
        p99 = backs[min(len(backs) - 1, len(backs) * 99 // 100)]
        yield Row(BENCH, f"{title}: back on the plan, p99", round(p99, 2), "s")


def _by_kind(evidence: Evidence) -> Iterator[Row]:
    counts = Counter({kind: 0 for kind in evidence.kinds})
    counts.update(each.fault.kind for each in evidence.struck if each.bit and each.aimed)
    blunt = Counter(each.fault.kind for each in evidence.struck if not each.bit)
    missed = Counter(each.fault.kind for each in evidence.struck if each.bit and not each.aimed)
    for kind, count in sorted({**dict.fromkeys([*blunt, *missed], 0), **counts}.items()):
        backs = [each.back for each in evidence.struck if each.fault.kind == kind and each.back is not None]
        median = f"back in {statistics.median(backs):.2f} s (median)" if backs else "never back"
        told = (
            f"with a request in the victim; {missed[kind]} more without, {blunt[kind]} did not bite; {median}"
        )
        enough = count >= evidence.fewest
        yield Row(BENCH, f"faults: {kind}", count, "faults", told, evidence.fewest, met=enough)
