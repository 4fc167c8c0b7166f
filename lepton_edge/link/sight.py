"""What a link takes now: its round trip, its rate, and how far it strays from them.

Law: pure: what transfers took, by one clock, goes in; nothing here knows frames, windows or acknowledgements. A
transfer that proves a change changes the estimate at once, and so does one that is overdue: it has proven an upper
bound of the rate before it ends (`level` says what proves); one that ended sooner than its bytes could have come at the
rate that was believed refutes that, whatever the noise is. Small transfers are enough, of 4 kB on: that is what mostly
travels.
TCP's slow start after a rest is discounted, up to so many round trips as it may have taken, but once only: where every
transfer comes after a rest, slow start is what the next one takes as well.
"""

from __future__ import annotations

from collections import deque

from lepton_edge.link.level import KEPT, LEAST_SHARE, NOISE, Level, Shown

MEANT = 4 << 10  # bytes of a transfer that tells the rate; fewer tell the round trip
ALONE = 2 << 10  # bytes under way, up to which a round trip is the link's
FIRST_FLIGHT = 14_000  # bytes that TCP sends before it waits for the first answer (RFC 6928)
TRIPS_PART = 0.25  # of the round trips are shorter than the usual one: what disturbs them makes them longer
PACES_PART = 0.3  # of what transfers tell of a byte is less than the usual: for the same reason
STRAYS = 100  # durations, of whose excess over what was expected the 99th percentile is known
STRAY_AGE = 120.0  # seconds that one of them counts
OUTAGE, TAIL = 0.05, 3.0  # seconds, and times the 90th percentile, beyond which it is no jitter
CLEAR = 0.001  # seconds that bytes must have taken to tell a rate,
CLEAR_SPREADS = 2.0  # and spreads of the round trip
QUICK_ONES = 2  # in a row that are lost in the round trip: the link is not as slow as it was
TRIPS_AGE = 10.0  # seconds
SURELY = 0.75  # of the shortest round trip, which no bytes can have spared
REFUTED = 1.15  # times the rate that was believed: who has proven it refutes that, as noise hastens nothing
MOVED = 1.25  # times the rate that was told last: news, though no single transfer proved a change


