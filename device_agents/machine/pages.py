"""The pages that an entry may take by itself, as one device runs them, and what is known of each.

Law: nouns, and arithmetic on a book; who is reachable, and what links do, is no part. Requests that enter a book at
one boundary and want the same outputs have one choice; there are `MAX_CHOICES` of them, then all begin anew.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from device_agents.machine.pace import SHRINK, Load, Pace
from device_agents.machine.route import Route, route, shortened
from lepton_edge.core.messages import LinkReport
from partitioner.codecs import RAW
from partitioner.plan import Page, PlanBook, Prediction
from partitioner.units import DeviceId, Epoch, ModelName, PageName, Seconds, TensorName

MAX_CHOICES = 16
OWN_HALF = Seconds(60.0)
FAR_HALF = Seconds(6.0)
LOAD_HALF = Seconds(2.0)
PASSING_FLOOR = Seconds(1e-3)
WAY_HALF, WAY_FLOOR = Seconds(5.0), Seconds(1e-3)
FIRST_LOOK, LONGEST_PAUSE = Seconds(3.0), Seconds(30.0)
RESTED = Seconds(5.0)
"""Where no look was due for so long, pauses between looks begin anew with a turn."""
CHANGED = 1.25
"""A link's rate that is another one by less is the same."""
FELL = 2.0
"""A link of which a rate was seen is no such link any more when it moves less by this factor."""
MOST_LOOKS = 3
"""Rises of rates that make one request see at once how quick a link is, within a while."""


@dataclass(frozen=True)
class Option:
    """A page, for requests that enter at one boundary: what it is predicted to take, and what it moves.

    Seconds here (`own`), beyond (`far`, and `wait` for others' requests there) and on the way there and back.

    `key` names what runs here: figures are kept by it. `peer` is empty where nobody else is needed; `direct` says that
    the peer ends the request, so that the link to it is all of the way. `passes`: what came is sent on as it came.
    """

    name: PageName
    key: tuple[PageName, int, int]
    peer: DeviceId
    own: float
    far: float
    wait: float
    way: float
    up: float
    down: float
    back: float
    direct: bool
    passes: bool
    prediction: Prediction


@dataclass(frozen=True)
class Cost:
    """What an option takes now: seconds here, beyond, and on the way there and back; `value` is what is minimised.

    `usual` are the seconds beyond if nobody else asked there; `noise` is by how much the seconds may be off.
    """

    option: Option
    own: float
    far: float
    way: float
    usual: float
    noise: float
    value: float
    within: bool = True

    @property
    def seconds(self) -> float:
        """Return the seconds of a request."""
        return self.own + self.far + self.way


@dataclass
class Turn:
    """An entry took another page by itself; `total` are the seconds of the `requests` that it answered since."""

    serial: int
    model: ModelName
    epoch: Epoch
    before: PageName
    after: PageName
    cause: str
    predicted_before: float
    predicted_after: float
    at: float
    total: float = 0.0
    requests: int = 0
    over: bool = False
    told: int = -1
    """How many requests, and one more where it was over, were told of last."""


