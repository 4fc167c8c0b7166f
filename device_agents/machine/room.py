"""Who takes how much of this device's room for requests, and who is let in when it grows scarce.

Law: pure arithmetic over flows (a flow is who asked). Bounded: a flow is forgotten with its last request.

Three quarters of the room are for whoever comes first. The last quarter is a reserve for flows that have less than
their fair share (the room through the flows there are, and one to come), so that one caller who floods is refused
before anybody else is. Requests and the bytes that they take (what they brought, or what is kept of them for a
fallback, if that is more) are counted by the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from partitioner.units import Bytes, Seconds

RESERVE = 4  # one part in so many
PACE_WEIGHT = 0.2
SHORTEST_WAIT, LONGEST_WAIT = Seconds(0.001), Seconds(30.0)


@dataclass
class Share:
    """What one flow takes."""

    requests: int = 0
    size: int = 0


@dataclass
class Room:
    """The room of one device: `limit` requests and `size_limit` bytes of their tensors.

    `pace` is the seconds between two answers while there was work, a moving average.
    """

    limit: int = 256
    size_limit: int = 256 << 20
    shares: dict[str, Share] = field(default_factory=dict)
    requests: int = 0
    size: int = 0
    pace: Seconds = Seconds(0.05)
    ended_at: float = 0.0

    def refusal(self, flow: str, size: int, freed: Share | None = None) -> str:
        """Return why a request of `size` bytes is not let in, or nothing; `freed` goes if it comes."""
        mine, freed = self.shares.get(flow, Share()), freed or Share()
        flows = len(self.shares) + (flow not in self.shares) + 1
        requests, taken = self.requests - freed.requests, self.size - freed.size
        if not _welcome(requests, mine.requests - freed.requests, 1, self.limit, flows):
            return f"{self.requests} requests in progress, {mine.requests} of them yours; its limit is {self.limit}"
        if not _welcome(taken, mine.size - freed.size, size, self.size_limit, flows):
            megabytes = (
                f"{self.size / 1e6:.0f} MB of requests in progress, {mine.size / 1e6:.0f} MB of them yours"
            )
            return f"{megabytes}; its limit is {self.size_limit / 1e6:.0f} MB"
        return ""

    def enter(self, flow: str, size: int) -> None:
        """Take a request in."""
        share = self.shares.setdefault(flow, Share())
        share.requests += 1
        share.size += size
        self.requests += 1
        self.size += size

    def leave(self, flow: str, size: int) -> None:
        """Let a request go."""
        share = self.shares[flow]
        share.requests -= 1
        share.size -= size
        self.requests -= 1
        self.size -= size
        if not share.requests:
            del self.shares[flow]

    def answered(self, arrived: float, now: float) -> None:
        """Note an answer at `now` to a request that came at `arrived`."""
        gap = now - max(self.ended_at, arrived)
        self.pace = Seconds(self.pace + PACE_WEIGHT * (gap - self.pace))
        self.ended_at = now

    def turn(self) -> Seconds:
        """Return after how long a flow's turn comes again."""
        return self._seconds(len(self.shares))

    def wait(self, flow: str) -> Seconds:
        """Return how long a flow that was refused shall wait, by the measured pace and what is ahead of it.

        Either enough requests of anybody end, or enough of its own, whose turn comes once in as many as there are
        flows.
        """
        mine = self.shares.get(flow, Share())
        flows = len(self.shares) + (flow not in self.shares)
        anybody = self.requests + 1 - (self.limit - self.limit // RESERVE)
        own = (mine.requests + 1 - max(1, self.limit // (flows + 1))) * flows
        answers = min((one for one in (anybody, own) if one > 0), default=flows)
        return self._seconds(answers)

    def _seconds(self, answers: int) -> Seconds:
        return Seconds(min(max(answers * self.pace, SHORTEST_WAIT), LONGEST_WAIT))


def default_size_limit(memory: Bytes) -> int:
    """Return how many bytes of requests a device with so much memory holds: an eighth, but 64 MiB at least."""
    return max(64 << 20, memory // 8)


def _welcome(taken: int, mine: int, more: int, limit: int, flows: int) -> bool:
    if taken <= 0 or taken + more <= limit - limit // RESERVE:
        return True
    return taken + more <= limit and mine + more <= max(limit // flows, more if not mine else 0)
