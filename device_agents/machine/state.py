"""What an agent knows: its epochs, the requests it has accepted, who is reachable.

Law: plain values; only the decider's rooms change them. Everything here is bounded: requests by
`queue_limit` and `queue_bytes`, remembered answers by count and bytes, epochs by what the coordinator prepared.
"""

from __future__ import annotations

import functools
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from device_agents.machine.commands import Fail, Reply
from device_agents.machine.events import EpochKey, LinkId, Timing, WorkKey
from device_agents.machine.far_side import FarSide
from device_agents.machine.fares import Fare
from device_agents.machine.lines import LineKey, Lines
from device_agents.machine.memory import Memory, SelfTest
from device_agents.machine.pages import Pieces, Turn, Turner
from device_agents.machine.replicas import named
from device_agents.machine.room import Room
from device_agents.machine.route import Route
from device_agents.machine.stages import MAX_STAGES, Stages
from device_agents.machine.terms import MAX_LOOKS, KnownTerms, Terms
from lepton_edge.core.errors import StaleEpoch
from lepton_edge.core.frames import Frame, Hop, WireTensor
from lepton_edge.core.messages import EpochStatus, LinkReport, LoadReport, Peer, QueueReport
from partitioner.plan import PlanBook
from partitioner.units import Bytes, DeviceId, Epoch, ModelName, PageName, Seconds, TensorName

REMEMBERED_ANSWERS = 64
REMEMBERED_BYTES = 4 << 20
MAX_TURNS = 32
MAX_FAR_SIDES = 64
TIMERS = 1e-3  # seconds by which a timer may be early
UNKNOWN_COST = 0.02  # seconds
COST_WEIGHT = 0.2
COST_RISE = 0.01

COMPUTING = ("local", "fallback", "smaller")
PREPARING, READY, ACTIVE, DRAINING = "preparing", "ready", "active", "draining"


@dataclass
class EpochState:
    """One epoch as this device holds it: blocks `hold` are open, of those that `memory` says are assigned.

    The commands are those of the coordinator that still wait for an outcome.
    """

    key: EpochKey
    book: PlanBook
    hold: tuple[int, ...]
    peers: tuple[Peer, ...] = ()
    state: str = PREPARING
    prepare_command: str = ""
    drain_command: str = ""
    retire_command: str = ""
    activate_when_open: bool = False
    activated: int = 0  # which activation of this agent it was: the newest counts
    busy: float = 0.0  # seconds of work for requests of this epoch, in so many runs
    runs: int = 0
    told: int = 0  # of the runs, those that the coordinator was told of
    terms: KnownTerms = field(init=False, repr=False, compare=False)
    costs: dict[tuple[int, int], float] = field(default_factory=dict)
    """What a run of blocks [first, last) takes for one request where nothing holds it up: seconds, see `note_cost`."""
    leader: str = ""  # the identity of the coordinator that had it prepared
    share: float = 0.0  # of the requests that try it while it is ready and another one is active
    fare: Fare = field(default_factory=Fare)
    wait: float = 0.0
    """What requests waited here of late, in line and for the engine: seconds, a moving average."""
    pieces: Pieces = field(default_factory=Pieces)
    memory: Memory = field(default_factory=Memory)
    turner: Turner | None = None
    """What is known of its pages, once a request came in here that named none."""

    def __post_init__(self) -> None:
        self.terms = KnownTerms(self.book, self.hold)
        self.memory.assigned = self.memory.assigned or self.hold

    @property
    def assigned(self) -> tuple[int, ...]:
        """Return the blocks that are here, open or not."""
        return tuple(sorted({*self.memory.assigned, *self.hold}))

    def holds(self, first: int, last: int) -> bool:
        """Whether blocks [first, last) are all here."""
        return set(range(first, last)) <= set(self.hold)

    def is_shared_with(self, device: DeviceId) -> bool:
        """Whether `device` has a part in this epoch: in its book, or as a peer."""
        return device in self._named or device in [peer.device for peer in self.peers]

    @functools.cached_property
    def _named(self) -> frozenset[DeviceId]:
        return named(self.book)

    def begins(self, device: DeviceId) -> bool:
        """Whether requests of this epoch are meant to enter at `device`: its active page begins there."""
        stages = self.book.page(self.book.active).stages
        return bool(stages) and stages[0].device == device

    def cost(self, first: int, last: int) -> float:
        """Return what a run of blocks [first, last) took of late; before the first one, what others of the model."""
        known = self.costs.get((first, last))
        return known or max(self.costs.values(), default=UNKNOWN_COST)

    def note_cost(self, first: int, last: int, seconds: float) -> None:
        """Note what a run took: quicker ones count at once, slower ones little.

        It is what callers are charged. A device that stands still for a moment would charge those who are served
        then ten times what the others pay, and let them wait ten rounds for it.
        """
        known = self.costs.get((first, last), seconds)
        late = COST_RISE * (min(seconds, 2 * known) - known)
        self.costs[first, last] = known + (late if seconds > known else COST_WEIGHT * (seconds - known))

    def note_wait(self, seconds: float) -> None:
        """Note how long a request waited."""
        self.wait += COST_WEIGHT * (seconds - self.wait)

    def status(self) -> EpochStatus:
        """Return what the coordinator is told of this epoch."""
        return EpochStatus(self.key.model, self.book.version, self.key.epoch, self.state, self.leader)


