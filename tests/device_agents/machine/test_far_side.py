"""What is known of a device that is asked."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agents.machine.events import EpochKey, WorkKey
from device_agents.machine.far_side import FRESH, LONGEST_PAUSE, MOST_TIMES, FarSide

PAGE = (EpochKey("net", 1), "cut-4")
WORK = WorkKey("r1", 0, 0, 1, "", 0)


def test_what_it_takes_of_late_counts_with_its_spread() -> None:
    far = FarSide()
    assert far.expected(PAGE, 0.0) == 0.0
    for number in range(50):
        far.note(PAGE, 0.3, float(number))
    assert far.expected(PAGE, 50.0) == pytest.approx(0.3)
    for number in range(50):
        far.note(PAGE, 0.2 if number % 2 else 0.4, 50.0 + number)
    assert 0.55 < far.expected(PAGE, 100.0) < 0.85
    assert far.expected(PAGE, 100.0 + FRESH) == 0.0, "but it says nothing of much later"


def test_what_was_long_ago_is_forgotten_when_something_new_comes() -> None:
    far = FarSide()
    far.note(PAGE, 9.0, 0.0)
    far.note(PAGE, 0.1, 1.0 + FRESH)
    assert far.expected(PAGE, 1.0 + FRESH) == pytest.approx(0.1)


def test_in_vain_tells_only_that_it_takes_longer() -> None:
    far = FarSide()
    far.note(PAGE, 0.3, 0.0)
    far.note_at_least(PAGE, 0.1, 0.1)
    assert far.expected(PAGE, 0.1) == pytest.approx(0.3)
    far.note_at_least(PAGE, 0.5, 0.2)
    assert far.expected(PAGE, 0.2) > 0.3


def test_times_of_many_pages_are_bounded() -> None:
    far = FarSide()
    for number in range(3 * MOST_TIMES):
        far.note((EpochKey("net", number), "cut-4"), 0.1, 0.0)
    assert len(far.times) <= MOST_TIMES


def test_requests_queue_on_the_link_behind_each_other() -> None:
    far = FarSide()
    for _ in range(3):
        far.send(100, 1e3, 0.0)
    assert far.queued(0.0) == pytest.approx(0.3)
    assert far.queued(0.2) == pytest.approx(0.1)
    far.rate = 2e3
    assert far.queued(0.0) == pytest.approx(0.15), "by the rate that it has now"
    assert far.queued(1.0) == 0.0
    far.rate = 0.0
    assert far.queued(0.0) == 0.0, "nothing is known"
    far.send(100, 1e3, 1.0)
    far.asked = 0
    assert far.queued(1.0) == 0.0, "what was answered has arrived"
    far.send(100, 1e3, 1.0)
    assert far.queue == 100


def test_it_is_suspected_only_where_nothing_was_heard_since() -> None:
    far = FarSide()
    far.hear(5.0)
    far.overdue(4.0, 1.5, 6.0)
    assert far.may_try(6.0)
    assert not far.suspected
    silent = dataclasses.replace(far)
    silent.overdue(4.0, 0.9, 6.0)
    assert silent.suspected, "others came since, but that was too long ago"
    far.overdue(5.5, 1.5, 6.5)
    assert far.suspected
    assert far.may_try(6.5), "the first trial may be at once"


def test_trials_are_one_at_a_time_and_ever_more_seldom_until_it_answers() -> None:
    far = FarSide()
    far.overdue(0.0, 0.3, 1.0)
    now, pauses = 1.0, []
    for _ in range(8):
        far.try_with(WORK, PAGE, 0.05, now)
        assert not far.may_try(now)
        pauses.append(far.next_trial - now)
        now = far.next_trial
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0])
    far.hear(now)
    assert far.may_try(now)
    far.overdue(now + 1, 0.3, now + 2)
    far.try_with(WORK, PAGE, 0.05, now + 2)
    assert far.next_trial == pytest.approx(now + 2.1)


def test_who_is_waited_for_in_vain_by_hasty_requests_is_suspected_too() -> None:
    far = FarSide()
    far.note(PAGE, 0.03, 0.0)
    for number in range(4):
        far.gave_up(PAGE, 0.06, 0.25, 1.0 + number)
        assert not far.suspected
    far.gave_up(PAGE, 0.06, 0.25, 5.0)
    assert far.suspected
    far.hear(6.0)
    for number in range(9):
        far.gave_up(PAGE, 0.06, 0.25, 7.0 + number)
        far.hear(7.5 + number)
    assert not far.suspected, "one that answers now and then is alive"


# --- outages ----------------------------------------------------------------------------------------


def _outage(far: FarSide, began: float, lasts: float, asked: int) -> float:
    """Let it stand still, with so many asked meanwhile, all of whom it answers when it goes on; return when."""
    far.overdue(began, 0.3, began + 0.3)
    ended = began + lasts
    far.hear(ended)
    for number in range(asked):
        far.note(PAGE, (1 - number / asked) * lasts, ended + 0.001 * number)
    return ended + 0.01


@given(
    outages=st.lists(
        st.tuples(st.floats(0.4, 30.0), st.integers(1, 6), st.integers(1, 9)), min_size=1, max_size=12
    ),
    usual=st.floats(0.005, 0.5),
)
def test_outages_never_make_the_next_one_be_waited_for(
    outages: list[tuple[float, int, int]], usual: float
) -> None:
    """Whatever their lengths, how many waited in them, and how few answers came between."""
    far, now = FarSide(), 1.0
    far.note(PAGE, usual, now)
    for lasts, asked, between in outages:
        now = _outage(far, now, lasts, asked)
        for _ in range(between):
            now += usual + 0.001
            far.note(PAGE, usual, now)
        assert far.expected(PAGE, now, 0.2) == pytest.approx(usual + 0.2, abs=1e-6)


@given(taken=st.lists(st.floats(2.0, 4.0), min_size=2, max_size=20), before=st.booleans())
def test_one_that_became_slow_is_known_from_its_second_answer(taken: list[float], before: bool) -> None:
    """Each is overdue, suspected, and answers: an outage each time, so that it is none."""
    far, now = FarSide(), 1.0
    if before:
        far.note(PAGE, 0.05, now)
    for number, seconds in enumerate(taken):
        now = _outage(far, now, seconds, 1)
        if number:
            assert min(taken) <= far.expected(PAGE, now) <= 2 * max(taken)
    assert far.expected(PAGE, now, 0.2) >= taken[-1] - 2.0


def test_two_outages_that_seemed_slowness_are_forgotten_with_the_first_quick_answer() -> None:
    far = FarSide()
    far.note(PAGE, 0.05, 0.0)
    now = _outage(far, _outage(far, 1.0, 2.0, 3), 2.0, 3)
    assert far.expected(PAGE, now) == pytest.approx(2.0)
    far.note(PAGE, 0.06, now + 0.1)
    assert far.expected(PAGE, now, 0.2) == pytest.approx(0.26)


def test_an_outage_that_its_link_ends_before_its_answers_come_is_none_the_less_one() -> None:
    """A process that goes on acknowledges what waits for it first."""
    far = FarSide()
    far.note(PAGE, 0.05, 0.0)
    far.overdue(1.0, 0.3, 1.3)
    far.acknowledges(12_000, 3.0, 3.0)
    assert not far.suspected
    for number in range(3):
        far.hear(3.01)
        far.note(PAGE, 2.0 - 0.5 * number, 3.01)
    assert far.expected(PAGE, 3.1, 0.2) == pytest.approx(0.25)


def test_an_outage_before_anything_was_known_tells_nothing() -> None:
    far = FarSide()
    now = _outage(far, 1.0, 2.0, 3)
    assert far.expected(PAGE, now, 0.2) == 0.0


def test_what_it_stood_still_for_was_not_waited_in_vain_since() -> None:
    far = FarSide()
    now = _outage(far, 1.0, 2.0, 1)
    far.gave_up(PAGE, 0.5, 0.3, now)
    assert not far.suspected
    assert far.expected(PAGE, now) < 0.05


# --- what is left on the link -----------------------------------------------------------------------


def test_what_had_left_before_a_link_became_slow_does_not_come_back() -> None:
    far = FarSide()
    far.send(100_000, 1e6, 0.0)
    far.moves(1e4, 0, 0.2, 0.2)
    assert far.queued(0.2) == 0.0, "it was all acknowledged"
    far.send(100_000, 1e6, 1.0)
    far.moves(1e4, 60_000, 1.05, 1.05)
    assert far.queued(1.05) == pytest.approx(6.0), "so much of it is still under way, and takes so long now"
    far.moves(1e6, 2_000, 1.1, 1.1)
    assert far.queued(1.1) == 0.0, "what is left are the link's own words"


@given(
    sent=st.lists(st.tuples(st.integers(1, 10**6), st.floats(1e3, 1e8)), min_size=1, max_size=9),
    told=st.lists(st.tuples(st.floats(1e3, 1e8), st.integers(0, 10**6)), max_size=9),
)
def test_no_more_is_left_on_the_link_than_was_sent_or_is_under_way(
    sent: list[tuple[int, float]], told: list[tuple[float, int]]
) -> None:
    far, now = FarSide(), 0.0
    for size, rate in sent:
        far.send(size, rate, now)
        now += 0.01
    most = sum(size for size, _ in sent)
    for rate, under_way in told:
        now += 0.1
        far.moves(rate, under_way, now, now)
        most = max(most, under_way)
        assert 0.0 <= far.queued(now) * rate <= most * (1 + 1e-9)
        assert far.queued(now + 1e6) == 0.0


def test_a_trial_that_its_caller_gave_up_is_followed_by_another_at_once() -> None:
    far = FarSide()
    far.overdue(1.0, 0.0, 2.0)
    far.try_with(WORK, PAGE, 8.0, 2.0)
    assert not far.may_try(3.0)
    far.try_no_more_with(WORK, 3.0)
    assert far.may_try(3.0)
    far.try_with(WORK, PAGE, 8.0, 3.0)
    far.try_no_more_with(WORK._replace(request_id="another"), 4.0)
    assert not far.may_try(4.0), "one that was no trial changes nothing"


def test_what_only_outages_took_makes_trials_no_longer() -> None:
    far = FarSide()
    for began, ended in ((0.0, 3.0), (4.0, 13.0)):
        far.overdue(began, 0.0, began + 1.0)
        far.hear(ended)
        far.note(PAGE, ended - began, ended)
    assert far.expected(PAGE, 13.0) > 9.0, "two outages with nothing usual between: it may be as slow as that"
    assert far.trial_lasts(PAGE, 13.0) == LONGEST_PAUSE
    far.note(PAGE, 8.0, 24.0)
    assert far.trial_lasts(PAGE, 24.0) > 6.0, "what an answer took that was no outage's is known"
