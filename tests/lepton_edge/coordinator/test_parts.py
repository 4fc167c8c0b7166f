"""Who takes part, and what holds of many boards and clouds under any order of events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import parts
from lepton_edge.coordinator.records import ACTIVE
from lepton_edge.coordinator.state import Deployment
from lepton_edge.core import messages as m
from tests.lepton_edge.coordinator.test_machine import Chaos

BOARDS, CLOUDS = ("board", "shed"), ("cloud", "east")


def test_the_new_epoch_is_numbered_above_every_one_that_anybody_holds(pair: Any, make: Any) -> None:
    pair.state.devices["board"].epochs["net", 41] = "active"
    request = m.Deploy("net")
    run = Deployment("x", "call", "activate", request, version="v1", board="board", cloud="cloud")  # type: ignore[arg-type]
    record, told = parts.new_epoch(pair.state, run, make.book(), "{}")
    assert (record.epoch, record.board, record.cloud, told) == (42, "board", "cloud", [])


def test_only_an_active_epoch_is_left_behind(pair: Any) -> None:
    pair.deploy()
    pair.run()
    key = ("net", 1)
    run = Deployment("x", "call", "activate", m.Deploy("net"), instead=key)  # type: ignore[arg-type]
    assert parts.left(pair.state, run) is pair.state.epochs[key]
    pair.call(lambda cause, number: e.RemoveAsked(cause, number, "net"))
    assert parts.left(pair.state, run) is None


# --- any order of events --------------------------------------------------------------------------

ACTIONS = (
    *(f"attach {name}" for name in (*BOARDS, *CLOUDS)),
    *(f"detach {name}" for name in (*BOARDS, *CLOUDS)),
    "on board", "on shed", "on board east", "on shed east", "warm board", "warm shed",
    "move board shed", "move shed board", "move cloud east board", "move east cloud shed", "busy",
    "remove", "push", "work", "work fails", "answer", "answer", "answer last", "refuse", "answer twice", "progress",
    "tick", "long tick", "store fails", "steps 2", "steps 4", "steps 8",
)  # fmt: skip


class Crowd(Chaos):
    """Two boards, two clouds, and people who deploy, move and take away."""

    def _attach(self, who: str) -> None:
        role = "cloud" if who in CLOUDS else "board"
        self.world.attach(self.make.hello(who, role, f"i{self.world.streams}"))

    def _on(self, rest: str) -> None:
        board, _, cloud = rest.partition(" ")
        self.asked.append(self.world.deploy(board=board, cloud=cloud or "cloud"))

    def _warm(self, board: str) -> None:
        self.asked.append(self.world.deploy(board=board, cloud="cloud", replicas=("*",)))

    def _move(self, rest: str) -> None:
        asked = m.MoveModel("net", *rest.split())  # type: ignore[arg-type]
        self.asked.append(self.world.call(lambda cause, call: e.MoveAsked(cause, call, asked)))

    def _steps(self, count: str) -> None:
        """Let the worker, or whoever was told something first, answer a few times."""
        for _ in range(int(count)):
            self._work("") if self.world.work else self._answer("")

    def _busy(self, rest: str) -> None:
        loads = tuple(
            m.LoadReport(*key, self.world.now, int(self.world.now)) for key in self.world.state.epochs
        )
        for device in self.world.state.connected("cloud"):
            self.world.hear(device.stream, m.Telemetry(0, 0, 0, 0, 0, 0, 0, -1, loads=loads, workers=2))

    def look(self) -> None:
        """What holds after every step, beside `validate_state`: a board's requests have one plan."""
        active = [(one.model, one.board) for one in self.world.state.active_epochs()]
        assert len(active) == len(set(active))
        for one in self.world.state.active_epochs():
            assert one.board in ("", *BOARDS)
            assert set(one.ready) >= {hold.device for hold in one.holds} - set(one.replicas)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.lists(st.sampled_from(ACTIONS), min_size=5, max_size=60))
def test_no_board_ever_has_two_plans_and_every_call_one_answer(make: Any, words: list[str]) -> None:
    crowd = Crowd(make)
    for word in [
        "push",
        *(f"attach {name}" for name in (*BOARDS, *CLOUDS)),
        "on board",
        "steps 30",
        "warm shed",
        *words,
    ]:
        crowd.act(word)
        crowd.look()
    crowd.finish()
    crowd.look()
    assert set(crowd.asked) <= set(crowd.world.answers)
    assert crowd.world.state.running is None
    assert not crowd.world.state.pending


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.lists(st.sampled_from(ACTIONS), max_size=40))
def test_after_any_trouble_every_board_can_be_deployed_on_and_holds_what_it_should(
    make: Any, words: list[str]
) -> None:
    crowd = Crowd(make)
    for word in words:
        crowd.act(word)
    crowd.finish()
    world = crowd.world
    world.said.clear()
    for name in (*BOARDS, *CLOUDS):
        world.attach(make.hello(name, "cloud" if name in CLOUDS else "board", "fresh"))
    world.push()
    world.run()
    for board in BOARDS:
        call = world.deploy(board=board, cloud="cloud", replicas=("east",))
        world.run()
        assert isinstance(world.answer_of(call), c.Finish)
    active = world.state.active_epochs("net")
    assert {one.board for one in active} >= set(BOARDS)
    for name in (*BOARDS, *CLOUDS):
        should = [one.key for one in active if one.blocks_of(name)]
        assert world.state.devices[name].epochs == dict.fromkeys(should, "active"), name


@pytest.mark.parametrize("board", BOARDS)
def test_a_move_back_and_forth_ends_where_it_began(make: Any, board: str) -> None:
    crowd = Crowd(make)
    for word in ("push", *(f"attach {name}" for name in (*BOARDS, *CLOUDS)), f"on {board}"):
        crowd.act(word)
    crowd.world.run()
    other = next(name for name in BOARDS if name != board)
    for word in (f"move {board} {other}", f"move {other} {board}"):
        crowd.act(word)
        crowd.world.run()
    [record] = crowd.world.state.active_epochs("net")
    assert (record.board, record.epoch, record.state) == (board, 3, ACTIVE)
