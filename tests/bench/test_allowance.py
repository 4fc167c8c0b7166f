"""What a chaos run allows, and what it finds: needless errors, pages beside the pinned one, links that stay in use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.chaos.allowance import Pinned, pinned
from bench.chaos.judge import Evidence, Struck, needless, rows, unfollowed, unpinned
from bench.chaos.schedule import Fault
from bench.chaos.testimony import Ended
from bench.chaos.witness import Wire
from lepton_edge.core.frames import Frame, FrameKind, WireError
from lepton_edge.link import events

HOMES = {"anna": "north", "clara": "south"}
RIGHT = {
    "verdict": "right",
    "version": "one",
    "page": "cut-1",
    "hops": [["north", 0], ["east", 0]],
    "lag": 0.0,
}
ERROR = {"verdict": "error", "code": "unavailable", "why": "gone", "lag": 0.0}


def _ended(at: float, told: dict[str, Any], witness: str = "anna", sent: float | None = None) -> Ended:
    return Ended(witness, 0, at - 0.1 if sent is None else sent, at, {"took": 0.1, **told})


def _struck(kind: str, victim: str, at: float, over: float, back: float | None = 0.5) -> Struck:
    return Struck(Fault(0, kind, victim, over - at, 0.5, "any"), at, over, back=back)


@pytest.mark.parametrize(
    ("struck", "told", "is_needless"),
    [
        ((), ERROR, True),
        ((_struck("kill board", "north", 9.0, 9.5),), ERROR, False),
        ((_struck("kill board", "south", 9.0, 9.5),), ERROR, True),
        ((_struck("kill cloud", "east", 9.0, 9.5),), ERROR, True),
        ((_struck("kill board", "north", 5.0, 6.0),), ERROR, True),
        ((_struck("kill board", "north", 5.0, 6.0, back=None),), ERROR, False),
        ((_struck("kill board", "north", 5.0, 6.0, back=0.0),), ERROR, True),
        ((), {**ERROR, "lag": 1.0}, False),
        ((), RIGHT, False),
    ],
)
def test_an_error_is_needless_where_nothing_struck_the_entry(
    struck: tuple[Struck, ...], told: dict[str, Any], is_needless: bool
) -> None:
    evidence = Evidence(list(struck), [_ended(10.0, told)], homes=HOMES)
    assert bool(needless(evidence)) == is_needless


def test_a_page_is_pinned_from_the_answer_to_the_pin_until_the_next_order() -> None:
    pins = [Pinned(1.0, "north", ""), Pinned(2.0, "north", "local"), Pinned(5.0, "north", "")]
    assert pinned(pins, "north", 1.5, 1.9) == ""
    assert pinned(pins, "north", 1.9, 2.1) == "", "it was sent before"
    assert pinned(pins, "north", 2.1, 4.9) == "local"
    assert pinned(pins, "north", 4.9, 5.1) == ""
    assert pinned(pins, "south", 2.1, 4.9) == ""


def test_an_answer_by_another_page_than_the_pinned_one_is_found() -> None:
    evidence = Evidence([], [_ended(3.0, RIGHT), _ended(3.0, {**RIGHT, "page": "local"})], homes=HOMES)
    evidence.pins = [Pinned(2.0, "north", "local")]
    assert unpinned(evidence) == evidence.ended[:1]


@pytest.mark.parametrize(
    ("hop", "seconds", "stays"), [("east", 3.0, True), ("west", 3.0, False), ("east", 1.0, False)]
)
def test_a_link_that_is_slow_for_long_is_left(hop: str, seconds: float, stays: bool) -> None:
    before = [_ended(9.0 + place / 10, RIGHT) for place in range(10)]
    during = [_ended(11.2 + place / 10, {**RIGHT, "hops": [["north", 0], [hop, 0]]}) for place in range(15)]
    slow = _struck("slow link", "east", 10.0, 10.0 + seconds)
    assert bool(unfollowed(Evidence([slow], before + during, homes=HOMES))) == stays


def test_what_is_answered_though_it_was_given_up_is_counted_on_the_wire() -> None:
    wire = Wire()

    def given_up(name: str, answered: float, after: float = 0.004) -> None:
        request = Frame(FrameKind.REQUEST, name)
        wire.see(events.Submitted(1, request, 0, expects=True), 1.0)
        wire.see(events.Abandoned((name, 0)), 1.0 + after)
        wire.see(_arrived(replace(request, kind=FrameKind.REPLY)), answered)

    given_up("crossed", 1.006)
    assert wire.unheeded == 0
    given_up("unheeded", 1.1)
    assert (wire.unheeded, len(wire.given_up)) == (1, 2)
    cancelled = WireError("cancelled", "the caller cancelled the request", "", "caller")
    wire.given_up["heeded", 0] = 1.0
    wire.see(_arrived(Frame(FrameKind.ERROR, "heeded", error=cancelled)), 1.1)
    assert wire.unheeded == 1
    given_up("its deadline passed", 3.1, after=2.0)
    assert (wire.unheeded, len(wire.given_up)) == (1, 3)
    assert wire.doubled() == []


def _arrived(frame: Frame) -> events.Arrived:
    return events.Arrived(frame, 0)


@pytest.mark.parametrize(("unheeded", "met"), [(0, True), (1, True), (9, False)])
def test_most_of_what_is_given_up_is_not_answered(unheeded: int, met: bool) -> None:
    evidence = Evidence(given_up=10, unheeded=unheeded)
    (row,) = [row for row in rows(evidence) if row.what.endswith("though they were given up")]
    assert row.met is met
