"""An entry takes the page that costs least by what it knows now, and turns when that changes."""

from __future__ import annotations

import dataclasses
import time

import pytest

from device_agents.machine import step
from device_agents.machine.commands import AskReady, Reply, RunSegment, SendStage
from device_agents.machine.events import (
    LinksSeen,
    PeerDown,
    PeerUp,
    ReadyTold,
    SegmentDone,
    StageReplied,
    Timing,
)
from device_agents.machine.learning import reports
from device_agents.machine.state import validate
from device_agents.machine.turning import choose
from lepton_edge.core.frames import Frame, FrameKind, Hop, WireError
from lepton_edge.core.messages import LinkReport
from partitioner.plan import Prediction, TurnRule

FAST, SLOW = 2.36e6, 0.1375e6
FIGURES = {  # at 2.36 MB/s and 20 ms there and back: local 80, encoded 42, jpeg 42, cut-4 41 ms
    "local": Prediction(0.080, 0.080, 0.0, 0.0, 0.0, 0, 0),
    "cloud-encoded": Prediction(0.0425, 0.0005, 0.0100, 0.0220, 0.0100, 28000, 60),
    "cloud-jpeg": Prediction(0.0424, 0.0040, 0.0100, 0.0184, 0.0100, 20000, 60),
    "cut-4": Prediction(0.0400, 0.0150, 0.0050, 0.0100, 0.0100, 100, 60),
}


@pytest.fixture
def board(world):
    """A board whose pages turn; nothing is known of the link yet."""
    return Board(world)


class Board:
    """A board with the conftest's picture model, whose pages turn, and the world around it."""

    def __init__(self, world, pages=tuple(FIGURES), active="cloud-encoded", **rule) -> None:
        book = world.book(active)
        turned = tuple(dataclasses.replace(page, prediction=FIGURES[page.name]) for page in book.pages)
        book = dataclasses.replace(book, pages=turned, turning=TurnRule(pages, **rule))
        self.world, self.state, self.now, self.count = world, world.agent(book=book), 0.0, 0
        self.scale = {"own": 1.0, "far": 1.0, "queue": 0.0}
        self.rate = FAST

    def link(self, up: float, **fields) -> None:
        self.rate = up
        self.happen(LinksSeen((LinkReport("cloud", up=up, down=up, round_trip=0.02, samples=9, **fields),)))

    def happen(self, event):
        self.now += 0.001
        commands = step(self.state, event, self.now)
        validate(self.state)
        return commands

    def begin(self, **fields):
        self.now += 0.05
        self.count += 1
        size = fields.pop("size", 28000)
        tensors = (self.world.tensor("x", shape=(size,), size=size),)
        fields = {"tensors": tensors, **fields}
        return self.world.ask(self.state, now=self.now, request_id=f"r{self.count}", **fields)

    def ask(self, **fields) -> Reply:
        """Ask, let everything take its time, and return the answer."""
        commands = self.begin(**fields)
        work = next(iter(self.state.works.values()))
        ahead = FIGURES[work.page]
        for one in commands:
            if isinstance(one, RunSegment):
                self.now += ahead.board * self.scale["own"]
                forward = tuple(self.world.tensor(c.tensor, "float32", (1, 8), 100) for c in one.forward)
                timing = Timing(compute=ahead.board * self.scale["own"])
                done = SegmentDone(one.work, one.run, timing, forward, self._outputs(one))
                commands = step(self.state, done, self.now)
        for one in commands:
            if isinstance(one, SendStage):
                far = ahead.cloud * self.scale["far"] + self.scale["queue"]
                self.now += 0.02 + work.bytes_out / self.rate + 60 / self.rate + far
                hop = Hop("cloud", 0, 5, queue=self.scale["queue"], total=far)
                commands = step(
                    self.state, StageReplied(one.work, self.world.answer(one.frame, hops=(hop,))), self.now
                )
        validate(self.state)
        return self.world.only(commands, Reply)

    def _outputs(self, run):
        return tuple(self.world.tensor(name, "float32", (1, 5), 20) for name in run.outputs)

    def page(self) -> str:
        return self.ask().frame.page


def test_the_cheapest_page_is_taken_by_what_the_plan_says(board) -> None:
    assert board.page() == "cut-4"


