"""Who goes first on a link."""

from __future__ import annotations

from typing import Any

from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.link.outbox import FLOWS, OPEN_FRAMES, Outbox, Outgoing

LIMITS = Limits(chunk=100)  # type: ignore[arg-type]


def outbox(window: int = 10_000) -> Outbox:
    box = Outbox(LIMITS)
    box.open_window(LinkHello("agent", "p", window_frames=99, window_bytes=window, max_frame_bytes=window))  # type: ignore[arg-type]
    return box


def add(box: Outbox, ticket: int, size: int, kind: FrameKind = FrameKind.REPLY, **fields: Any) -> None:
    box.add(Outgoing(ticket, Frame(kind, str(ticket), **fields), size))  # type: ignore[arg-type]


def order(box: Outbox, chunks: int) -> list[int]:
    """Write so many chunks; return whose they were."""
    tickets, left = [], {}
    for _ in range(chunks):
        outgoing = box.next()
        if outgoing is None:
            break
        ticket = outgoing.ticket
        left[ticket] = max(0, left.get(ticket, outgoing.size) - LIMITS.chunk)
        tickets.append(ticket)
        box.wrote(min(LIMITS.chunk, outgoing.left), last=left[ticket] == 0)
    return tickets


def test_one_chunk_is_written_at_a_time() -> None:
    box = outbox()
    add(box, 1, 10)
    add(box, 2, 10)
    assert box.next() is not None
    assert box.next() is None


def test_first_come_first_served_but_for_priority() -> None:
    box = outbox()
    for ticket, priority in ((1, 0), (2, 0), (3, 5), (4, 1)):
        add(box, ticket, 10, priority=priority)
    assert order(box, 9) == [3, 4, 1, 2]


def test_a_small_frame_waits_for_one_chunk_of_a_large_one_at_most() -> None:
    box = outbox()
    add(box, 1, 1000)
    assert order(box, 3) == [1, 1, 1]
    add(box, 2, 10)
    assert order(box, 2) == [2, 1]


def test_many_small_frames_do_not_hold_up_a_large_one_for_ever() -> None:
    box = outbox()
    add(box, 1, 300)
    for ticket in range(2, 30):
        add(box, ticket, 50)
    assert order(box, 9).count(1) >= 2


def test_large_frames_take_turns_and_few_are_open_at_once() -> None:
    box = outbox()
    for ticket in range(1, 8):
        add(box, ticket, 250)
    first = order(box, 8)
    assert len(set(first)) == OPEN_FRAMES
    assert set(first + order(box, 99)) == set(range(1, 8))


def test_half_sent_bytes_stay_within_the_peers_window() -> None:
    box = outbox(window=500)
    add(box, 1, 400)
    add(box, 2, 200)
    assert order(box, 4) == [1, 1, 1, 1]
    assert order(box, 2) == [2, 2]


def test_control_frames_pass_everything() -> None:
    box = outbox()
    add(box, 1, 10, priority=9)
    add(box, 2, 0, FrameKind.CANCEL)
    assert order(box, 2) == [2, 1]


def test_a_request_without_credit_holds_up_no_reply() -> None:
    box = outbox(window=50)
    add(box, 1, 40, FrameKind.REQUEST)
    add(box, 2, 40, FrameKind.REQUEST)
    add(box, 3, 40)
    assert order(box, 9) == [3, 1]
    box.credit(1, 40)
    assert order(box, 9) == [2]


def test_its_bounds_count_what_leaves() -> None:
    box = Outbox(Limits(queue_frames=2, queue_bytes=100))  # type: ignore[arg-type]
    add(box, 1, 60)
    assert box.is_full_for(50)
    assert not box.is_full_for(40)
    assert box.drop(1)
    assert not box.is_full_for(100)
    add(box, 2, 0)
    add(box, 3, 0)
    assert box.is_full_for(0)
    assert sorted(box.clear()) == [2, 3]
    assert not box.is_full_for(0)


# --- priorities, flows, deadlines ------------------------------------------------------------------


def test_a_frame_of_higher_priority_goes_first_between_the_chunks_of_large_ones_too() -> None:
    box = outbox()
    add(box, 1, 500, priority=0)
    assert order(box, 2) == [1, 1]
    add(box, 2, 300, priority=3)
    add(box, 3, 50, priority=0)
    add(box, 4, 50, priority=3)
    assert order(box, 5) == [4, 2, 2, 2, 3]


def test_an_urgent_large_frame_waits_for_no_place_among_those_that_are_open() -> None:
    box = outbox()
    for ticket in range(1, OPEN_FRAMES + 2):
        add(box, ticket, 1000)
    order(box, OPEN_FRAMES)
    add(box, 9, 250, priority=1)
    assert order(box, 3) == [9, 9, 9]


def test_flows_of_equal_priority_take_turns_by_bytes() -> None:
    box = outbox()
    for ticket in range(1, 21):
        add(box, ticket, 100, FrameKind.REQUEST, flow="many")
    add(box, 50, 100, FrameKind.REQUEST, flow="one")
    add(box, 51, 100, FrameKind.REQUEST, flow="other")
    first = order(box, 4)
    assert 50 in first
    assert 51 in first


def test_the_memory_of_flows_is_bounded() -> None:
    box = outbox()
    for ticket in range(1, 2000):
        box.credit(1, 10)
        add(box, ticket, 10, FrameKind.REQUEST, flow=f"flow {ticket}")
        order(box, 1)
    assert len(box._lanes[True, True].ends) <= FLOWS


def test_a_request_expires_in_the_lane_and_a_reply_never() -> None:
    box = outbox()
    box.add(Outgoing(1, Frame(FrameKind.REQUEST, "1", remaining_ms=100), 10, since=5.0))  # type: ignore[arg-type]
    box.add(Outgoing(2, Frame(FrameKind.REPLY, "2", remaining_ms=100), 10, since=5.0))  # type: ignore[arg-type]
    box.add(Outgoing(3, Frame(FrameKind.REQUEST, "3"), 10, since=5.0))  # type: ignore[arg-type]
    assert box.expired(5.05) == []
    assert [one.ticket for one in box.expired(5.2)] == [1]
    assert order(box, 5) == [2, 3]


def test_of_a_frame_that_was_dropped_half_sent_no_more_is_due() -> None:
    box = outbox(window=1000)
    add(box, 1, 400, FrameKind.REQUEST)
    assert order(box, 1) == [1]
    assert box.drop(1)
    again = box.next()
    assert again is not None
    assert again.abandoned
    box.unsent()
    assert box.next() is None
    assert (box.credit_frames, box.credit_bytes) == (99, 1000), "what never came needs no credit"


def test_a_frame_that_was_small_when_it_came_goes_in_several_chunks_when_they_shrink() -> None:
    box = outbox()
    add(box, 1, 90)
    box.chunk = 30
    outgoing = box.next()
    assert outgoing is not None
    box.wrote(30, last=False)
    assert outgoing.left == 60
    assert box.next() is outgoing
    box.wrote(30, last=False)
    assert box.next() is outgoing
    box.wrote(30, last=True)
    assert box.next() is None
    assert box.size == 0


def test_a_closed_window_lets_control_pass_and_small_frames_where_they_may() -> None:
    box = outbox()
    add(box, 1, 500)
    add(box, 2, 50)
    assert box.next(large=False, small=False) is None
    add(box, 3, 0, FrameKind.CANCEL)
    assert [one.ticket for one in (box.next(large=False, small=False),) if one] == [3]
    box.wrote(0, last=True)
    assert [one.ticket for one in (box.next(large=False, small=True),) if one] == [2]
