"""Who is let in when room grows scarce, and when the others shall come back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agents.machine.room import LONGEST_WAIT, SHORTEST_WAIT, Room, Share, default_size_limit


def filled(room: Room, flow: str, most: int = 1 << 30, size: int = 1) -> int:
    """Let `flow` in until it is refused; return how often that was."""
    count = 0
    while count < most and not room.refusal(flow, size):
        room.enter(flow, size)
        count += 1
    return count


def test_one_that_floods_leaves_a_reserve_for_others() -> None:
    room = Room(limit=256)
    assert filled(room, "flood") == 192
    assert "192 of them yours" in room.refusal("flood", 1)
    assert filled(room, "polite") == 64
    assert room.refusal("another", 1), "the reserve is spent too"


def test_two_that_flood_leave_it_for_a_third() -> None:
    room = Room(limit=256)
    filled(room, "a", 96)
    filled(room, "b")
    assert not room.refusal("c", 1)
    assert room.refusal("a", 1)


def test_as_many_callers_with_one_request_each_as_there_is_room_for() -> None:
    room = Room(limit=256)
    assert sum(filled(room, str(number), 1) for number in range(300)) == 256


def test_bytes_are_shared_like_requests_and_one_large_request_always_fits() -> None:
    room = Room(limit=256, size_limit=100)
    assert not room.refusal("large", 1000)
    assert filled(room, "flood", size=10) == 7
    assert "MB" in room.refusal("flood", 10)
    assert filled(room, "polite", size=25) == 1


def test_what_makes_place_counts_as_gone() -> None:
    room = Room(limit=4)
    filled(room, "a")
    assert room.refusal("a", 1)
    assert not room.refusal("a", 1, freed=Share(1, 1))


def test_a_flow_is_forgotten_with_its_last_request() -> None:
    room = Room()
    room.enter("a", 5)
    room.enter("a", 7)
    room.leave("a", 5)
    assert room.shares == {"a": Share(1, 7)}
    room.leave("a", 7)
    assert (room.shares, room.requests, room.size) == ({}, 0, 0)


def test_the_pace_is_that_of_answers_while_there_is_work() -> None:
    room = Room()
    for number in range(100):  # two at a time, an answer each 0.1 s, each after 0.2 s
        room.answered(number * 0.1 - 0.1, number * 0.1 + 0.1)
    assert room.pace == pytest.approx(0.1, rel=0.01)
    room.answered(1000.0, 1000.1)
    assert room.pace == pytest.approx(0.1, rel=0.01), "a pause is no pace"


def test_who_is_refused_waits_as_long_as_what_is_ahead_of_it_takes() -> None:
    room = Room(limit=256)
    room.pace = 0.1  # type: ignore[assignment]
    filled(room, "flood")
    assert room.wait("flood") == pytest.approx(0.1), "one answer makes place again"
    filled(room, "polite", 60)
    assert room.wait("flood") == pytest.approx(6.1)
    assert room.turn() == pytest.approx(0.2)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 40)), max_size=60),
    st.floats(0, 100),
)
def test_the_room_is_bounded_and_the_wait_too(asked: list[tuple[str, int]], pace: float) -> None:
    room = Room(limit=12, size_limit=200)
    room.pace = pace  # type: ignore[assignment]
    inside = []
    for flow, size in asked:
        if size == 0 and inside:
            room.leave(*inside.pop(0))
        elif room.refusal(flow, size):
            assert SHORTEST_WAIT <= room.wait(flow) <= LONGEST_WAIT
        else:
            room.enter(flow, size)
            inside.append((flow, size))
        assert room.requests <= 12
        assert room.size <= 200


def test_a_device_gives_an_eighth_of_its_memory() -> None:
    assert default_size_limit(16 << 30) == 2 << 30
    assert default_size_limit(256 << 20) == 64 << 20