def test_a_link_that_slows_turns_the_page_at_the_next_request_and_back(world) -> None:
    board = Board(world, ("local", "cloud-encoded"))
    board.link(FAST)
    assert [board.page() for _ in range(20)] == ["cloud-encoded"] * 20
    board.link(SLOW)
    first = board.ask()
    assert first.frame.page == "local"
    assert "the link to cloud moves 0.14 MB/s, it moved 2.36 MB/s" in first.frame.reason
    board.link(FAST)
    assert board.page() == "cloud-encoded"


def test_a_rate_that_was_seen_long_ago_is_doubted(world) -> None:
    board = Board(world, ("local", "cloud-encoded"))
    board.link(SLOW)
    assert board.page() == "local"
    board.link(SLOW, age=4.0)
    assert board.page() == "local"
    board.link(SLOW, age=40.0)
    assert board.page() == "cloud-encoded"


def refused(board, code: str = "stale_epoch") -> None:
    """Ask; the cloud has just begun anew, and says that it does not hold the epoch: the rest runs here."""
    sent = board.world.only(board.begin(), SendStage)
    error = WireError(code, "cloud does not hold epoch 1", retryable=True, device="cloud")
    frame = Frame(FrameKind.ERROR, sent.work.request_id, error=error)
    run = board.world.only(board.happen(StageReplied(sent.work, frame, "cloud")), RunSegment)
    board.world.only(board.happen(SegmentDone(run.work, run.run, outputs=board._outputs(run))), Reply)


def questions(board) -> tuple[Reply, list[AskReady]]:
    """Ask; return the answer, and what the cloud is asked beside it."""
    board.now += 0.3
    commands = board.begin()
    run, asked = (
        board.world.only(commands, RunSegment),
        [one for one in commands if isinstance(one, AskReady)],
    )
    board.now += FIGURES["local"].board
    done = SegmentDone(run.work, run.run, outputs=board._outputs(run))
    return board.world.only(board.happen(done), Reply), asked


def told(board, asked: AskReady, code: str = "") -> None:
    error = WireError(code, "not yet", retryable=True, device="cloud") if code else None
    board.happen(ReadyTold(asked.key, "cloud", asked.frame.page, asked.frame.request_id, error))


def test_a_far_side_that_began_anew_is_asked_in_a_few_bytes_until_it_holds_the_epoch_again(world) -> None:
    board = Board(world, ("local", "cloud-encoded"))
    board.link(FAST)
    assert board.page() == "cloud-encoded"
    refused(board)
    answer, (first,) = questions(board)
    assert answer.frame.page == "local"
    assert answer.frame.reason.endswith("cloud opens its blocks again")
    assert first.frame.tensors == ()
    told(board, first, "stale_epoch")
    answer, again = questions(board)
    assert (answer.frame.page, again) == ("local", []), "it has just said no"
    answer, (second,) = questions(board)
    told(board, second)
    assert board.page() == "cloud-encoded"


def test_a_far_side_of_protocol_1_0_holds_the_epoch_where_it_misses_tensors(world) -> None:
    board = Board(world, ("local", "cloud-encoded"))
    board.link(FAST)
    refused(board)
    _, (asked,) = questions(board)
    told(board, asked, "invalid_input")
    assert board.page() == "cloud-encoded"


def test_a_new_link_leads_to_who_may_hold_everything(world) -> None:
    board = Board(world, ("local", "cloud-encoded"))
    board.link(FAST)
    refused(board)
    assert board.page() == "local"
    board.happen(PeerDown("cloud"))
    board.happen(PeerUp("cloud"))
    board.link(FAST)
    assert board.page() == "cloud-encoded"


def overheated(world) -> Board:
    """A board that computed all by itself while it was cool, and leaves most to a slow cloud since it throttles."""
    board = Board(world, ("local", "cut-4"))
    board.scale["far"] = 14.0
    board.link(FAST)
    assert [board.page() for _ in range(20)][-1] == "local"
    board.scale["own"] = 8.0
    assert [board.page() for _ in range(40)][2:] == ["cut-4"] * 38
    return board


def test_a_device_that_has_cooled_is_found_out_by_a_page_that_hardly_computes_here(world) -> None:
    board = overheated(world)
    board.scale["own"] = 1.0
    answers = [board.ask().frame for _ in range(40)]
    looks = [at for at, one in enumerate(answers) if "whether board is as slow as it seems" in one.reason]
    assert len(looks) == 2, "one alone may have been odd"
    assert {one.page for one in answers[looks[-1] + 1 :]} == {"local"}