@dataclass
class Choice:
    """The page that requests of one kind take, and what it rests on.

    `costs` are those of the last look, which holds for `links`, the links as they were seen then, until `until`, and
    while `reach` says which of `peers` can be reached. `basis` and `rates` are what the page was taken by. `reason`
    says why it is taken, empty where the book's own reason stands; `turn` is the last turn.
    """

    options: tuple[Option, ...]
    page: PageName
    costs: dict[PageName, Cost] = field(default_factory=dict)
    links: dict[DeviceId, LinkReport] | None = None
    basis: dict[PageName, Cost] = field(default_factory=dict)
    rates: dict[DeviceId, float] = field(default_factory=dict)
    until: float = 0.0
    reach: list[bool] = field(default_factory=list)
    reason: str = ""
    turn: Turn | None = None
    crowded: float = 0.0
    """It left a far side that was busy: until then, those who come back do so one after another."""

    look_at: float = 0.0
    look_pause: float = FIRST_LOOK
    """When one request shall see whether a link is as slow as it seems, and how long after that another may."""

    look_after: float = 0.0
    looks: int = 0
    highest: dict[DeviceId, float] = field(default_factory=dict)
    """Where a rate rises above the `highest` that was seen of that link, one request sees at once by how much: `looks`
    of them until `look_after`. `risen`: the next look is such a one."""

    risen: bool = False

    returned: bool = False
    look_back_at: float = 0.0
    """A far side is back since the last look: the rate of its link is the outage's doing. Where such a look was in vain
    the link is as slow as it seems: there is no other before `look_back_at`, or until it was turned to."""

    here_at: float = 0.0
    here_pause: float = FIRST_LOOK
    here_again: bool = False
    """When one request shall see whether this device is as slow as it seems for a page that is not taken, and how long
    after that another may. `here_again`: the next one may, where the first was odd: one alone changes nothing."""

    def see(self, reach: list[bool], now: float) -> None:
        """Take note of which peers can be reached; after an outage one request sees at once how quick the link is."""
        back = any(there and not was for there, was in zip(reach, self.reach, strict=False))
        if back and now >= self.look_back_at:
            self.look_at, self.look_pause, self.returned = now, FIRST_LOOK, True
        self.reach = reach

    def looked(self, now: float) -> None:
        """Take note that a request looks now, and when another may."""
        if self.returned:
            self.look_back_at = now + LONGEST_PAUSE
        self.look_at, self.risen, self.returned = now + self.look_pause, False, False
        self.look_pause = min(2 * self.look_pause, LONGEST_PAUSE)

    def looked_here(self, now: float) -> None:
        """Take note that a request sees now how slow this device is, and when another may."""
        due = now >= self.here_at
        self.here_again = due
        if due:
            self.here_at, self.here_pause = now + self.here_pause, min(2 * self.here_pause, LONGEST_PAUSE)

    def turned_to(self, option: Option, now: float) -> None:
        """Take note of the page that requests take from now on."""
        self.page, self.returned = option.name, False
        if now > self.here_at + RESTED:  # else pages that are near each other would make looks frequent
            self.here_pause = FIRST_LOOK
        self.here_at = max(now + FIRST_LOOK, min(self.here_at, now + self.here_pause))
        self.here_again = False
        if option.peer:
            self.look_back_at = 0.0

    def rose(self, links: Mapping[DeviceId, LinkReport]) -> bool:
        """Whether a link is quicker than it was seen to be: what told it may be but a lower bound.

        A rate that comes back to what it was is no news of the link; nor is one that fell, and is not as low after all.
        """
        found = False
        for peer, report in links.items():
            known = self.highest.get(peer, 0.0)
            if report.up > 0 and not known / FELL < report.up < known * CHANGED:
                found = found or 0 < known < report.up
                self.highest[peer] = report.up * (FELL if report.up < known else 1.0)
        return found

    def may_look(self, now: float, pause: Seconds) -> bool:
        """Whether a rise may make a request look now; not more than a few of them do within `pause`."""
        if now >= self.look_after:
            self.look_after, self.looks = now + pause, 0
        self.looks += 1
        return self.looks <= MOST_LOOKS

    @functools.cached_property
    def peers(self) -> tuple[DeviceId, ...]:
        """Return who is needed by some option."""
        return tuple({one.peer: None for one in self.options if one.peer})


Door = tuple[int, tuple[TensorName, ...]]
"""The boundary at which requests enter, and the tensors that answer them."""
Run = tuple[int, int]
"""Blocks [first, last)."""


@dataclass
class Use:
    """A run of blocks that requests take here: since when, how many, and when the last of them did."""

    since: float
    count: int = 0
    last: float = 0.0


@dataclass
class Pieces:
    """What is known of the runs of blocks of one epoch.

    What runs a `settled` one faster is open, or there is nothing to open; `again` says when a failed one may be tried.
    """

    uses: dict[Run, Use] = field(default_factory=dict)
    settled: set[Run] = field(default_factory=set)
    again: dict[Run, float] = field(default_factory=dict)


