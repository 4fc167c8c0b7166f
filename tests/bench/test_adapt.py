"""The other parts' arithmetic: steps, turns, logs, idleness, the yardstick of memory."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from bench import turncost
from bench.agentlogs import noted
from bench.idle import Spent
from bench.idle import rows as idle_rows
from bench.steps import DELAY, FAST, HOLD, SLOW, Told, samples_at
from bench.steps import rows as step_rows
from bench.traces import Trace
from bench.turncost import latency_row, pieces_rows
from bench.verdicts import Answer

POINTS = tuple((number * HOLD, (FAST, SLOW)[number % 2]) for number in range(5))
TRACE = Trace("steps", DELAY, POINTS[-1][0] + HOLD, POINTS)


def sampled() -> list[Answer]:
    """Both pages, asked in turn: the cut is quick on a quick link and slow on a slow one."""
    found = []
    for number in range(int(TRACE.seconds / 0.2)):
        due = number * 0.2
        page = ("cut-1", "local")[number % 2]
        took = 0.3 if page == "local" else 0.1 if TRACE.rate(due) == FAST else 0.8
        if page != "local" and TRACE.rate(due - 0.9) != TRACE.rate(due):
            took = 5.0  # what the link still had to carry from before
        found.append(Answer(due, took, page, page))
    return found


def streamed(lag: int) -> list[Answer]:
    """One who takes the right page, `lag` requests after the step."""
    found = []
    for number in range(int(TRACE.seconds / 0.35)):
        fast = TRACE.rate((number - lag) * 0.35) == FAST
        found.append(Answer(number * 0.35, 0.1 if fast else 0.3, "cut-1" if fast else "local"))
    return found


def test_what_a_page_takes_at_a_rate_comes_from_samples_well_after_a_step() -> None:
    for rate, cut in ((FAST, 0.1), (SLOW, 0.8)):
        found = samples_at(TRACE, rate, sampled())
        assert {page: set(own) for page, own in found.items()} == {"cut-1": {cut}, "local": {0.3}}


def test_requests_on_the_wrong_page_are_counted_from_when_the_step_showed() -> None:
    quick = {row.what: row for row in step_rows("kept", Told(TRACE, streamed(1), sampled()))}
    slow = {row.what: row for row in step_rows("kept", Told(TRACE, streamed(6), sampled()))}
    down = "kept: 18.88 -> 1.1 Mbit/s: requests on the wrong page after it showed: worst of 2"
    assert quick[down].met
    assert slow[down].value >= 4
    assert slow[down].met is False


def test_a_look_at_the_link_shows_a_step_that_no_request_could() -> None:
    up = "kept: 1.1 -> 18.88 Mbit/s: requests on the wrong page after it showed: worst of 2"
    blind = {row.what: row for row in step_rows("kept", Told(TRACE, streamed(6), sampled()))}
    looks = [10.3, 20.3]
    seen = {row.what: row for row in step_rows("kept", Told(TRACE, streamed(6), sampled(), looks))}
    assert seen[up].value > blind[up].value


def turned(added: float) -> list[Answer]:
    found = []
    for number in range(400):
        page = ("cut-1", "cut-2")[number // 4 % 2]
        base = 0.02 if page == "cut-1" else 0.05
        found.append(Answer(number * 0.1, base + (added if number % 4 == 0 else 0.0), page, page))
    return found


def test_the_first_request_of_a_run_is_held_against_the_others_of_its_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turncost, "DRAWS", 20)
    row = latency_row("kept", ["cut-1", "cut-2"], turned(0.0))
    assert (row.value, row.met) == (0.0, True)
    late = latency_row("kept", ["cut-1", "cut-2"], turned(0.003))
    assert (late.value, late.met) == (pytest.approx(3.0), False)


def test_requests_meanwhile_are_held_against_their_page() -> None:
    answers = [Answer(number * 0.5, 0.2, "cut-1") for number in range(10)]
    answers[4] = Answer(2.0, 0.7, "cut-1")
    work, delayed = pieces_rows("kept", [(2.5, 0.3)], answers)
    assert (work.value, work.met) == (0.3, True)
    assert delayed.value == pytest.approx(500.0)
    assert delayed.compared_with.startswith("of 1 requests")
    assert next(iter(pieces_rows("kept", [(2.5, 0.7)], answers))).met is False
    assert [row.value for row in pieces_rows("kept", [], answers)] == [0]


def test_a_line_of_an_agents_log_is_read_with_its_time(tmp_path: Path) -> None:
    log = tmp_path / "board.log"
    log.write_text(
        '2026-11-22T10:40:27.250Z info    opened beside requests  model="an m" seconds=0.195\n'
        "2026-11-22T10:40:28.000Z info    else\n"
        "a line of somebody else's\n"
    )
    ((at, fields),) = noted(log, "opened beside requests")
    told = datetime.datetime(2026, 11, 22, 10, 40, 27, 250000, datetime.timezone.utc)
    assert at == told.timestamp()
    assert (fields["model"], fields["seconds"]) == ("an m", "0.195")


def test_idleness_is_a_share_of_a_core_and_bytes_a_second() -> None:
    processor, control = idle_rows("t", Spent(1.0, 1000, 5000), Spent(1.3, 7000, 65_000), 60.0)
    assert (processor.value, processor.met) == (0.5, True)
    assert (control.value, control.met) == (100, True)
    assert "1000 B/s" in control.compared_with
    busy, chatty = idle_rows("t", Spent(0.0, 0, 0), Spent(0.9, 90_000, 90_000), 60.0)
    assert (busy.met, chatty.met) == (False, False)