@dataclass(frozen=True)
class Ask:
    """What far side was asked: which, when, on what terms, and which outputs had been made here before.

    `patience` are the seconds after which it is late, whatever the request's deadline; `begin_by` is when others begin
    to answer beside it, whoever is busy.
    """

    peer: DeviceId
    at: float
    terms: Terms
    made: tuple[WireTensor, ...] = ()
    patience: Seconds = Seconds(0.0)
    begin_by: float = 0.0

    def is_early(self, now: float) -> bool:
        """Whether others need not begin yet."""
        return now < self.begin_by - TIMERS

    def is_late(self, now: float) -> bool:
        """Whether an answer is overdue: its timer may ring a moment early."""
        return now - self.at > self.patience - TIMERS


@dataclass
class Work:
    """One accepted request on its way.

    `phase` is "waiting" (in a line, see `lines`), "local", "remote", "fallback" (the rest runs here) or "smaller" (a
    declared smaller model does); times are the driver's seconds. `flow` is who asked, `begun` when it did not wait any
    more, `size` the bytes of the tensors that came, or of those that are kept for a fallback where they are more.

    `asks` are the far sides that may still be at work for us, `tried` all that were; `timer` is the one that tells that
    the last of them is late, `trial` says that one was suspected. `sent` is what a replica would be sent, `original`
    what a smaller model would run on; `why` is what went wrong last, `broken` the phases that failed here.
    """

    key: WorkKey
    link: LinkId
    asked: Frame
    epoch: EpochKey
    entry: bool
    terms: Terms
    arrived: float
    deadline: float
    phase: str = "local"
    run: int = 1
    reason: str = ""
    asks: dict[DeviceId, Ask] = field(default_factory=dict)
    tried: tuple[DeviceId, ...] = ()
    timer: str = ""
    trial: bool = False
    sent: tuple[WireTensor, ...] = ()
    original: tuple[WireTensor, ...] = ()
    why: str = ""
    broken: tuple[str, ...] = ()
    smaller: EpochKey | None = None
    first: int = -1  # where it began here, if it went on by another page
    left: Terms | None = None  # those that it went on from so, whose frontier is still here
    network: float = 0.0
    bytes_out: int = 0
    bytes_in: int = 0
    timing: Timing = Timing()
    outputs: tuple[WireTensor, ...] = ()
    hops: tuple[Hop, ...] = ()
    alone: bool = True  # nothing else asked for this device meanwhile
    given: tuple[
        WireTensor, ...
    ] = ()  # what waits in a line, or passed on as it came and a fallback may need
    flow: str = ""
    size: int = 0
    line: LineKey | None = None
    begun: float = 0.0

    @property
    def route(self) -> Route:
        """Return which blocks run here and who goes on."""
        return self.terms.route

    @property
    def page(self) -> PageName:
        """Return the page that was taken."""
        return self.terms.page

    @property
    def runs_on(self) -> EpochKey:
        """Return the epoch of what runs here: a smaller model's while that answers in its place."""
        return self.smaller if self.smaller is not None and self.phase == "smaller" else self.epoch

    @property
    def wanted(self) -> tuple[TensorName, ...]:
        """Return the tensors that answer."""
        return self.terms.wanted


