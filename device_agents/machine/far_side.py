"""The devices that this one asks: how long they take, and whether they seem to be alive.

Law: pure nouns and their arithmetic; seconds are this device's own. A far side is *suspected* when an answer is
overdue and nothing was heard from it since that was asked: then requests go elsewhere at once, while one now and
then, with growing pauses, finds out whether it is back. Whatever it answers, even late, and a new link clear it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from device_agents.machine.events import EpochKey, WorkKey
from partitioner.units import PageName, Seconds

MOST_TIMES = 64  # pages whose times are remembered of one far side
MOST_TRIALS = 5
"""So many wait for an answer at most, those of ten seconds at the longest pause: it may be slow and not frozen."""
FIRST_PAUSE, LONGEST_PAUSE = Seconds(0.1), Seconds(2.0)
"""Between two trials of a far side that is suspected."""
WEIGHT, DEVIATION_WEIGHT = 0.2, 0.25
DEVIATIONS = 4.0
"""How many mean deviations beyond the mean an answer is still expected: RFC 6298's, after V. Jacobson, "Congestion
Avoidance and Control", SIGCOMM 1988."""
FRESH = Seconds(60.0)
"""Older than that, what a far side took says nothing of now."""
SLOW = 0.5
"""What took less than this part of what is expected was not slow."""
WORDS = 4 << 10
"""Bytes under way that are nobody's tensors."""
AT_ONCE = 1e-6  # seconds by which sums of a clock's may differ
REST = Seconds(1.0)
"""After so long without a request TCP may begin with slow start."""


PageKey = tuple[EpochKey, PageName]


@dataclass
class FarTimes:
    """What the stages beyond this one took of late: seconds, mean and mean deviation.

    From sent to answered, without the way as the link's own figures have it: those change when the link does.

    What an outage held up is no measure of them: its answers, however many, are one `odd` one, of the outage that ended
    at `odd_end`. Another outage before anything came as usual is none: the far side is as slow as that. Should the
    first answer after all be a quick one, it was not `held` for slow rightly, and that answer alone counts.
    """

    mean: float = 0.0
    deviation: float = 0.0
    noted_at: float = -math.inf
    odd: float = 0.0
    odd_end: float = -math.inf
    held: bool = False

    def note(self, seconds: float, now: float) -> None:
        """Note what one took that was asked of a far side that answers."""
        refuted = self.held and seconds < SLOW * self.mean
        if refuted or not self.known(now):
            self.mean, self.deviation = seconds, 0.0
        error = seconds - self.mean
        self.mean += WEIGHT * error
        self.deviation += DEVIATION_WEIGHT * (abs(error) - self.deviation)
        self.noted_at, self.odd, self.held = now, 0.0, False

    def note_outage(self, seconds: float, ended: float, now: float) -> None:
        """Note what one took that was asked before an outage `ended`."""
        if ended == self.odd_end:
            return
        before, self.odd, self.odd_end = self.odd, seconds, ended
        if before:
            self.mean, self.deviation = (before + seconds) / 2, abs(before - seconds) / 2
            self.noted_at, self.held = now, True

    def known(self, now: float) -> bool:
        """Whether something is known of late."""
        return now - self.noted_at <= FRESH

    def expected(self, now: float, least: float = 0.0) -> float:
        """Return by when nearly all would have answered, `least` beyond the mean; 0 where that is not known of late."""
        return self.mean + max(DEVIATIONS * self.deviation, least) if self.known(now) else 0.0


@dataclass(frozen=True)
class Trial:
    """A request by which a suspected far side is tried, for a page's stages, since when."""

    page: PageKey
    at: float