class Turner:
    """What one epoch's entry knows of its pages."""

    def __init__(self, book: PlanBook, device: DeviceId) -> None:
        self.book, self.device = book, device
        names = set(book.turning.pages)
        self.pages = tuple(one for one in book.pages if one.name in names and _begins(one, device))
        largest = max((one.prediction.board for one in self.pages), default=0.0)
        farthest = max((one.prediction.cloud for one in self.pages), default=0.0)
        self.own = Pace(OWN_HALF, SHRINK * largest)
        self._passing = Pace(OWN_HALF, PASSING_FLOOR)
        self._floor = SHRINK * farthest
        self.far: dict[DeviceId, Pace] = {}
        self.load: dict[DeviceId, Load] = {}
        self.way: dict[DeviceId, Pace] = {}
        self.rates: dict[DeviceId, float] = {}
        self.sizes: dict[tuple[PageName, int, int], float] = {}
        self.choices: dict[Door, Choice] = {}
        self.page = PageName("")
        """What the last request took that was like most; "" before the first one."""
        self.wanted: Option | None = None
        """The page that would be best now, or may be soon, and is not ready to be taken."""
        self.stale = True
        """Something was learned since the last look."""

    @property
    def turns(self) -> bool:
        """Whether there is anything to choose."""
        return len(self.pages) > 1

    def choice(self, first: int, wanted: tuple[TensorName, ...]) -> Choice:
        """Return the choice of requests that enter at boundary `first` and want these tensors."""
        known = self.choices.get((first, wanted))
        if known is None:
            if len(self.choices) >= MAX_CHOICES:
                self.choices.clear()
            options = tuple(
                option(self.book, page, self.device, (first, wanted), self.pages) for page in self.pages
            )
            known = self.choices[first, wanted] = Choice(options, self.book.active)
        return known

    def own_of(self, option: Option) -> Pace:
        """Return how quick this device is; passing on tells nothing of how quick it computes."""
        return self.own if option.key[1] < option.key[2] else self._passing

    def pace_of(self, peer: DeviceId) -> Pace:
        """Return how quick `peer` is, and all behind it."""
        if peer not in self.far:
            self.far[peer] = Pace(FAR_HALF * (1 + spread(self.device)), self._floor)
        return self.far[peer]

    def load_of(self, peer: DeviceId) -> Load:
        """Return how long requests wait at `peer`."""
        if peer not in self.load:
            self.load[peer] = Load(LOAD_HALF * (1 + spread(self.device)))
        return self.load[peer]

    def way_to(self, peer: DeviceId) -> Pace:
        """Return how the way to `peer` and back takes more than its link's figures say."""
        if peer not in self.way:
            self.way[peer] = Pace(WAY_HALF, WAY_FLOOR, young=0)
        return self.way[peer]

    def see(self, links: Mapping[DeviceId, LinkReport]) -> None:
        """Forget how much more than its figures a link took, where these have changed: they know better now."""
        for peer, report in links.items():
            known = self.rates.get(peer, 0.0)
            if report.up != known and not known / CHANGED < report.up < known * CHANGED:
                self.rates[peer] = report.up
                self.way_to(peer).pace = 1.0


def spread(*names: str) -> float:
    """Return a number from 0 to 1 that is another one for other names: what many entries must not do all at once."""
    mixed = 2166136261  # FNV-1a, of 32 bits
    for letter in "/".join(names).encode():
        mixed = (mixed ^ letter) * 16777619 & 0xFFFFFFFF
    mixed ^= mixed >> 15
    return (mixed * 2246822519 & 0xFFFFFFFF) / 0xFFFFFFFF


def option(
    book: PlanBook,
    page: Page,
    device: DeviceId,
    door: Door,
    others: Iterable[Page],
) -> Option:
    """Return `page` as requests run it that enter by one door.

    What is made before that boundary is not computed: it is known from the pages that cut there, or not at all, until
    the first request has shown it.
    """
    first, wanted = door
    path = shortened(route(book, page, device, first), book, wanted)
    ahead, cut = page.prediction, _cut(page)
    before = max((one.prediction.board for one in others if 0 < _cut(one) <= first), default=0.0)
    remote = bool(path.peer)
    whole = path.last == cut
    up = (
        float(ahead.bytes_up)
        if whole
        else float(sum(spec.size for spec in book.frontiers[path.last].tensors))
    )
    scale = up / ahead.bytes_up if remote and ahead.bytes_up else 1.0
    return Option(
        page.name,
        (page.name, path.first, path.last),
        path.peer,
        own=max(0.0, ahead.board - before) if path.first < path.last else min(ahead.board, 1e-3),
        far=ahead.cloud - ahead.wait if remote else 0.0,
        wait=ahead.wait if remote else 0.0,
        way=ahead.uplink * scale + ahead.downlink if remote else 0.0,
        up=up if remote else 0.0,
        down=float(ahead.bytes_down) if remote else 0.0,
        back=ahead.downlink,
        direct=len([one for one in page.stages if one.first < one.last and one.device != device]) == 1,
        passes=_passes(path),
        prediction=ahead,
    )


def _passes(path: Route) -> bool:
    return bool(path.peer) and path.first == path.last and all(one.codec == RAW.name for one in path.forward)


def _cut(page: Page) -> int:
    return page.stages[0].last if page.stages else 0


def _begins(page: Page, device: DeviceId) -> bool:
    return bool(page.stages) and page.stages[0].device == device
