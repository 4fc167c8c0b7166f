"""Who goes first on a link."""

from __future__ import annotations

from typing import Any

from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.link.outbox import OPEN_FRAMES, Outbox, Outgoing

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
