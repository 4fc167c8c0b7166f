"""What the bench makes of turns that an entry made by itself."""

from __future__ import annotations

import pytest

from bench import ownturns
from bench.ownturns import as_played, crossing, differences, slowness
from bench.traces import Trace
from bench.verdicts import Answer

TRACE = Trace("t", 1.0, 40.0, ((0.0, 10.0), (20.0, 1.0)))
PAGES = {
    "local": {"board": 0.3, "cloud": 0.0, "bytes_up": 0, "bytes_down": 0},
    "cut-1": {"board": 0.1, "cloud": 0.02, "bytes_up": 100_000, "bytes_down": 0},
}


def asked(added: float) -> list[Answer]:
    """40 s of requests a second: a turn each ten, at which a request takes `added` more."""
    pages = [("cut-1", "local")[number // 10 % 2] for number in range(40)]
    return [
        Answer(float(at), (0.1 if page == "local" else 0.2) + (added if at % 10 == 0 else 0.0), page)
        for at, page in enumerate(pages)
    ]


def test_the_first_request_on_a_page_is_held_against_the_next_ones() -> None:
    turned, stayed = differences(asked(0.05), TRACE)
    assert turned == pytest.approx([0.05] * 3)
    assert stayed == pytest.approx([0.0] * len(stayed))
    assert len(stayed) == 24, "the last ones before a turn have too few after them"


def test_what_was_taken_once_to_see_or_failed_is_no_turn() -> None:
    answers = asked(0.05)
    answers[5] = Answer(5.0, 0.9, "local", reason="taken this once, to see")
    answers[6] = Answer(6.0, 0.9, "", error="unavailable")
    assert len(differences(answers, TRACE)[0]) == 3


def test_requests_at_another_rate_are_not_compared() -> None:
    steps = Trace("t", 1.0, 40.0, tuple((at * 2.0, float(at + 1)) for at in range(20)))
    assert differences(asked(0.05), steps) == ([], [])


def test_no_turns_meet_no_goal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownturns, "DRAWS", 20)
    assert ownturns._row("kept", "x", ([], [0.1]), ("t", 1e-3)).met is False
    assert ownturns._row("kept", "x", ([0.1], [0.1]), ("t", 1e-3)).met is True
    assert ownturns._row("kept", "x", ([0.2], [0.1]), ("t", 1e-3)).met is False
    assert ownturns._row("kept", "x", ([0.2], [0.1]), ("t", None)).met is None


def test_the_board_is_played_as_slow_as_is_needed_for_the_link_to_matter() -> None:
    slow = slowness(PAGES, 30.0)
    assert 1.0 < slow < 30.0
    played = as_played(PAGES, slow / 30.0)
    rate = crossing(played)
    assert played["local"]["board"] == pytest.approx(0.3 * slow / 30)
    assert rate == pytest.approx(
        0.8 / (played["local"]["board"] - played["cut-1"]["board"] - 0.022), rel=0.15
    )
