"""Whom a fault met, what it cost them, and when the far side answered again: on answers made by hand."""

from __future__ import annotations

import math

import pytest

from bench.lanes import LEAD
from bench.outages import _paid_rows, link_jitter, next_due, untouched
from bench.verdicts import Answer, Trial, returned, struck

TRIAL = Trial(10.0, 12.0, 17.0)
LOST = "fallback: the link to cloud was lost"
HEALTHY = [Answer(8.0 + number / 4, 0.2, "cut-3", network=0.05) for number in range(6)]


def test_who_was_under_way_or_sent_into_it_was_struck() -> None:
    asked = [
        *HEALTHY,
        Answer(9.9, 0.6, "local", reason=LOST),  # under way
        Answer(10.2, 0.5, "local", reason=LOST),  # sent into it
        Answer(10.6, 0.3, "local"),  # admitted on the board: not met
        Answer(10.8, 3.0, "", error="unavailable: gone"),
        Answer(11.9, 0.4, "cut-3"),  # answered late, after it was back
        Answer(12.5, 0.2, "cut-3"),
    ]
    assert struck(TRIAL, asked) == pytest.approx([0.4, 0.3, 2.8, 0.2])
    assert struck(TRIAL, asked[::-1]) == struck(TRIAL, asked), "the first that was due comes first"


def test_the_first_that_was_struck_and_those_behind_it_are_told_apart() -> None:
    rows = list(_paid_rows("free", [[0.5, 0.9], [], [0.6]], 0.349, 0.549, ""))
    told = {row.what.rpartition(": ")[2]: (row.value, row.met) for row in rows}
    assert told["worst of the first in each trial"] == (600.0, False)
    assert told["worst, with those that wait behind it on the board"] == (900.0, False)
    assert list(_paid_rows("free", [[], []], 0.349, 0.549, ""))[0].value == 0


def test_what_was_answered_before_it_was_not_met() -> None:
    assert struck(TRIAL, [*HEALTHY, Answer(9.75, 0.2, "cut-3")]) == []


def test_the_far_side_is_back_in_use_with_its_first_answer() -> None:
    asked = [
        Answer(11.0, 0.3, "local"),
        Answer(11.9, 0.8, "local", reason=LOST),
        Answer(12.2, 0.3, "local"),
        Answer(12.6, 0.25, "cut-4"),
        Answer(12.9, 0.2, "cut-4"),
    ]
    assert returned(TRIAL, asked) == pytest.approx(0.85)
    assert returned(TRIAL, asked[:3]) == math.inf


def test_an_answer_that_was_late_and_came_from_there_tells_that_it_is_back() -> None:
    assert returned(TRIAL, [Answer(9.9, 2.3, "cut-3", reason="answered late, before the fallback")]) > 0


def test_jitter_is_what_a_page_takes_beyond_its_own_median() -> None:
    quick = [Answer(float(number), 0.2, "cut-3", network=0.05) for number in range(99)]
    slow = [Answer(float(number), 0.2, "cut-4", network=0.5) for number in range(99)]
    late = Answer(99.0, 0.2, "cut-4", network=0.6)
    assert link_jitter([*quick, *slow]) == 0.0
    assert link_jitter([*quick, *slow, late, late, late]) == pytest.approx(0.1)
    assert link_jitter([]) == 0.0


def test_what_a_fault_did_is_no_jitter_of_the_link() -> None:
    struck_late = Answer(9.9, 2.6, "cut-3", network=2.5)
    during, after = Answer(11.0, 0.3, "local"), Answer(12.1, 0.2, "cut-3", network=0.05)
    assert untouched([TRIAL], [*HEALTHY, struck_late, during, after]) == [*HEALTHY, after]


@pytest.mark.parametrize("after", [0.0, 2.5, 11.3])
def test_faults_are_timed_by_when_requests_are_due(after: float) -> None:
    period = 0.35
    due = next_due(after, period)
    assert after <= due < after + period
    assert (due + LEAD) / period == pytest.approx(round((due + LEAD) / period))