class Sight:
    """One direction of one link.

    Attributes:
        news: grows with all that a decider should hear of at once.
        count: transfers that told the rate; `at`: when the last one did.
        quick: the last one took next to nothing beside the round trip: its kind need not be looked at each time.
        doubted: the last transfer came sooner than it should have, and proved nothing.
        proven: a rate that the link has at least, where no transfer was long enough to tell it; 0: none.
    """

    def __init__(self) -> None:
        self.news = self.count = 0
        self.at: float | None = None
        self.quick, self.proven, self.doubted = False, 0.0, False
        self._quick_ones = 0  # in a row
        self._excused = False  # the last late transfer, by slow start
        self._told = 0.0  # the rate at the last news
        self._trips: deque[tuple[float, float]] = deque(maxlen=KEPT)  # when, and seconds: of what is small
        self._trip, self._pace = Level(TRIPS_PART), Level(PACES_PART)
        self._strays: deque[tuple[float, float]] = deque(maxlen=STRAYS)

    @property
    def trip(self) -> float:
        """Return the usual round trip of what is small, in seconds; 0: unknown."""
        return self._trip.figure

    @property
    def rate(self) -> float:
        """Return bytes a second; 0: unknown."""
        return 1 / self._pace.figure if self._pace.figure else 0.0

    # --- what was seen ----------------------------------------------------------------------------

    def round_trip(self, took: float, size: int, now: float) -> None:
        """Take the seconds between sending `size` bytes, alone, and their acknowledgement."""
        self._trips.append((now, took))
        base = min(size * self._pace.figure, (1 - LEAST_SHARE) * took)
        self._note(self._trip, took, self._trip.take(took, base, 1.0), now)

    def transfer(
        self, took: float, size: int, now: float, least: float, *, rested: bool = False, again: bool = False
    ) -> None:
        """Take the seconds between sending the first of `size` bytes and the acknowledgement of the last.

        `least` is the round trip where none was seen of something small. `rested`: TCP may have begun with slow start;
        `again`: these are the last ones and more.
        """
        if size < MEANT:
            self._refute(took, size, least, now)
            return
        base = self.trip or least
        if rested and not self._excused:
            excused = self._without_slow_start(took, size, base)
            self._excused, took = excused < took, excused
        elif not rested:
            self._excused = False
        if took < base:
            base = self._shorten(took)
        self.count += not again
        self.at, news = now, self.news
        clear = took - base >= max(CLEAR, CLEAR_SPREADS * self._trip.spread * base)
        clear = clear and (not self._pace.figure or took > self._longest_trip(now))
        self.quick, self.proven = not clear, size / max(took, 1e-6)
        fits = not clear and self._fits_a_quick_one(took, base, size)
        self._quick_ones = self._quick_ones + (not again) if fits else 0
        if self._quick_ones >= QUICK_ONES:
            self._quick_ones = 0
            self._note(self._pace, took, self._pace.become(took, base, size), now, again)
        elif clear or (self._pace.figure and took < self._pace.expected(base, size)):
            self._note(self._pace, took, self._pace.take(took, base, size, again), now, again)
        if self._refutes(took, size, base, least):
            self._note(self._pace, took, self._pace.become(took, base, size), now, again)
        self._tell(size)
        self.doubted = news == self.news and took + NOISE < self._pace.expected(base, size) / REFUTED

    def _refute(self, took: float, size: int, least: float, now: float) -> None:
        """Take from a small transfer that the link is not so slow, where it is not: it has that rate at least.

        Who sends nothing larger would else never learn that a rate was an outage's.
        """
        rises = size > ALONE and took < size * self._pace.figure
        if rises and self._refutes(took, size, self.trip or least, least):
            self._note(self._pace, took, self._pace.become(took, 0.0, size), now)

    def _longest_trip(self, now: float) -> float:
        """Return what something small took of late: what takes no longer need not be slow for its bytes."""
        return max([took for at, took in self._trips if now - at <= TRIPS_AGE], default=0.0)

    def _refutes(self, took: float, size: int, base: float, least: float) -> bool:
        """Say whether bytes came sooner than they could at the rate that is believed: noise hastens nothing."""
        bytes_took, believed = took - min(least, base) * SURELY, size * self._pace.figure
        return max(REFUTED * bytes_took, bytes_took + NOISE) < believed

    def _tell(self, size: int) -> None:
        """Make it news when the rate has crept away from what was told last, by what a transfer of `size` feels."""
        told, rate = self._told or 1e-9, self.rate or 1e-9
        if not told / MOVED < rate < told * MOVED and abs(size / rate - size / told) > NOISE:
            self._told = self.rate
            self.news += 1

    def _fits_a_quick_one(self, took: float, base: float, size: int) -> bool:
        """Say whether a transfer fits a link on which it takes nothing better than this one, as it is known."""
        more = size * self._pace.figure
        return more > 2 * NOISE and took < base + more / 2

    def _shorten(self, took: float) -> float:
        """Take note of a transfer that took less than the round trip is said to: half of it is the next best guess."""
        self._trip = Level(TRIPS_PART)
        self._trip.take(took / 2, 0.0, 1.0)
        self.news += 1
        return took / 2

    def _without_slow_start(self, took: float, size: int, trip: float) -> float:
        """Return what a transfer would have taken without those round trips, as far as that explains its lateness."""
        rounds = (size // FIRST_FLIGHT).bit_length()
        usual = self._pace.expected(trip, size) if self._pace.figure else 0.0
        return max(min(took, usual), took - rounds * trip)

    def _note(self, level: Level, took: float, shown: Shown, now: float, again: bool = False) -> None:
        self.news += shown is not Shown.NOTHING
        if shown is Shown.CHANGE:
            return
        if again and self._strays:
            self._strays.pop()
        self._strays.append((now, max(0.0, level.last)))

    # --- what it tells ----------------------------------------------------------------------------

    def late_after(self, size: int) -> float:
        """Return the seconds after which `size` bytes under way, unacknowledged, prove a change; 0: not known."""
        if size <= ALONE:
            return self._trip.late_after(0.0, 1.0) if self.trip else 0.0
        return self._pace.late_after(self.trip, size) if self._pace.figure else 0.0

    def rate_while(self, size: int, waited: float) -> float:
        """Return the rate, where `size` bytes have been under way for `waited` seconds."""
        known, most = self.rate, size / max(waited - self.trip, 1e-6)
        return min(known, most) if size > ALONE and self.is_late(size, waited) else known

    def is_late(self, size: int, waited: float) -> bool:
        """Say whether `size` bytes that have been under way for `waited` seconds are overdue."""
        return 0 < self.late_after(size) <= waited + 1e-6  # as seconds of a clock are added and subtracted

    def trip_while(self, size: int, waited: float) -> float:
        """Return the round trip, where `size` bytes have been under way for `waited` seconds."""
        return max(self.trip, waited) if size <= ALONE and self.is_late(size, waited) else self.trip

    def p99(self, now: float) -> float:
        """Return the seconds by which one transfer in a hundred exceeds what is expected; 0: unknown.

        A tail beyond three times the 90th percentile is outages: who waits by this does not wait for the next of them.
        """
        late = sorted([late for at, late in self._strays if now - at <= STRAY_AGE])
        if not late:
            return 0.0
        most = max(OUTAGE, TAIL * late[_rank(90, len(late))])
        return min(late[_rank(99, len(late))], most)


def _rank(percent: int, count: int) -> int:
    """Return the nearest rank of a percentile, from 0."""
    return (percent * count + 99) // 100 - 1