@dataclass
class State:
    """All that the decider remembers."""

    device: DeviceId
    queue_limit: int = 256
    simulated_slowdown: float = 1.0
    epochs: dict[EpochKey, EpochState] = field(default_factory=dict)
    active: dict[ModelName, Epoch] = field(default_factory=dict)
    """What requests take that name no epoch. Others may be active beside it: the boards of a cloud have one each."""
    activations: int = 0
    works: dict[WorkKey, Work] = field(default_factory=dict)
    answers: OrderedDict[WorkKey, Reply | Fail] = field(default_factory=OrderedDict)
    answers_bytes: int = 0  # of the tensors in `answers`
    links: dict[DeviceId, LinkReport] = field(default_factory=dict)
    peers_up: set[DeviceId] = field(default_factory=set)
    far_sides: dict[DeviceId, FarSide] = field(default_factory=dict)
    leader: str = ""  # the identity of the coordinator that is obeyed
    canaries: dict[ModelName, Epoch] = field(default_factory=dict)  # those that a share of the requests tries
    moved: dict[ModelName, tuple[str, ...]] = field(
        default_factory=dict
    )  # data addresses of who serves them now
    measuring: int = 0
    closing: bool = False
    served: int = 0
    failed: int = 0
    last_success: float = -1.0
    stages: Stages = field(default_factory=OrderedDict)
    queue_bytes: int = 256 << 20
    room: Room = field(init=False)
    lines: Lines = field(default_factory=Lines)
    following: deque[WorkKey] = field(default_factory=deque)  # may begin, since one before them ended
    workers: int = 1  # computations at a time
    opening_pieces: bool = False  # what runs faster is being opened in the background
    budget: Bytes = Bytes(0)  # of open blocks' weights (see `opening`); 0: all that is assigned is opened
    openers: set[DeviceId] = field(default_factory=set)  # peers that open blocks when they are asked for them
    questions: int = 0  # that were asked of them
    tests: dict[WorkKey, SelfTest] = field(default_factory=dict)  # that run here
    tested: int = 0
    turned: int = 0  # times that an entry took another page by itself
    turns: deque[Turn] = field(default_factory=lambda: deque(maxlen=MAX_TURNS))  # the last of them

    def __post_init__(self) -> None:
        self.room = Room(self.queue_limit, self.queue_bytes)

    def far_side(self, device: DeviceId) -> FarSide:
        """Return what is known of a device that is asked; of too many, those that nobody waits for are forgotten."""
        found = self.far_sides.get(device)
        if found is None:
            if len(self.far_sides) >= MAX_FAR_SIDES:
                idle = [name for name, far in self.far_sides.items() if not far.asked]
                for name in idle:
                    del self.far_sides[name]
            found = self.far_sides[device] = FarSide()
        return found

    def reachable(self, device: DeviceId, now: float) -> bool:
        """Whether there is a link to `device`, and it is not suspected of being frozen, or may be tried again now."""
        far = self.far_sides.get(device)
        return device in self.peers_up and (far is None or far.may_try(now))

    def sound(self, device: DeviceId) -> bool:
        """Whether there is a link to `device`, and it is not suspected of being frozen."""
        far = self.far_sides.get(device)
        return device in self.peers_up and not (far is not None and far.suspected)

    def idle(self) -> bool:
        """Whether a run would begin at once: no more are at work than compute at a time."""
        return sum(work.phase in COMPUTING for work in self.works.values()) < self.workers

    def active_epoch(self, model: ModelName) -> EpochState | None:
        """Return the epoch that new requests for `model` take."""
        epoch = self.active.get(model)
        return None if epoch is None else self.epochs.get(EpochKey(model, epoch))

    def active_epochs(self, model: ModelName) -> list[EpochState]:
        """Return every active epoch of `model`."""
        return [one for one in self.epochs.values() if one.key.model == model and one.state == ACTIVE]

    def canary(self, model: ModelName) -> EpochState | None:
        """Return the epoch that a share of the requests for `model` tries."""
        epoch = self.canaries.get(model)
        held = None if epoch is None else self.epochs.get(EpochKey(model, epoch))
        return held if held is not None and held.state == READY else None

    def choose_active(self, model: ModelName) -> None:
        """Choose what requests for `model` take: the newest activated, one that begins here before all others."""
        found = self.active_epochs(model)
        self.active.pop(model, None)
        if found:
            best = max(found, key=lambda one: (one.begins(self.device), one.activated, one.key.epoch))
            self.active[model] = best.key.epoch

    def epoch(self, key: EpochKey) -> EpochState:
        """Return an open epoch; raises StaleEpoch."""
        found = self.epochs.get(key)
        if found is None or found.state == PREPARING:
            raise StaleEpoch(f"{self.device} does not hold epoch {key.epoch} of {key.model}", "try again")
        return found

    def working_on(self, key: EpochKey) -> bool:
        """Whether a request still runs on an epoch."""
        return any(key in (work.epoch, work.smaller) for work in self.works.values())


