"""What waits to be sent on one link, and in which order it goes.

Law: pure and bounded. It decides whose chunk is next; it knows sizes, kinds, priorities, flows and credits,
no bytes. Exactly one chunk is being written at a time.

Order: control frames; then by priority; within one priority small frames (one chunk) before the next chunk of
a large one, but between two chunks of large ones one chunk's worth of small ones at most; replies before
requests; and in a lane the flows of equal priority in turn, by bytes (start-time fair queueing: Goyal, Vin,
Cheng, SIGCOMM 1996), so that one client's sixty frames do not go before another's one.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field

from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkHello

OPEN_FRAMES = 4  # large frames whose chunks take turns; as many again if they are more urgent
FLOWS = 256  # whose turns are remembered
FRAME_COST = 1024  # bytes that a frame counts for beside its payload

_URGENT = frozenset({FrameKind.CANCEL, FrameKind.CREDIT})
_CREDITED = frozenset({FrameKind.REQUEST, FrameKind.TUNNEL})  # what waits at the peer for somebody to take it


@dataclass
class Waiting:
    """A request without an answer; `through`: the count of sent bytes at its end, once all of it has gone, `at`."""

    ticket: int
    through: int = 0
    at: float = 0.0


@dataclass(eq=False)
class Outgoing:
    """A frame on its way out: `size` payload bytes; `since` when it was added; who waits for its answer.

    `abandoned`: nobody wants it any more, though some of it has gone. `carries`: credits in its header.
    """

    ticket: int
    frame: Frame
    size: int
    since: float = 0.0
    started: bool = False
    abandoned: bool = False
    waiting: Waiting | None = None
    carries: tuple[int, int] = (0, 0)
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.size

    def expires(self, now: float) -> bool:
        """Say whether it is a request whose deadline passed while it waited."""
        left, waits = self.frame.remaining_ms, self.frame.kind is FrameKind.REQUEST
        return waits and left > 0 and now - self.since >= left * 1e-3


@dataclass
class _Lane:
    """Frames of one sort that wait to begin: most urgent first, then flow by flow, then in order of arrival."""

    heap: list[tuple[int, float, int, Outgoing]] = field(default_factory=list)
    count: int = 0
    turn: float = 0.0  # of the frame that left last
    ends: dict[str, float] = field(default_factory=dict)  # by flow: where its next turn begins

    def push(self, outgoing: Outgoing) -> None:
        flow = outgoing.frame.flow
        turn = max(self.turn, self.ends.get(flow, 0.0))
        if len(self.ends) >= FLOWS:
            self.ends = {name: end for name, end in self.ends.items() if end > self.turn}
        if len(self.ends) < FLOWS:
            self.ends[flow] = turn + outgoing.size + FRAME_COST
        self.count += 1
        heapq.heappush(self.heap, (-outgoing.frame.priority, turn, self.count, outgoing))

    def head(self) -> Outgoing | None:
        return self.heap[0][3] if self.heap else None

    def pop(self) -> None:
        self.turn = max(self.turn, heapq.heappop(self.heap)[1])

    def remove(self, ticket: int) -> Outgoing | None:
        for entry in self.heap:
            if entry[3].ticket == ticket:
                self.heap.remove(entry)
                heapq.heapify(self.heap)
                return entry[3]
        return None


class Outbox:
    """Lanes by two questions: does it fit one chunk, and does it need credit?

    `chunk` are the payload bytes of one chunk now; `size` those that wait or are under way in it.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.chunk: int = limits.chunk
        self.size = 0
        self._frames = 0
        self._urgent: deque[Outgoing] = deque()
        self._lanes = {(small, credited): _Lane() for small in (True, False) for credited in (True, False)}
        self._open: deque[Outgoing] = deque()
        self._writing: Outgoing | None = None
        self.credit_frames = self.credit_bytes = self._window_bytes = 0
        self._small_turn: int = (
            self.chunk
        )  # bytes of small frames that may pass before a large one's next chunk

    def open_window(self, hello: LinkHello) -> None:
        """Take the peer's window as the first credit."""
        self.credit_frames, self.credit_bytes = hello.window_frames, hello.window_bytes
        self._window_bytes = hello.window_bytes

    def credit(self, frames: int, size: int) -> None:
        """Add what the peer returned."""
        self.credit_frames += frames
        self.credit_bytes += size

    def is_full_for(self, size: int) -> bool:
        """Say whether one more frame of `size` bytes passes the bound on what may wait."""
        return self._frames >= self._limits.queue_frames or self.size + size > self._limits.queue_bytes

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, nor is under way."""
        return not self._frames

    @property
    def is_writing(self) -> bool:
        """Whether a chunk is being written."""
        return self._writing is not None

    def has_unstarted(self) -> bool:
        """Say whether a frame waits whose header can carry credits soon."""
        return bool(self._urgent) or any(
            lane.heap for (_, credited), lane in self._lanes.items() if not credited
        )

    # --- in and out -------------------------------------------------------------------------------

    def add(self, outgoing: Outgoing) -> None:
        """Let a frame wait for its turn."""
        self._frames += 1
        self.size += outgoing.size
        kind = outgoing.frame.kind
        if kind in _URGENT or (kind is FrameKind.PROBE and not outgoing.size):
            self._urgent.append(outgoing)
            return
        self._lanes[outgoing.size <= self.chunk, kind in _CREDITED].push(outgoing)

    def drop(self, ticket: int) -> bool:
        """Forget a frame of which nothing went, mark one of which some went as abandoned; say if there was one."""
        for lane in self._lanes.values():
            outgoing = lane.remove(ticket)
            if outgoing is not None:
                self._leave(outgoing)
                return True
        under_way = [*self._open, self._writing] if self._writing else self._open
        for one in under_way:
            if one.ticket == ticket:
                self._abandon(one)
                return True
        return False

    def _abandon(self, outgoing: Outgoing) -> None:
        if outgoing.started or outgoing is self._writing:
            outgoing.abandoned = True
        else:
            self._forget(outgoing)

    def expired(self, now: float) -> list[Outgoing]:
        """Forget the requests whose deadline passed before anything of them went; return them."""
        late = [
            entry[3] for lane in self._lanes.values() for entry in lane.heap if entry[3].expires(now)
        ]  # fmt: skip
        for outgoing in late:
            self.drop(outgoing.ticket)
        return late

    def clear(self) -> list[int]:
        """Forget everything; return the tickets of frames that somebody here had submitted."""
        waiting = [entry[3] for lane in self._lanes.values() for entry in lane.heap]
        gone = [*self._urgent, *waiting, *self._open]
        self._urgent.clear()
        self._open.clear()
        for lane in self._lanes.values():
            lane.heap.clear()
        if self._writing is not None and self._writing not in gone:
            gone.append(self._writing)
        self._frames = self.size = 0
        return [outgoing.ticket for outgoing in gone if outgoing.ticket > 0]

    # --- writing ----------------------------------------------------------------------------------

    def next(self, large: bool = True, small: bool = True) -> Outgoing | None:
        """Return the frame whose next chunk is to be written now; None: nothing may go, or a chunk is going.

        `large`, `small`: whether chunks of large frames, and small frames, may go at all. Control always may.
        """
        if self._writing is not None or not self._frames:
            return None
        self._writing = self._urgent.popleft() if self._urgent else self._choose(large, small)
        return self._writing

    def wrote(self, piece: int, last: bool) -> None:
        """Take note that a chunk of `piece` payload bytes is written."""
        outgoing, self._writing = self._writing, None
        if outgoing is None:
            return
        outgoing.left -= piece
        if outgoing not in self._open:
            self._small_turn -= piece
            if not last:  # small when it came, and chunks have become smaller since
                self._open.append(outgoing)
        if last:
            self._leave(outgoing)
            if outgoing in self._open:
                self._open.remove(outgoing)
        outgoing.started = True

    def unsent(self) -> Outgoing | None:
        """Forget the frame that was to be written and is not; a request's credit comes back."""
        outgoing, self._writing = self._writing, None
        if outgoing is not None:
            self._forget(outgoing)
        return outgoing

    def _forget(self, outgoing: Outgoing) -> None:
        self._leave(outgoing)
        if outgoing in self._open:
            self._open.remove(outgoing)
        if outgoing.frame.kind in _CREDITED:
            self.credit(1, outgoing.size)

    def _leave(self, outgoing: Outgoing) -> None:
        self._frames -= 1
        self.size -= outgoing.size

    def _choose(self, large: bool, small: bool) -> Outgoing | None:
        if self._lanes[False, False].heap or self._lanes[False, True].heap:
            self._open_large()
        turn = self._most_urgent_open() if large and self._open else None
        if small and (turn is None or self._small_turn > 0):
            one = self._take(small=True, above=turn.frame.priority if turn else None)
            if one is not None:
                return one
        self._small_turn = self.chunk
        if turn is not None:
            self._open.remove(turn)
            self._open.append(turn)
        return turn

    def _most_urgent_open(self) -> Outgoing | None:
        """Return the open frame whose turn it is: the first of the most urgent ones."""
        return max(self._open, key=lambda one: one.frame.priority, default=None)

    def _open_large(self) -> None:
        while len(self._open) < 2 * OPEN_FRAMES:
            most = self._most_urgent_open()
            above = None if len(self._open) < OPEN_FRAMES or most is None else most.frame.priority + 1
            under_way = sum([outgoing.size for outgoing in self._open])
            large = self._take(small=False, room=self._window_bytes - under_way, above=above)
            if large is None:
                return
            self._open.append(large)

    def _take(self, small: bool, room: int | None = None, above: int | None = None) -> Outgoing | None:
        """Take the most urgent frame of one size class that may begin; of equals replies first, then requests.

        `room`: of so many bytes at most; `above`: of this priority at least.
        """
        lanes = [lane for lane in (self._lanes[small, False], self._lanes[small, True]) if lane.heap]
        if len(lanes) > 1:
            lanes.sort(key=lambda lane: lane.heap[0][0])
        for lane in lanes:
            head = lane.head()
            if head is None or (room is not None and head.size > room):
                continue
            if (above is not None and head.frame.priority < above) or not self._pay(head):
                continue
            lane.pop()
            return head
        return None

    def _pay(self, head: Outgoing) -> bool:
        if head.frame.kind not in _CREDITED:
            return True
        if self.credit_frames < 1 or self.credit_bytes < head.size:
            return False
        self.credit_frames -= 1
        self.credit_bytes -= head.size
        return True
