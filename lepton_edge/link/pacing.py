"""How much of one direction of a link may be under way, and what its acknowledgements tell about it.

Law: pure: counts of bytes and times that it is told go in; nothing here knows frames or what a chunk looks
like. Without acknowledgements (a peer of protocol 1.0) it holds nothing back and measures nothing.

The receiver counts the bytes of all chunks of frames. A sender that needs to know sets a flag on a chunk; the
answer is the count so far. A reply proves the same for the request that it answers, for nothing. From that:

- *round trip*: from handing over a chunk that asks to the answer. `least` rests on chunks that were small and
  alone, of the last 10 s; under lasting load it is looked at again after 30 s, by letting the link drain once.
- *delivery rate*: the link serves what is handed over in order, each chunk from the later of "its first byte
  could have arrived" and "the one before it was done", in the time of the answers (least round trip added):
  Lindley's recursion. So pauses of the sender are not in it, and only one clock is.
- *window*: 1.5 x rate x least round trip + two chunks may be unacknowledged. Rate and round trip are
  filtered over a window of time, and the link is taken to be full when the rate has not grown by a
  quarter in three round trips, as in BBR: Cardwell, Cheng, Gunn, Yeganeh, Jacobson, "BBR: Congestion-Based
  Congestion Control", ACM Queue 14(5), 2016. Until then, and after each rest (startup), the factor is 2.89
  and, while nothing but slow start was seen, the window 128 KiB and what was acknowledged since, up to
  512 KiB, so that TCP's slow start below, which begins at 14 kB, never waits for it. TCP does what it
  always does; this bounds what waits in its buffers and gRPC's, where nothing can overtake it. A receiver
  that stalls and then answers in one burst would make the maximum far too high: what begins with an answer
  counts after 0.1 s only.
- *chunk*: what the link moves in 12.5 ms, between 8 KiB and `Limits.chunk`. Where small frames went of late beside
  large ones, it is 4 ms, and the window is kept to the byte: what is under way is what a small frame waits for.

What the link takes *now*, for whoever decides what to send on it, is `sight`'s: rate and window here are the fastest of
late, since they must not hold back what the link may carry. Frames that tell it (4 kB on) ask at their end, once in
25 ms (250 where they take next to nothing); a question whose answer is overdue says as much before it comes (`due`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from lepton_edge.link.sight import ALONE, MEANT, Sight

START_WINDOW = 128 << 10  # nine times the first window of TCP: slow start never waits for us
START_MOST = 512 << 10
START_CHUNK = 32 << 10
LEAST_CHUNK = 8 << 10  # bytes; below it a slow board spends its time on chunks instead of on tensors
CHUNK_SECONDS = 0.0125
FINE_SECONDS = 0.004
FINE_AGE = 1.0  # seconds after a small frame in which chunks are fine
FINE_FRAME = 8 << 10  # bytes of a frame that is small
LARGEST_WINDOW = 16 << 20
GAIN, STARTUP_GAIN = 1.5, 2.89
GROWTH, LOOKS = 1.25, 3  # of the rate, below which in so many round trips the link is taken to be full
LOOK = 1024  # bytes of a chunk that is to show the round trip
SMALL = 8 << 10  # bytes under way, up to which a round trip is the link's and not the queue's
LEAST_AGE = 10.0  # seconds that a least round trip is good for
DRAIN_AGE = 30.0
ASK_AGE = 1.0  # seconds between looks at the round trip while frames are small
SAMPLE_AGE = 10.0
SAMPLES, LATELY = 10, 5  # measurements that are remembered, and those that the window goes by
SAMPLE_BYTES = 16 << 10
REST = 1.0  # seconds without a chunk, after which TCP may begin with slow start again
SHORTEST, TRUSTED = 0.001, 0.005  # seconds of a sample: below it is a bound only, from here on a measurement
TRAIN = 0.2  # seconds of one sample, or ten round trips
TELL_EVERY = 0.025  # seconds between questions about frames that fit a chunk
QUICK_EVERY = 0.25  # the same where they take next to nothing
RESTED = 0.2  # seconds without a chunk, after which TCP may have forgotten some of what it knew
MORE = 1.25  # times the bytes of a train that the sight was told of, for it to be told again


@dataclass(frozen=True)
class _Ask:
    """A chunk that asked for an acknowledgement: the count at its end, and the burst that it belongs to."""

    through: int
    at: float
    under_way: int
    burst_at: float
    burst_from: int
    rest: float


@dataclass
class _Train:
    """Bytes that the link served without a pause: since when, and the rate of them.

    `shortest` seconds of it make a measurement; it came after `rest` seconds, and may begin with TCP's slow start.
    `handed`: when its first byte was handed over, unless it begins with an answer. `told`: the bytes of it that the
    sight knows.
    """

    began: float
    count: int
    shortest: float
    rest: float
    handed: float | None = None
    told: int = 0
    rate: float = 0.0
    at: float = 0.0

    @property
    def cold(self) -> bool:
        return self.rest > REST


class Pacing:
    """One direction of one link. Times are seconds of one monotonic clock, sizes are bytes of chunks.

    Attributes:
        due: when the oldest question will prove, by having no answer, that the link has become another one.
    """

    def __init__(self, largest_chunk: int) -> None:
        self.acks = False
        self.sent = self.acked = 0
        self.chunk = self.largest_chunk = largest_chunk
        self.window = 0
        self.rate = self.least = self.recent = 0.0
        self.round_trips, self.sampled_at = 0, 0.0
        self.sight = Sight()
        self.due: float | None = None
        self._least_at = self._recent_at = self._alone_at = -1e9
        self._asks: deque[_Ask] = deque()
        self._asked, self._asked_at = 0, -1e9  # of the last chunk that asked: the count at its end, and when
        self._burst_at, self._burst_from, self._paused = 0.0, 0, True
        self._rest, self._handed_at = 1e9, -1e9
        self._done_at, self._done = 0.0, 0  # the last answer, and its count
        self._trains: deque[_Train] = deque(maxlen=SAMPLES)
        self._best, self._looks, self._look_at = 0.0, 0, 0.0  # of the startup
        self._started_from = 0
        self._trusted = False  # a measurement long enough to be one is known
        self._small_at, self._fine = -1e9, False

    def begin(self) -> None:
        """The peer acknowledges: hold back what it has not."""
        self.acks = True
        self.window = START_WINDOW
        self.chunk = min(START_CHUNK, self.largest_chunk)

    # --- sending ----------------------------------------------------------------------------------

    @property
    def under_way(self) -> int:
        """Return the bytes that were handed over and may not have arrived."""
        return self.sent - self.acked

    @property
    def waits_since(self) -> float | None:
        """Return when the oldest question that has no answer was asked."""
        return self._asks[0].at if self._asks else None

    def may_send(self, more: int = 0) -> bool:
        """Say whether another chunk may go; `more` bytes beyond the window for what is small."""
        if not self.acks or self.under_way + (self.chunk if self._fine else 0) < self.window + more:
            return True
        return not self._asks  # else nothing would ever open it again

    def piece(self, left: int, now: float) -> int:
        """Return how many of `left` payload bytes the next chunk takes: few where it is to tell the round trip."""
        size = min(left, self.chunk)
        return min(size, LOOK) if self._is_stale(now) else size

    def _is_stale(self, now: float) -> bool:
        """Say whether the least round trip is to be looked at, and a chunk sent now would show it."""
        return self.acks and not self.under_way and now - self._alone_at > ASK_AGE

    def wants_answer(self, size: int, now: float, last: bool = False) -> bool:
        """Say whether a chunk of `size` payload bytes, the `last` of its frame, is to ask for an acknowledgement."""
        if not self.acks:
            return False
        unasked = self.sent + size - max(self._asked, self.acked)
        if last and unasked >= MEANT and now - self._asked_at >= self._tell_every:
            return True
        full = not self._asks and self.under_way + size >= self.window // 2
        old = not self._asks and now - self._recent_at > ASK_AGE
        return unasked >= self.chunk or full or old or self._is_stale(now)

    @property
    def _tell_every(self) -> float:
        return QUICK_EVERY if self.sight.quick else TELL_EVERY

    def answered(self, seconds: float) -> None:
        """An answer came so long after what it answers, the far side's own time apart: ask next time if that is odd."""
        trip = self.sight.trip
        if self.sight.quick and not trip / 1.5 - TELL_EVERY / 5 < seconds < 2 * trip + TELL_EVERY:
            self._asked_at = -1e9

    def carried(self, size: int, now: float) -> None:
        """A frame of `size` bytes goes; where small ones do, chunks of large ones are to be fine."""
        if size <= FINE_FRAME:
            self._small_at = now

    def paused(self) -> None:
        """Nothing goes for now: what comes next begins a burst."""
        self._paused = True

    def handed(self, size: int, began: float, asked: bool) -> None:
        """A chunk of `size` bytes in all was handed over, beginning at `began`."""
        if self._paused:
            self._paused, self._burst_at, self._burst_from = False, began, self.sent
            self._rest = began - self._handed_at
            if self._rest > REST and self.acks:
                self._start_anew()
        self.sent += size
        self._handed_at = began
        if asked:
            burst = (self._burst_at, self._burst_from, self._rest)
            self._asks.append(_Ask(self.sent, began, self.under_way, *burst))
            if self.sent - max(self._asked, self.acked, self._burst_from) >= MEANT:
                self._asked_at = began
            self._asked = self.sent
            if len(self._asks) == 1:
                self._expect()

    def _expect(self) -> None:
        """Set when the oldest question is overdue."""
        ask = self._asks[0] if self._asks else None
        after = self.sight.late_after(ask.under_way) if ask else 0.0
        self.due = ask.at + after if ask and after else None

    def look(self, now: float) -> None:
        """Take note that the oldest question is overdue, and again after half as long again."""
        if self.due is not None and now >= self.due:
            self.sight.news += 1
            self.due = now + (now - self._asks[0].at) / 2

    # --- what comes back --------------------------------------------------------------------------

    def arrived(self, count: int) -> None:
        """Everything up to `count` is known to have arrived, from an answer that was not asked for."""
        self.acked = max(self.acked, min(count, self.sent))

    def acknowledged(self, count: int, now: float) -> bool:
        """Take the peer's count of received bytes; say whether it can be true."""
        if count > self.sent:
            return False
        self.acked = max(self.acked, count)
        while self._asks and self._asks[0].through <= count:
            ask = self._asks.popleft()
            self._round_trip(ask, now)
            self._serve(ask, now)
            if not self._asks or self._asks[0].through > count:
                self._expect()
        self._follow(now)
        return True

    def _round_trip(self, ask: _Ask, now: float) -> None:
        self.recent, self._recent_at = now - ask.at, now
        alone = ask.under_way <= SMALL
        self._alone_at = now if alone else self._alone_at
        if not self.least or self.recent < self.least or (alone and now - self._least_at > LEAST_AGE):
            self.least = self.recent
        if alone and self.recent <= self.least:
            self._least_at = now
        self.sampled_at, self.round_trips = now, self.round_trips + 1
        if ask.under_way <= ALONE:
            self.sight.round_trip(self.recent, ask.under_way, now)
            if self.sight.trip > 2 * self.least:  # another route: nobody waits until the shortest is too old
                self.least = self.recent

    def _serve(self, ask: _Ask, now: float) -> None:
        """Account for the service of the bytes up to `ask`, which ended `now` (in the time of answers)."""
        earliest = ask.burst_at + self.least
        train = self._trains[-1] if self._trains else None
        if train is None or earliest > self._done_at:
            train = _Train(earliest, max(self._done, ask.burst_from), TRUSTED, ask.rest, ask.burst_at)
            self._begin_train(train, now)
        elif self._done_at - train.began > max(TRAIN, 10 * self.least):
            # it begins with an answer, which may have been late: what follows soon looks too fast
            train = _Train(self._done_at, self._done, max(TRAIN / 2, 2 * self.least), 0.0)
            self._begin_train(train, now)
        self._done_at, self._done = now, ask.through
        self._show(train, ask.through - train.count, now)
        self._sample(train, ask.through - train.count, now)

    def _show(self, train: _Train, size: int, now: float) -> None:
        """Show the sight what `size` bytes took, unless it knows nearly as many of them."""
        if size < max(MEANT, train.told * MORE) and (self._asks or size <= train.told or size < MEANT):
            return
        if train.handed is not None:
            took = now - train.handed
        elif now - train.began >= train.shortest:
            took = now - train.began + self.sight.trip
        else:
            return
        news = self.sight.news
        self.sight.transfer(took, size, now, self.least, rested=train.rest > RESTED, again=train.told > 0)
        train.told = size
        if self.sight.news != news:
            self._alone_at = -1e9  # is it the rate, or the round trip? The next chunk tells

    def _begin_train(self, train: _Train, now: float) -> None:
        if self._trains and not self._trains[-1].rate:
            self._trains.pop()  # there was too little in it
        if self._trains and now - self._trains[-1].at > SAMPLE_AGE:
            self._trains.clear()  # the link may have become another one, and TCP begins anew
            self._best, self._looks, self._trusted = 0.0, 0, False
        self._trains.append(train)

    def _sample(self, train: _Train, size: int, now: float) -> None:
        took = now - train.began
        if size < SAMPLE_BYTES or (took < train.shortest and (self._trusted or train.shortest > TRUSTED)):
            return
        self._trusted = took >= TRUSTED
        train.rate, train.at = size / max(took, SHORTEST), now
        self._look(train.rate, now)

    def _look(self, rate: float, now: float) -> None:
        """Startup lasts until the rate has not grown by a quarter in three round trips."""
        if rate > self._best * GROWTH:
            self._best, self._looks = rate, 0
        elif now >= self._look_at:
            self._looks += 1
        else:
            return
        self._look_at = now + self.least

    def _follow(self, now: float) -> None:
        """Set rate, window and chunk by what is known now."""
        fastest = max([train.rate for train in list(self._trains)[-LATELY:]], default=0.0)
        if not fastest:
            return
        self.rate = fastest
        self._fine = now - self._small_at < FINE_AGE
        seconds = FINE_SECONDS if self._fine else CHUNK_SECONDS
        self.chunk = int(min(max(self.rate * seconds, LEAST_CHUNK), self.largest_chunk))
        draining = self.under_way and self._recent_at - self._least_at > DRAIN_AGE
        self.window = 0 if draining else min(self._wanted(), LARGEST_WINDOW)

    def _wanted(self) -> int:
        """Return the window for the rate and the round trip that are known."""
        full = self._looks >= LOOKS
        window = int((GAIN if full else STARTUP_GAIN) * self.rate * self.least) + 2 * self.chunk
        if full or not all([train.cold for train in self._trains]):
            return window
        return max(window, min(START_WINDOW + self.acked - self._started_from, START_MOST))

    def _start_anew(self) -> None:
        """After a rest TCP may begin with slow start: do not hold it back by what was measured in the last one."""
        self._best, self._looks, self._started_from = 0.0, 0, self.acked
        self.window = max(self.window, self._wanted())

    # --- what it knows ----------------------------------------------------------------------------

    def up(self, now: float) -> float:
        """Return the rate that a transfer may count on now, in bytes a second; 0: unknown."""
        ask = self._asks[0] if self._asks else None
        seen = self.sight.rate_while(ask.under_way, now - ask.at) if ask else self.sight.rate
        return seen or self.typical()

    def is_late(self, now: float) -> bool:
        """Say whether the figures are bounds, since what is under way is overdue."""
        ask = self._asks[0] if self._asks else None
        return ask is not None and self.sight.is_late(ask.under_way, now - ask.at)

    def trip(self, now: float) -> float:
        """Return the round trip that something small may count on now, in seconds; 0: unknown."""
        ask = self._asks[0] if self._asks else None
        seen = self.sight.trip_while(ask.under_way, now - ask.at) if ask else self.sight.trip
        return seen or self.least

    def typical(self) -> float:
        """Return the upper quartile of the last measurements; those with slow start only where there are no others."""
        known = [train for train in self._trains if train.rate]
        rates = sorted([train.rate for train in known if not train.cold] or [train.rate for train in known])
        return rates[len(rates) * 3 // 4] if rates else 0.0

    def explains(self, slowest: float) -> float:
        """Return the seconds of silence that what is under way explains."""
        rate = self.rate / 4 if self.rate else slowest
        return self.under_way / rate