def queue_reports(state: State) -> tuple[QueueReport, ...]:
    """Return how requests fare, for each model that is active here."""
    active = Counter(work.epoch.model for work in state.works.values())
    return tuple(
        QueueReport(model, active[model], state.lines.waiting_for(model), Seconds(_wait(state, model)))
        for model in state.active
    )


def load_reports(state: State) -> tuple[LoadReport, ...]:
    """Return how long each epoch kept this device at work, of those with runs since this was asked last."""
    new = [held for held in state.epochs.values() if held.runs > held.told]
    for held in new:
        held.told = held.runs
    return tuple(LoadReport(one.key.model, one.key.epoch, Seconds(one.busy), one.runs) for one in new)


def _wait(state: State, model: ModelName) -> float:
    return max((held.wait for held in state.active_epochs(model)), default=0.0)


def answer_bytes(answer: Reply | Fail) -> int:
    """Return the bytes of tensors that remembering an answer costs."""
    return sum(len(tensor.payload) for tensor in answer.frame.tensors)


def validate(state: State) -> None:
    """Assert what must hold after every step (called by tests)."""
    assert len(state.works) <= state.queue_limit
    assert len(state.answers) <= REMEMBERED_ANSWERS
    assert len(state.stages) <= MAX_STAGES
    assert sum(answer_bytes(answer) for answer in state.answers.values()) == state.answers_bytes
    assert state.answers_bytes <= REMEMBERED_BYTES
    assert not state.works.keys() & state.answers.keys(), "work is either running or answered"
    _validate_room(state)
    for model, epoch in state.active.items():
        assert state.epochs[EpochKey(model, epoch)].state == ACTIVE
    for key, held in state.epochs.items():
        assert held.state != ACTIVE or key.model in state.active
        assert held.book.model == key.model
        assert len(held.terms) <= MAX_LOOKS
    for test in state.tests.values():
        assert test.key in state.epochs, "an epoch outlives what is tried of it"
    for work in state.works.values():
        assert work.epoch in state.epochs, "an epoch outlives its requests"
        assert work.smaller is None or work.smaller in state.epochs, "and so does a smaller model's"
    _validate_asks(state)


def _validate_asks(state: State) -> None:
    """Assert that it is known of each far side how many requests of ours wait for it."""
    asked = Counter(peer for work in state.works.values() for peer in work.asks)
    assert asked == Counter({peer: far.asked for peer, far in state.far_sides.items() if far.asked})
    for work in state.works.values():
        assert set(work.asks) <= set(work.tried)
        assert len(work.tried) == len(set(work.tried)), "each far side is asked once"
        assert not (work.asks and work.phase == "waiting")


def _validate_room(state: State) -> None:
    """Assert that the accounts agree with the requests there are."""
    room, works = state.room, state.works.values()
    assert not state.following, "who may begin has begun"
    assert room.requests == len(works) == sum(share.requests for share in room.shares.values())
    assert room.size == sum(work.size for work in works) == sum(share.size for share in room.shares.values())
    assert room.shares.keys() == {work.flow for work in works}
    waiting = {key for line in state.lines.lines.values() for key in line.waiting}
    assert waiting == {work.key for work in works if work.phase == "waiting"}
    assert len(waiting) == state.lines.waits
    for key, line in state.lines.lines.items():
        assert line.running == sum(work.line == key and work.phase != "waiting" for work in works)
        assert line.running or line.waiting, "a line of nobody is forgotten"