@dataclass
class FarSide:
    """One device that is asked.

    `asked` requests of ours wait for it; `queue` bytes of them were still on this side at `queue_at`, and `rate` of
    them leave it a second. The last of them was sent at `sent_at`; at `moved_at` its link was seen to carry something.
    `trials` find out whether a suspected one is back; at `next_trial` another may. One that was
    suspected was back at `back_at`: what was asked before that tells of the outage.
    """

    asked: int = 0
    queue: float = 0.0
    rate: float = 0.0
    queue_at: float = -1e9
    moved_at: float = -1e9
    sent_at: float = -1e9
    heard_at: float = -1e9
    back_at: float = -1e9
    in_vain: float = 0.0  # seconds that it was waited for since, by those who were answered otherwise
    suspected: bool = False
    suspected_at: float = -1e9
    trials: dict[WorkKey, Trial] = field(default_factory=dict)
    next_trial: float = 0.0
    pause: Seconds = FIRST_PAUSE
    times: dict[PageKey, FarTimes] = field(default_factory=dict)

    def send(self, size: int, rate: float, now: float) -> None:
        """Take note of a request of `size` bytes, on a link that moves `rate` bytes a second (0: not known)."""
        self.queue = self._left(now) + size
        self.rate, self.queue_at = rate, now
        self.asked += 1
        self.sent_at = now

    def moves(self, rate: float, under_way: int, moved_at: float, now: float) -> None:
        """Take note that the link moves `rate` bytes a second from now on, as was seen last at `moved_at`.

        What was sent before has left as quickly as was believed then, but for what is known to be `under_way`, bytes.
        """
        left = self._left(now)
        self.queue = max(left, under_way) if under_way > WORDS else 0.0
        self.rate, self.queue_at = rate, now
        self.moved_at = max(self.moved_at, moved_at)

    def queued(self, now: float) -> float:
        """Return the seconds for which what was sent before keeps the link busy, as quick as it is now."""
        return self._left(now) / self.rate if self.rate else 0.0

    def _left(self, now: float) -> float:
        return max(0.0, self.queue - self.rate * (now - self.queue_at)) if self.asked else 0.0

    def rested(self, now: float) -> bool:
        """Whether nothing was sent of late."""
        return now - self.sent_at > REST

    def note(self, page: PageKey, seconds: float, now: float, way: float = 0.0) -> None:
        """Note how long it took for a page's stages, of which the link took `way`."""
        if page not in self.times and len(self.times) >= MOST_TIMES:
            self.times.clear()
        times = self.times.setdefault(page, FarTimes())
        if now - seconds < self.back_at - AT_ONCE:
            times.note_outage(max(0.0, seconds - way), self.back_at, now)
        else:
            times.note(max(0.0, seconds - way), now)

    def note_at_least(self, page: PageKey, seconds: float, now: float) -> None:
        """Note for how long it was waited in vain: what took less tells nothing."""
        known = self.times.get(page)
        if known is None or not known.known(now) or seconds > known.mean:
            self.note(page, seconds, now)

    def expected(self, page: PageKey, now: float, least: float = 0.0) -> float:
        """Return what a page's stages take of late, nearly always, `least` beyond the mean; 0 where not known."""
        known = self.times.get(page)
        return known.expected(now, least) if known is not None else 0.0

    # --- suspicion ----------------------------------------------------------------------------------

    def hear(self, now: float) -> None:
        """It answered: it is alive."""
        self.back_at = now if self.suspected else self.back_at
        self.heard_at, self.in_vain = now, 0.0
        self.clear()

    def clear(self) -> None:
        """There is a new link to it, or none at all: suspect it no longer."""
        self.suspected, self.pause = False, FIRST_PAUSE
        self.trials.clear()

    def overdue(self, asked_at: float, silence: Seconds, now: float) -> None:
        """An answer to what was asked at `asked_at` is overdue: suspect it, unless others came since, and of late.

        It may be silent for `silence` where several wait for it.
        """
        if not self.suspected and (self.heard_at < asked_at or now - self.heard_at > silence):
            self._suspect(now)

    def gave_up(self, page: PageKey, seconds: float, silence: Seconds, now: float, way: float = 0.0) -> None:
        """Somebody else answered what it was asked `seconds` ago: it takes longer than that.

        After `silence` of such waiting, whatever the deadlines of those who waited, it is suspected. For how
        long it stood still before is no part of that.
        """
        seconds = min(seconds, now - self.back_at)
        self.in_vain += seconds
        if self.in_vain > silence and not self.suspected:
            self._suspect(now)
        elif not self.suspected:
            self.note_at_least(page, max(0.0, seconds - way), now)

    def acknowledges(self, under_way: int, seen: float, now: float) -> None:
        """Its link took some of the bytes that were `under_way`, seen at `seen`: it may be tried at once.

        Where these were a request's, and it was suspected before, its link was slow: it had not even been asked yet.
        """
        if self.suspected and under_way > WORDS and seen > self.suspected_at:
            self.back_at = now  # its answers come after that; the first of them calls trials off
            self.suspected, self.pause = False, FIRST_PAUSE
        self.next_trial = min(self.next_trial, now)

    def _suspect(self, now: float) -> None:
        self.suspected_at = now
        self.suspected, self.next_trial, self.pause, self.in_vain = True, now, FIRST_PAUSE, 0.0

    def may_try(self, now: float) -> bool:
        """Whether it may be asked: it is not suspected, or a trial is due."""
        return not self.suspected or now >= self.next_trial

    def try_with(self, work: WorkKey, page: PageKey, seconds: float, now: float) -> None:
        """Let `work` find out whether it is back; give it `seconds` at least before another does."""
        while len(self.trials) >= MOST_TRIALS:
            del self.trials[next(iter(self.trials))]
        self.trials[work] = Trial(page, now)
        self.next_trial = now + max(self.pause, seconds)
        self.pause = Seconds(min(2 * self.pause, LONGEST_PAUSE))

    def try_no_more_with(self, work: WorkKey, now: float) -> None:
        """Its caller gave `work` up, and nobody will hear what became of it: another may try at once."""
        if self.trials.pop(work, None) is not None:
            self.next_trial = min(self.next_trial, now)

    def trial_lasts(self, page: PageKey, now: float) -> float:
        """Return how long a trial by a page's stages is waited for by what they took of late; 0 where not known.

        What only outages took is waited for no longer than it is paused between two trials anyhow.
        """
        known = self.times.get(page)
        if known is None:
            return 0.0
        return min(known.expected(now), LONGEST_PAUSE) if known.held else known.expected(now)