def test_a_device_that_stays_slow_is_not_tried_where_that_would_cost_much(world) -> None:
    board = overheated(world)
    assert {board.page() for _ in range(400)} == {"cut-4"}


def test_a_device_that_is_a_little_slow_is_tried_seldom(world) -> None:
    board = overheated(world)
    board.scale["own"] = 2.0  # all of it here takes 160 ms, with the cloud 120
    for _ in range(20):
        board.ask()
    begun, looks = board.now, 0
    while board.now < begun + 60:
        looks += board.ask().frame.page == "local"
    assert looks <= 10, "pauses grow to half a minute"


def test_a_request_sees_once_in_a_while_whether_a_link_is_as_slow_as_it_seems(world) -> None:
    board = Board(world, ("local", "cloud-encoded"))
    board.link(FAST)
    board.ask()
    board.link(0.35e6)  # 110 ms are believed of what was planned to take 42, here it takes 80
    for _ in range(15):
        assert board.page() == "local"
    looks = [at for at in range(100) if board.ask().frame.reason.startswith("taken this once, to see")]
    assert len(looks) == 3, "with growing pauses"
    assert board.page() == "local"
    board.link(SLOW)
    assert {board.page() for _ in range(400)} == {"local"}, (
        "what would cost three times as much is not risked"
    )


RISING = {  # at 0.14 MB/s local; at 0.5 the cut's small tensors are best, at 2.36 the picture
    "local": Prediction(0.300, 0.300, 0.0, 0.0, 0.0, 0, 0),
    "cloud-jpeg": Prediction(0.190, 0.120, 0.010, 0.050, 0.010, 80000, 60),
    "cut-4": Prediction(0.240, 0.200, 0.010, 0.020, 0.010, 12500, 60),
}


@pytest.fixture
def rising(world, monkeypatch):
    """A board whose best page has larger tensors than the one that it would take by what is believed after a rise."""
    for page, figures in RISING.items():
        monkeypatch.setitem(FIGURES, page, figures)
    board = Board(world, tuple(RISING))
    board.link(SLOW)
    assert {board.page() for _ in range(3)} == {"local"}
    return board


def looks(board, count: int) -> list[float]:
    """Return when requests tried out the page of 80 kB."""
    found = []
    for _ in range(count):
        frame = board.ask().frame
        if frame.reason.startswith("taken this once, to see"):
            assert frame.page == "cloud-jpeg"
            found.append(board.now)
    return found


def test_after_a_rise_one_request_sees_at_once_whether_larger_tensors_are_quicker_still(rising) -> None:
    board = rising
    board.link(0.5e6)
    assert len(looks(board, 2)) == 1
    board.link(2.36e6)
    assert board.page() == "cloud-jpeg"


def test_what_a_rise_was_found_not_to_be_is_not_asked_again_soon(rising) -> None:
    board = rising
    board.link(0.5e6)
    assert len(looks(board, 1)) == 1
    for number in range(8):  # the rate goes up and down, in 2 s
        board.link(0.36e6 if number % 2 else 0.5e6)
        assert looks(board, 1) == []


def test_a_rate_that_goes_on_rising_is_looked_at_each_time_but_for_a_few_times_only(rising) -> None:
    """What a slow board sees of a quick link are lower bounds, one above the other."""
    found = []
    for number in range(4):
        rising.link(0.3e6 * 1.3**number)
        found.append(len(looks(rising, 1)))
    assert found == [1, 1, 1, 0]


def test_a_link_that_plainly_is_as_slow_as_it_seems_is_not_looked_at(rising) -> None:
    """12.5 kB take 25 ms: much beside a round trip of 4 ms, or what strays by 20; little beside 20 ms and 50."""
    found = []
    for trip, strays in ((0.004, 0.05), (0.02, 0.02), (0.02, 0.05)):
        report = LinkReport("cloud", up=0.5e6, down=0.5e6, round_trip=trip, samples=9, p99=strays)
        rising.happen(LinksSeen((report,)))
        looks(rising, 2)  # the rise itself
        found.append(len(looks(rising, 40)))
    assert found[:2] == [0, 0]
    assert found[2] > 0


