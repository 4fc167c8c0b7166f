"""What transfers tell of a link: at once when it has become another one, and never out of jitter."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.link.sight import MEANT, STRAY_AGE, STRAYS, Sight
from tests.lepton_edge.link.wires import NoisyWire, ask_and_answer

KB, MB = 1e3, 1e6
WIFI, THREE_G = 2.256 * MB, 131 * KB


def predicted(wire: NoisyWire, size: int) -> float:
    """Return the seconds of `size` bytes there, by what is known of the link, over what they take."""
    seen = wire.pacing
    return (seen.trip(wire.now) + size / seen.up(wire.now)) / (wire.trip + size / wire.rate)


@pytest.mark.parametrize("size", [9_000, 15_000, 40_000])
@pytest.mark.parametrize(("before", "after"), [(WIFI, THREE_G), (THREE_G, WIFI)])
@pytest.mark.parametrize("part", [0.0, 0.1])
def test_one_transfer_shows_a_step_of_the_rate(size: int, before: float, after: float, part: float) -> None:
    for seed in range(10):
        wire = NoisyWire(before, 0.004, part, seed)
        ask_and_answer(wire, size, 30, rest=0.05)
        news = wire.pacing.sight.news
        wire.rate = after
        ask_and_answer(wire, size, 1, rest=0.05)
        assert wire.pacing.sight.news > news
        assert 0.6 < predicted(wire, size) < 1.7
        ask_and_answer(wire, size, 10, rest=0.05)
        assert wire.pacing.up(wire.now) == pytest.approx(after, rel=0.45)


@pytest.mark.parametrize("size", [9_000, 15_000, 40_000])
def test_a_step_of_the_round_trip_is_followed_too(size: int) -> None:
    for before, after in ((0.004, 0.1), (0.1, 0.004)):
        wire = NoisyWire(WIFI, before, 0.05, seed=3)
        ask_and_answer(wire, size, 30, rest=0.05)
        wire.trip = after
        ask_and_answer(wire, size, 2, rest=0.05)
        assert 0.5 < predicted(wire, size) < 2
        ask_and_answer(wire, size, 10, rest=0.05)
        assert wire.pacing.trip(wire.now) == pytest.approx(after, rel=0.35, abs=0.002)


@pytest.mark.parametrize(("part", "most"), [(0.1, 0), (0.3, 2)])
@pytest.mark.parametrize(("rate", "trip"), [(WIFI, 0.004), (THREE_G, 0.1)])
def test_jitter_is_no_change(rate: float, trip: float, part: float, most: int) -> None:
    wire = NoisyWire(rate, trip, part, seed=7)
    ask_and_answer(wire, 15_000, 30, rest=0.05)
    false = 0
    for _ in range(1000):
        ask_and_answer(wire, 15_000, 1, rest=0.05)
        false += not 0.5 < predicted(wire, 15_000) < 2
    assert false <= most


def test_slow_start_is_no_excuse_for_ever() -> None:
    for seed in range(5):
        wire = NoisyWire(THREE_G, 0.1, 0.1, seed)
        ask_and_answer(wire, 40_000, 30, rest=0.3)
        assert 0.8 < predicted(wire, 40_000) < 1.3


def test_a_transfer_that_is_overdue_shows_an_upper_bound_before_it_ends() -> None:
    wire = NoisyWire(WIFI, 0.004, 0.0, seed=1)
    ask_and_answer(wire, 15_000, 20, rest=0.05)
    pacing = wire.pacing
    at = wire.now
    pacing.handed(15_000, at, asked=True)
    pacing.paused()
    assert pacing.due is not None
    assert at + 0.01 < pacing.due < at + 0.03
    assert pacing.up(pacing.due - 0.001) == pytest.approx(WIFI, rel=0.1)
    news, told = pacing.sight.news, []
    while pacing.due < at + 1.0:
        now = pacing.due
        pacing.look(now)
        told.append(pacing.up(now))
        assert told[-1] <= 15_000 / (now - at - 0.0045)
    assert pacing.sight.news == news + len(told)
    assert told == sorted(told, reverse=True)
    assert len(told) < 15, "said again after half as long again"
    assert pacing.acknowledged(pacing.sent, at + 1.0)
    assert pacing.due is None
    assert pacing.up(at + 1.0) == pytest.approx(15_000, rel=0.1), "now it is known"


def test_a_word_that_is_overdue_shows_a_longer_round_trip() -> None:
    wire = NoisyWire(WIFI, 0.004, 0.0, seed=1)
    ask_and_answer(wire, 15_000, 20, rest=0.05)
    pacing, at = wire.pacing, wire.now
    pacing.handed(60, at, asked=True)
    assert pacing.trip(at + 0.5) == 0.5
    assert pacing.up(at + 0.5) == pytest.approx(WIFI, rel=0.1)


def test_slow_start_after_a_rest_is_no_slower_link_and_a_slower_link_is_one_after_a_rest_too() -> None:
    sight = Sight()
    sight.round_trip(0.04, 100, 0.0)
    for second in range(10):
        sight.transfer(0.04 + 60_000 / 2e6, 60_000, second, 0.04)
    news = sight.news
    for second in range(10, 20):
        sight.transfer(0.12 + 60_000 / 2e6, 60_000, second, 0.04, rested=True)
        sight.transfer(0.04 + 60_000 / 2e6, 60_000, second + 0.1, 0.04)
    assert sight.news == news
    assert sight.rate == pytest.approx(2e6, rel=0.05)
    for second in range(20, 24):
        sight.transfer(0.12 + 60_000 / 2e6, 60_000, second, 0.04, rested=True)
    assert sight.rate == pytest.approx(60_000 / 0.11, rel=0.05), "that is what the next one takes"
    for second in (24.0, 24.1):
        sight.transfer(0.04 + 60_000 / 2e6, 60_000, second, 0.04)
    assert sight.rate == pytest.approx(2e6, rel=0.05)
    sight.transfer(0.5, 60_000, 20.0, 0.04, rested=True)
    assert sight.rate < 0.3e6


def test_what_is_small_tells_no_rate_and_what_is_lost_in_the_round_trip_neither() -> None:
    sight = Sight()
    for second in range(10):
        sight.round_trip(0.1 + second % 3 * 0.01, 100, second)
        sight.transfer(0.1, MEANT - 1, second, 0.1)
        sight.transfer(0.111, 20_000, second, 0.1)
    assert sight.rate == 0
    assert sight.trip == pytest.approx(0.11, rel=0.1)


def test_what_is_small_refutes_the_rate_of_an_outage_and_tells_no_other() -> None:
    sight = Sight()
    for at in range(20):
        sight.round_trip(0.006, 300, float(at))
        sight.transfer(0.010, 9_000, float(at), 0.005)
    quick = sight.rate
    for at in (20.0, 21.0):
        sight.transfer(1.5, 9_000, at, 0.005)
    assert sight.rate < 10 * KB
    sight.transfer(0.5, 3_900, 22.0, 0.005)
    assert sight.rate < 10 * KB, "it took as long as it had to"
    sight.transfer(0.008, 3_900, 23.0, 0.005)
    assert 300 * KB < sight.rate <= 3_900 / 0.008, "so much it moves at least"
    seen = sight.rate
    sight.transfer(0.009, 3_900, 24.0, 0.005)
    assert sight.rate == seen < quick


def test_the_99th_percentile_is_of_the_last_ones_and_of_no_change() -> None:
    sight, chance = Sight(), random.Random(1)
    sight.round_trip(0.004, 100, 0.0)
    usual = 0.004 + 15_000 / WIFI
    for number in range(3 * STRAYS):
        took = usual + (0.012 if number % 30 == 0 else chance.uniform(0, 0.002))
        sight.transfer(took, 15_000, number * 0.1, 0.004)
    now = 3 * STRAYS * 0.1
    assert sight.p99(now) == pytest.approx(0.011, abs=0.0025)
    assert sight.p99(now + STRAY_AGE) == 0
    sight.transfer(2.0, 15_000, now, 0.004)
    sight.transfer(2.0, 15_000, now, 0.004)
    assert sight.p99(now) < 0.02, "that was a change"


@pytest.mark.parametrize(
    ("spread", "rate", "most"), [((0.9, 1.3), 0.12e6, 0.2e6), ((0.5, 1.9), 0.2e6, 0.3e6)]
)
def test_a_link_that_became_quick_is_seen_though_a_busy_machine_hides_what_transfers_take(
    spread: tuple[float, float], rate: float, most: float
) -> None:
    sight, chance = Sight(), random.Random(1)
    for second in range(12):
        sight.round_trip(0.08 * chance.uniform(0.5, 1.5), 100, second)
        sight.transfer(0.08 * chance.uniform(*spread) + 12_000 / rate, 12_000, second, 0.08)
    assert sight.rate < most
    for second in range(12, 14):
        sight.round_trip(0.08 * chance.uniform(0.8, 1.2), 100, second)
        sight.transfer(0.085, 12_000, second, 0.08)
    assert sight.rate > 0.4e6


def test_an_outage_is_no_jitter() -> None:
    sight = Sight()
    sight.round_trip(0.004, 100, 0.0)
    usual = 0.004 + 15_000 / WIFI
    for number in range(60):
        sight.transfer(1.5 if number % 20 == 10 else usual + number % 4 * 0.001, 15_000, number * 0.1, 0.004)
    assert 0 < sight.p99(6.0) <= 0.05
    for number in range(60, 160):  # but a link that is like that always is like that
        sight.transfer(usual + number % 4 * 0.1, 15_000, number * 0.1, 0.004)
    assert sight.p99(16.0) == pytest.approx(0.3, abs=0.12)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["send", "hear", "wait", "lose", "arrive", "look"]), st.integers(0, 200_000)
        ),
        max_size=80,
    )
)
def test_whatever_comes_in_whatever_order_the_estimate_is_a_number(story: list[tuple[str, int]]) -> None:
    wire = NoisyWire(1 * MB, 0.03, 0.5, seed=5)
    pacing = wire.pacing
    for what, size in story:
        if what == "send":
            wire.send(size)
        elif what == "hear" and wire.received:
            wire.hear_next()
        elif what == "wait":
            wire.now += size / 1e5
        elif what == "lose":
            wire.received = [(at + size / 1e5, count) for at, count in wire.received]
        elif what == "arrive":
            pacing.arrived(min(size, pacing.sent))
        else:
            pacing.look(wire.now)
        assert 0 <= pacing.up(wire.now) < 1e13
        assert 0 <= pacing.trip(wire.now) < 1e4
        assert 0 <= pacing.sight.p99(wire.now) < 1e4
        assert (pacing.due is None) or pacing.waits_since is not None


def noisy(rate: float, sizes: list[int], trip: float = 0.01, most: float = 0.07, seed: int = 1) -> Sight:
    """Return what is seen of a link beside a busy processor, which delays each answer by up to `most` seconds."""
    sight, chance = Sight(), random.Random(seed)
    for number, size in enumerate(sizes):
        sight.round_trip(trip + chance.uniform(0, most), 100, number * 0.5)
        sight.transfer(trip + size / rate + chance.uniform(0, most), size, number * 0.5 + 0.1, trip)
    return sight


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(MEANT, 80_000), min_size=2, max_size=15),
    st.sampled_from([THREE_G, WIFI]),
    st.integers(0, 99),
)
def test_no_rate_is_believed_that_the_last_transfer_refutes(
    sizes: list[int], after: float, seed: int
) -> None:
    sight = noisy(THREE_G, sizes, seed=seed)
    took = 0.01 + sizes[-1] / after + 0.03
    sight.transfer(took, sizes[-1], 60.0, 0.01)
    sooner_than_possible = took + 2 * 0.0021 < sizes[-1] / sight.rate
    assert not sooner_than_possible or sight.rate * 1.26 > sizes[-1] / took


def test_a_transfer_of_some_size_shows_a_rise_however_much_the_small_ones_scatter() -> None:
    for seed in range(50):
        sight = noisy(THREE_G, [12_000, 5_000] * 8, seed=seed)
        news = sight.news
        sight.transfer(0.01 + 25_000 / WIFI + 0.065, 25_000, 9.0, 0.01)
        assert sight.news > news
        assert sight.rate > 1.9 * THREE_G


def test_what_takes_no_longer_than_something_small_is_no_slower_for_its_bytes() -> None:
    for seed in range(20):
        sight = noisy(WIFI, [75_000] * 8, seed=seed)
        sight.round_trip(0.08, 100, 4.0)
        before = sight.rate
        for number in range(6):
            sight.transfer(0.079, 12_000, 4.1 + number, 0.01)
        assert sight.rate >= 0.99 * before


def test_large_transfers_count_for_more_than_many_small_ones_beside_a_busy_processor() -> None:
    rates = [noisy(WIFI, [12_000] * 8 + [75_000] * 3, seed=seed).rate for seed in range(40)]
    assert sum(rate > WIFI / 2.5 for rate in rates) >= 36


def test_what_came_too_soon_and_proves_nothing_is_doubted() -> None:
    sight = noisy(THREE_G, [12_000] * 10, most=0.02)
    assert not sight.doubted
    took = 0.01 + 12_000 / THREE_G
    sight.transfer(took * 0.85, 12_000, 9.0, 0.01)
    assert sight.doubted
    sight.transfer(took * 1.05, 12_000, 9.5, 0.01)
    assert not sight.doubted
