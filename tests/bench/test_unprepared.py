"""What the bench makes of pages that were not prepared."""

from __future__ import annotations

from bench.traces import Trace
from bench.unprepared import Watched, rows, watched
from bench.verdicts import Answer

TRACE = Trace("bare", 2.0, 9.0, ((0.0, 0.5), (3.0, 18.88)))
USUAL = {"local": [0.30, 0.32, 0.34]}


def seen(latency: float) -> Watched:
    """A cloud that opened blocks for 0.2 s, done at second 4, beside requests of the board alone."""
    answers = [
        Answer(2.9, 1.5, "local"),  # began before the link changed
        Answer(3.7, latency, "local"),
        Answer(3.9, latency, "cut-1"),  # nothing is known of it
        Answer(4.1, 0.9, "local"),  # began after
    ]
    return watched("cloud", (4.0, 0.2), answers, TRACE, USUAL)


def test_requests_under_way_are_held_against_what_their_page_takes() -> None:
    found = seen(0.33)
    assert [round(one, 3) for one in found.late] == [0.01]
    work, delayed = rows("kept", [found])
    assert (work.value, work.met) == (0.2, True)
    assert (delayed.value, delayed.met) == (0, True)


def test_one_that_takes_more_than_any_else_is_delayed() -> None:
    work, delayed = rows("kept", [seen(0.33), seen(0.5)])
    assert (delayed.value, delayed.met) == (1, False)
    assert "2 requests under way" in delayed.compared_with


def test_work_that_takes_long_or_was_not_done_meets_no_goal() -> None:
    (work,) = rows("kept", [Watched("board", 0.7, (), 0.0)])
    assert work.met is False
    (none,) = rows("kept", [])
    assert none.met is False