def test_a_suspected_far_side_is_tried_by_the_page_that_costs_least_now(rising) -> None:
    """A frontier of 80 kB would keep a slow link busy for half a second, to learn no more than one of 12 kB does."""
    far = rising.state.far_side("cloud")
    far.overdue(rising.now, 0.0, rising.now)
    frame = rising.ask().frame
    assert frame.reason == "taken this once, to see whether cloud is back"
    assert frame.page == "cut-4"


def test_no_page_turns_where_a_person_has_pinned_one(world) -> None:
    board = Board(world, ())
    board.link(SLOW)
    assert board.page() == "cloud-encoded"


def test_a_request_that_names_a_page_gets_it(board) -> None:
    assert board.ask(page="cloud-jpeg").frame.page == "cloud-jpeg"
    assert not board.state.turns


def test_a_far_side_out_of_reach_is_left_and_taken_again(board) -> None:
    board.link(FAST)
    assert board.page() == "cut-4"
    board.happen(PeerDown("cloud"))
    assert board.ask().frame.reason.endswith("cloud is out of reach")
    board.happen(PeerUp("cloud"))
    assert board.ask().frame.reason.endswith("cloud is back")


def test_a_far_side_that_is_silent_is_tried_once_in_a_while_and_no_turn(board) -> None:
    board.link(FAST)
    assert board.page() == "cut-4"
    far = board.state.far_side("cloud")
    far.suspected, far.next_trial = True, board.now + 1.0
    assert board.page() == "local"
    far.next_trial = board.now
    trial = board.ask()
    assert (trial.frame.page, trial.frame.reason) == (
        "cut-4",
        "taken this once, to see whether cloud is back",
    )
    assert not far.suspected
    assert board.page() == "cut-4"
    assert [turn.after for turn in board.state.turns] == ["cut-4", "local", "cut-4"]


def test_what_a_link_moved_in_an_outage_is_looked_at_when_the_far_side_is_back(rising) -> None:
    """Bytes that nobody acknowledged for two seconds look like a link that is fifty times slower than it is."""
    board, back = rising, rising.state.far_side("cloud").hear
    board.link(2.36e6)
    assert {board.page() for _ in range(3)} == {"cloud-jpeg"}
    board.link(0.04e6)
    _silent(board)
    back(board.now)
    assert _looked(board, 1) == ["cloud-jpeg"], "at once, whatever it seems to cost"
    assert "cloud-jpeg" not in _looked(board, 8), "and once"
    _silent(board)
    back(board.now)
    assert "cloud-jpeg" not in _looked(board, 8), "it was not turned to: the link is as slow as it seems"
    board.link(2.36e6)
    assert board.page() == "cloud-jpeg"
    board.link(0.04e6)
    _silent(board)
    back(board.now)
    assert _looked(board, 1) == ["cloud-jpeg"]


def test_a_far_side_that_is_back_beyond_a_long_way_is_not_looked_at(rising) -> None:
    rising.link(2.36e6)
    rising.ask()
    _silent(rising)
    rising.state.far_side("cloud").hear(rising.now)
    rising.happen(LinksSeen((LinkReport("cloud", up=0.04e6, down=0.04e6, round_trip=0.8, samples=9),)))
    assert _looked(rising, 8) == []


def _looked(board, count: int) -> list[str]:
    frames = [board.ask().frame for _ in range(count)]
    return [frame.page for frame in frames if frame.reason.startswith("taken this once, to see")]


def _silent(board) -> None:
    far = board.state.far_side("cloud")
    board.now += 1.0
    far.overdue(board.now, 0.0, board.now)
    far.next_trial = board.now + 100.0
    assert board.page() == "local"


def test_one_odd_request_changes_nothing_two_in_a_row_do(board) -> None:
    board.link(FAST)
    for _ in range(12):
        board.ask()
    board.scale["own"] = 6.0
    board.ask()
    board.scale["own"] = 1.0
    assert board.page() == "cut-4"
    board.scale["own"] = 6.0
    board.ask(), board.ask()
    assert board.page() == "cloud-encoded"


def test_what_is_particular_about_one_page_does_not_move_the_others(world) -> None:
    board = Board(world, ("local", "cut-4"), active="local")
    FIGURES_LOCAL = FIGURES["local"].latency
    for _ in range(12):
        board.scale["own"] = 1.3 if board.page() == "local" else 1.0
    own = board.state.epochs[next(iter(board.state.epochs))].turner.own
    assert own.seconds(("local", 0, 5), FIGURES_LOCAL, board.now) < 1.4 * FIGURES_LOCAL


