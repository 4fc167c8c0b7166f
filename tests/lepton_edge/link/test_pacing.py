"""What acknowledgements tell, over a simulated link: its rate, its round trip, and how much to have under way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lepton_edge.link import pacing
from lepton_edge.link.pacing import LEAST_CHUNK, SMALL, START_WINDOW, Pacing
from tests.lepton_edge.link.wires import LARGEST, Wire, ask_and_answer

KB, MB = 1e3, 1e6


@pytest.mark.parametrize(
    ("rate", "trip"), [(6.25 * MB, 0.04), (137 * KB, 0.1), (19 * MB, 0.004), (500 * MB, 0.0005)]
)
def test_rate_and_round_trip_of_a_full_link_are_found(rate: float, trip: float) -> None:
    wire = Wire(rate, trip)
    ask_and_answer(wire, 1000, 1)
    wire.send(int(max(2 * MB, rate)))
    wire.finish()
    known = wire.pacing
    assert known.typical() == pytest.approx(rate, rel=0.1)
    assert trip <= known.least <= trip * 1.1 + SMALL / rate
    assert LEAST_CHUNK <= known.chunk <= LARGEST
    assert known.chunk == pytest.approx(min(max(rate * pacing.CHUNK_SECONDS, LEAST_CHUNK), LARGEST), rel=0.1)


@pytest.mark.parametrize(("rate", "trip"), [(6.25 * MB, 0.04), (137 * KB, 0.1), (19 * MB, 0.004)])
def test_a_full_link_stays_full_and_little_waits_before_it(rate: float, trip: float) -> None:
    wire = Wire(rate, trip)
    ask_and_answer(wire, 1000, 1)
    wire.send(int(2 * rate))  # two seconds: until it is known
    wire.finish()
    begun, sent, wire.most = wire.now, wire.pacing.acked, 0
    wire.send(int(3 * rate))
    wire.finish()
    assert (wire.pacing.sent - sent) / (wire.now - begun) > 0.97 * rate
    assert wire.most <= 1.65 * rate * trip + 3.5 * wire.pacing.chunk
    assert wire.most / rate < 2 * trip + 0.06 + 2 * LEAST_CHUNK / rate


def test_frames_with_pauses_between_them_show_the_rate_and_not_the_pauses() -> None:
    wire = Wire(6.25 * MB, 0.04)
    ask_and_answer(wire, 150_000, 20, rest=0.3)
    assert wire.pacing.typical() == pytest.approx(wire.rate, rel=0.1)
    assert wire.pacing.least == pytest.approx(0.04, rel=0.1)


def test_small_requests_cost_one_question_a_second_and_tell_no_rate() -> None:
    wire = Wire(6.25 * MB, 0.04)
    asked = 0
    for _ in range(100):
        before = wire.pacing.sent
        wire.send(1000)
        asked += len(wire.received)
        wire.finish()
        wire.pacing.arrived(wire.pacing.sent)
        assert wire.pacing.sent == before + 1000
    assert asked == pytest.approx(wire.now, abs=1.5)
    assert wire.pacing.typical() == 0
    assert wire.pacing.least == pytest.approx(0.04, rel=0.1)


def test_the_start_holds_back_no_more_than_a_window_that_slow_start_never_fills_first() -> None:
    wire = Wire(6.25 * MB, 0.2)
    wire.send(4 << 20)
    assert wire.most >= START_WINDOW
    assert wire.most <= 2 * START_WINDOW + 1.2 * pacing.STARTUP_GAIN * wire.rate * wire.trip


def test_a_link_that_becomes_slower_is_followed_within_a_second_or_two() -> None:
    wire = Wire(6.25 * MB, 0.04)
    wire.send(6_000_000)
    wire.finish()
    wire.rate = 0.625 * MB
    wire.send(3_000_000)
    wire.finish()
    assert wire.pacing.typical() == pytest.approx(wire.rate, rel=0.2)
    assert wire.pacing.window < 4 * (wire.rate * wire.trip + wire.pacing.chunk)


def test_a_receiver_that_stalls_and_answers_in_a_burst_does_not_make_the_link_fast() -> None:
    wire = Wire(6.25 * MB, 0.04)
    wire.send(2_000_000)
    straight = wire.back_at

    def stalled(arrived: float) -> float:
        return max(straight(arrived), (int(arrived * 4) + (arrived * 4 % 1 > 0.6)) / 4 + 0.02)

    wire.back_at = stalled  # type: ignore[method-assign]
    wire.send(20_000_000)
    wire.finish()
    assert wire.pacing.typical() < 1.5 * wire.rate
    assert wire.pacing.rate < 2 * wire.rate


def test_under_lasting_load_the_link_drains_once_in_a_while_to_look_at_the_round_trip() -> None:
    wire = Wire(1 * MB, 0.05)
    ask_and_answer(wire, 1000, 1)
    wire.send(20_000_000)
    wire.trip = 0.1  # the route changed: a queue that is never empty cannot tell
    wire.send(60_000_000)
    wire.finish()
    assert wire.pacing.least == pytest.approx(0.1, rel=0.2)


@pytest.mark.parametrize("tell", [lambda p: p.acknowledged(10**9, 1.0)])
def test_a_count_of_what_was_never_sent_is_not_believed(tell: Callable[[Pacing], bool]) -> None:
    one = Pacing(LARGEST)
    one.begin()
    one.handed(1000, 0.0, asked=True)
    assert not tell(one)
    assert one.under_way == 1000


def test_an_old_or_repeated_count_takes_nothing_back() -> None:
    one = Pacing(LARGEST)
    one.begin()
    for _ in range(3):
        one.handed(1000, 0.0, asked=True)
    assert one.acknowledged(2000, 1.0)
    for count in (1000, 2000, 0):
        assert one.acknowledged(count, 1.1)
        assert one.under_way == 1000


def test_a_window_that_shrank_below_what_is_under_way_opens_again() -> None:
    one = Pacing(LARGEST)
    one.begin()
    one.handed(100, 0.0, asked=True)
    assert one.acknowledged(100, 0.1)
    one.handed(5000, 0.2, asked=False)
    one.window = 10
    assert one.may_send(), "nothing was asked: nobody would ever open it"
    assert one.wants_answer(1000, 0.3)


def test_without_acknowledgements_nothing_is_held_back_or_asked() -> None:
    one = Pacing(LARGEST)
    for _ in range(100):
        assert one.may_send()
        assert one.piece(LARGEST, 0.0) == LARGEST
        assert not one.wants_answer(LARGEST, 0.0)
        one.handed(LARGEST, 0.0, asked=False)


def test_slow_start_is_discounted_where_there_is_anything_else() -> None:
    wire = Wire(6.25 * MB, 0.04)
    ask_and_answer(wire, 1000, 1)
    for _ in range(5):
        wire.rate = 1 * MB  # as slow start has it, after a rest
        ask_and_answer(wire, 150_000, 1)
        wire.rate = 6.25 * MB
        ask_and_answer(wire, 150_000, 1, rest=1.5)
    assert wire.pacing.typical() == pytest.approx(6.25 * MB, rel=0.15)
    wire = Wire(1 * MB, 0.04)
    ask_and_answer(wire, 150_000, 5, rest=1.5)
    assert wire.pacing.typical() == pytest.approx(1 * MB, rel=0.15)


def test_a_link_that_becomes_faster_is_followed_at_once() -> None:
    wire = Wire(1 * MB, 0.04)
    ask_and_answer(wire, 150_000, 15, rest=0.1)
    wire.rate = 6.25 * MB
    wire.send(3_000_000)
    assert wire.pacing.rate == pytest.approx(wire.rate, rel=0.2)


def test_chunks_are_fine_and_the_window_strict_while_small_frames_go() -> None:
    wire = Wire(2.256 * MB, 0.005)
    ask_and_answer(wire, 1000, 1)
    wire.send(6_000_000)
    wire.finish()
    coarse = wire.pacing.chunk
    wire.pacing.carried(1000, wire.now)
    wire.send(300_000)
    wire.finish()
    begun, sent, wire.most = wire.now, wire.pacing.acked, 0
    while wire.now - begun < 3:
        wire.pacing.carried(1000, wire.now)
        wire.send(60_000)
    wire.finish()
    assert wire.pacing.chunk < coarse / 2
    assert wire.most / wire.rate < 0.005 * pacing.GAIN + 2.5 * wire.pacing.chunk / wire.rate
    assert (wire.pacing.sent - sent) / (wire.now - begun) > 0.95 * wire.rate
    wire.now += pacing.FINE_AGE
    wire.send(1_000_000)
    wire.finish()
    assert wire.pacing.chunk == pytest.approx(coarse, rel=0.1)


def test_a_frame_that_tells_asks_at_its_end_and_not_more_often_than_it_need() -> None:
    def asked(rate: float, trip: float, frames: int) -> int:
        wire, count = Wire(rate, trip), 0
        ask_and_answer(wire, 15_000, 3)
        for _ in range(frames):
            before = len(wire.received)
            wire.send(15_000)
            count += len(wire.received) > before
            wire.finish(0.005)
            wire.pacing.arrived(wire.pacing.sent)
        return count

    assert asked(0.5 * MB, 0.004, 20) == 20
    assert asked(500 * MB, 0.0002, 100) <= 0.6 / pacing.QUICK_EVERY, "each takes 30 us"


def test_an_answer_that_took_oddly_long_has_the_next_frame_ask() -> None:
    wire = Wire(500 * MB, 0.0002)
    ask_and_answer(wire, 15_000, 5)
    wire.send(15_000)
    assert not wire.received
    wire.pacing.answered(0.0004)
    assert not wire.pacing.wants_answer(15_000, wire.now, last=True)
    wire.pacing.answered(0.11)
    assert wire.pacing.wants_answer(15_000, wire.now, last=True)


def test_another_route_is_no_matter_of_ten_seconds() -> None:
    wire = Wire(2 * MB, 0.005)
    ask_and_answer(wire, 20_000, 10, rest=0.3)
    wire.trip = 0.1
    ask_and_answer(wire, 20_000, 6, rest=0.3)
    assert wire.pacing.least == pytest.approx(0.1, rel=0.2)


def test_after_a_change_the_next_chunk_tells_whether_it_was_the_round_trip() -> None:
    wire = Wire(2.256 * MB, 0.004)
    ask_and_answer(wire, 15_000, 20, rest=0.01)
    assert wire.pacing.piece(15_000, wire.now) == 15_000
    wire.trip = 0.1
    ask_and_answer(wire, 15_000, 1)
    assert wire.pacing.piece(15_000, wire.now) == pacing.LOOK
    ask_and_answer(wire, 15_000, 1)
    assert wire.pacing.trip(wire.now) == pytest.approx(0.1, rel=0.1)
    assert wire.pacing.up(wire.now) > 1 * MB


def test_the_end_of_a_look_asks_though_the_frame_before_it_did_not() -> None:
    line = pacing.Pacing(512 << 10)
    line.begin()
    line.handed(11_000, 5.0, asked=False)  # its reply proves that it arrived
    line.paused()
    line.arrived(line.sent)
    first = line.piece(12_288, 7.0)
    assert first == pacing.LOOK
    assert line.wants_answer(first, 7.0)
    line.handed(first, 7.0, asked=True)
    assert line.wants_answer(12_288 - first, 7.0, last=True), "or the look shows no rate"
