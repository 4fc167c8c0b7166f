"""What waits to be sent on one link, and in which order it goes.

Law: pure and bounded. It decides whose chunk is next; it knows sizes, kinds, priorities and credits, no
bytes. Exactly one chunk is being written at a time.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field

from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkHello

OPEN_FRAMES = 4  # large frames whose chunks take turns

_URGENT = frozenset({FrameKind.CANCEL, FrameKind.CREDIT})
_CREDITED = frozenset({FrameKind.REQUEST, FrameKind.TUNNEL})  # what waits at the peer for somebody to take it


@dataclass(eq=False)
class Outgoing:
    """A frame on its way out: `size` payload bytes; `since` when it was added, for probes."""

    ticket: int
    frame: Frame
    size: int
    since: float = 0.0
    started: bool = False


@dataclass
class _Lane:
    """Frames of one sort that wait to begin, most urgent first, then in order of arrival."""

    heap: list[tuple[int, int, Outgoing]] = field(default_factory=list)
    count: int = 0

    def push(self, outgoing: Outgoing) -> None:
        self.count += 1
        heapq.heappush(self.heap, (-outgoing.frame.priority, self.count, outgoing))

    def head(self) -> Outgoing | None:
        return self.heap[0][2] if self.heap else None

    def remove(self, ticket: int) -> Outgoing | None:
        for entry in self.heap:
            if entry[2].ticket == ticket:
                self.heap.remove(entry)
                heapq.heapify(self.heap)
                return entry[2]
        return None


class Outbox:
    """Lanes by two questions: does it fit one chunk, and does it need credit?"""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._urgent: deque[Outgoing] = deque()
        self._lanes = {(small, credited): _Lane() for small in (True, False) for credited in (True, False)}
        self._open: deque[Outgoing] = deque()
        self._writing: Outgoing | None = None
        self._frames = self._bytes = 0
        self._credit_frames = self._credit_bytes = self._window_bytes = 0
        self._small_turn: int = (
            limits.chunk
        )  # bytes of small frames that may still pass before a large one's next chunk

    def open_window(self, hello: LinkHello) -> None:
        """Take the peer's window as the first credit."""
        self._credit_frames, self._credit_bytes = hello.window_frames, hello.window_bytes
        self._window_bytes = hello.window_bytes

    def credit(self, frames: int, size: int) -> None:
        """Add what the peer returned."""
        self._credit_frames += frames
        self._credit_bytes += size

    def is_full_for(self, size: int) -> bool:
        """Say whether one more frame of `size` bytes passes the bound on what may wait."""
        return self._frames >= self._limits.queue_frames or self._bytes + size > self._limits.queue_bytes

    def has_unstarted(self) -> bool:
        """Say whether a frame waits whose header can carry credits soon."""
        return bool(self._urgent) or any(
            lane.heap for (_, credited), lane in self._lanes.items() if not credited
        )

    def add(self, outgoing: Outgoing) -> None:
        """Let a frame wait for its turn."""
        self._frames += 1
        self._bytes += outgoing.size
        if outgoing.frame.kind in _URGENT or (outgoing.frame.kind is FrameKind.PROBE and not outgoing.size):
            self._urgent.append(outgoing)
            return
        credited = outgoing.frame.kind in _CREDITED
        self._lanes[outgoing.size <= self._limits.chunk, credited].push(outgoing)

    def drop(self, ticket: int) -> bool:
        """Forget a frame that has not begun; say whether there was one."""
        for lane in self._lanes.values():
            outgoing = lane.remove(ticket)
            if outgoing is not None:
                self._leave(outgoing)
                return True
        return False

    def clear(self) -> list[int]:
        """Forget everything; return the tickets of frames that somebody here had submitted."""
        waiting = [entry[2] for lane in self._lanes.values() for entry in lane.heap]
        gone = [*self._urgent, *waiting, *self._open]
        self._urgent.clear()
        self._open.clear()
        for lane in self._lanes.values():
            lane.heap.clear()
        if self._writing is not None and self._writing not in gone:
            gone.append(self._writing)
        self._frames = self._bytes = 0
        return [outgoing.ticket for outgoing in gone if outgoing.ticket > 0]

    def next(self) -> Outgoing | None:
        """Return the frame whose next chunk is to be written now; None: nothing may go, or one is going."""
        if self._writing is not None or not self._frames:
            return None
        self._writing = self._choose()
        return self._writing

    def wrote(self, ticket: int, size: int, last: bool) -> None:
        """Take note that the chunk is written."""
        outgoing = self._writing
        self._writing = None
        if outgoing is None:
            return
        if outgoing.size <= self._limits.chunk:
            self._small_turn -= size
        if last:
            self._leave(outgoing)
            if outgoing in self._open:
                self._open.remove(outgoing)
        outgoing.started = True

    def unsent(self) -> None:
        """Forget the frame that was to be written and cannot be; a request's credit comes back."""
        outgoing, self._writing = self._writing, None
        if outgoing is None:
            return
        self._leave(outgoing)
        if outgoing in self._open:
            self._open.remove(outgoing)
        if outgoing.frame.kind in _CREDITED:
            self.credit(1, outgoing.size)

    def _leave(self, outgoing: Outgoing) -> None:
        self._frames -= 1
        self._bytes -= outgoing.size

    def _choose(self) -> Outgoing | None:
        if self._urgent:
            return self._urgent.popleft()
        if self._lanes[False, False].heap or self._lanes[False, True].heap:
            self._open_large()
        small = None if self._open and self._small_turn <= 0 else self._take(small=True)
        if small is not None:
            return small
        self._small_turn = self._limits.chunk
        if not self._open:
            return None
        self._open.rotate(-1)
        return self._open[-1]

    def _open_large(self) -> None:
        while len(self._open) < OPEN_FRAMES:
            under_way = sum(outgoing.size for outgoing in self._open)
            large = self._take(small=False, room=self._window_bytes - under_way)
            if large is None:
                return
            self._open.append(large)

    def _take(self, small: bool, room: int | None = None) -> Outgoing | None:
        """Take the most urgent frame of one size class that may begin: replies first, then requests."""
        for credited in (False, True):
            lane = self._lanes[small, credited]
            head = lane.head()
            if head is None or (room is not None and head.size > room) or (credited and not self._pay(head)):
                continue
            heapq.heappop(lane.heap)
            return head
        return None

    def _pay(self, head: Outgoing) -> bool:
        if self._credit_frames < 1 or self._credit_bytes < head.size:
            return False
        self._credit_frames -= 1
        self._credit_bytes -= head.size
        return True