def test_near_equal_pages_do_not_alternate(world) -> None:
    board = Board(world, ("cloud-encoded", "cloud-jpeg"))
    board.link(FAST)
    for turn in range(200):
        board.scale["far"] = 1.0 + 0.1 * (turn % 3)
        board.ask()
    assert len(board.state.turns) <= 1


def test_a_far_side_that_is_busy_is_left_one_by_one_and_tried_again(world) -> None:
    boards = [Board(world, ("local", "cloud-encoded")) for _ in range(8)]
    for number, board in enumerate(boards):
        board.count = 1000 * number
        board.link(FAST)
        board.ask()
        board.scale["queue"] = 0.3
    pages = [[board.page() for board in boards] for _ in range(12)]
    moved = [sum(page == "local" for page in now) for now in pages]
    assert moved[0] == 0
    assert max(b - a for a, b in zip(moved, moved[1:], strict=False)) <= 5
    assert moved[-1] >= 7
    for board in boards:
        board.scale["queue"] = 0.0
        board.now += 7.0
    assert 0 < sum(board.page() == "cloud-encoded" for board in boards) < 8
    for _ in range(60):
        last = [board.page() for board in boards]
    assert set(last) == {"cloud-encoded"}


def test_who_asks_seldom_has_forgotten_that_the_far_side_was_busy(world) -> None:
    board = Board(world, ("local", "cloud-encoded"))
    board.link(FAST)
    board.ask()
    board.scale["queue"] = 0.3
    while board.page() != "local":
        pass
    board.scale["queue"] = 0.0
    board.now += 17.0
    assert board.page() == "cloud-encoded"


def test_a_queue_here_sends_single_requests_elsewhere(world) -> None:
    board = Board(world, ("local", "cloud-encoded"), active="local")
    board.link(0.4e6)
    assert [board.page() for _ in range(3)] == ["local"] * 3
    board.begin()
    board.begin()
    busy = board.begin()
    taken = next(work for work in board.state.works.values() if work.key.request_id == f"r{board.count}")
    assert taken.page == "cloud-encoded"
    assert "taken this once, since board is busy" in taken.reason
    assert any(isinstance(one, SendStage) for one in busy)


def test_an_input_of_other_bytes_is_costed_by_its_own(world) -> None:
    board = Board(world, ("local", "cloud-encoded"))
    board.link(FAST)
    assert [board.page() for _ in range(3)] == ["cloud-encoded"] * 3
    assert board.ask(size=2_000_000).frame.page == "local"
    assert board.page() == "cloud-encoded"


def test_limits_keep_pages_out(world) -> None:
    board = Board(world, ("local", "cloud-encoded"), max_egress=1000.0)
    assert board.page() == "local"


def test_turns_are_told_with_what_they_brought(world) -> None:
    board = Board(world, ("local", "cloud-encoded"))
    board.link(FAST)
    board.ask()
    board.link(SLOW)
    board.ask()
    (told,) = reports(board.state, board.now)
    assert (told.serial, told.before, told.after, told.requests, told.over) == (
        1,
        "cloud-encoded",
        "local",
        1,
        False,
    )
    assert told.predicted_before > 0.2
    assert told.measured == pytest.approx(0.080, rel=0.1)
    assert reports(board.state, board.now) == ()
    board.link(FAST)
    board.ask()
    assert [(one.serial, one.over) for one in reports(board.state, board.now)] == [(1, True), (2, False)]


def test_choosing_costs_little(board) -> None:
    board.link(FAST)
    for _ in range(20):
        board.ask()
    held = next(iter(board.state.epochs.values()))
    frame = board.world.request("r", tensors=(board.world.tensor("x", shape=(28000,), size=28000),))
    terms = held.terms.entry("board", frame)

    def seconds(stale: bool) -> float:
        begin = time.process_time()
        for _ in range(500):
            held.turner.stale = stale
            choose(board.state, held, frame, terms, board.now)
        return (time.process_time() - begin) / 500

    assert min(seconds(False) for _ in range(3)) < 20e-6
    assert min(seconds(True) for _ in range(3)) < 200e-6
