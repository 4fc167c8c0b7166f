"""The parts of the demo's journey that need no process: what it deploys, asks, waits for and compares."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from examples.demo import journey as demo
from examples.demo.__main__ import _failures
from examples.demo.journey import APPLICATION, APPLICATION_LOCAL, EXPECTED, Act, Journey, Loss
from examples.demo.measure import Timing
from examples.demo.processes import LTE, Conditions, Town
from lepton_edge.client import Client, MockTransport
from lepton_edge.client.mock import failure, reply
from lepton_edge.core.errors import LeptonError, Unavailable, UnknownModel
from lepton_edge.core.frames import Frame, Hop
from lepton_edge.core.messages import AdminCall, AdminEvent, Deploy, Document
from lepton_edge.core.results import Result

JPEG = b"\xff\xd8\xff a picture"


def act(split: bool = True, **seconds: float) -> Act:
    rows = [{"page": name, "eligible": name != "cloud-jpeg"} for name in ("local", "cloud-jpeg", "cut-4")]
    timings = {name: Timing([one], dict(EXPECTED)) for name, one in seconds.items()}
    plan = {"page": "cut-4" if split else "local", "split": split, "candidates": rows}
    return Act("LTE", LTE, True, plan, timings)


def loss(page: str = "local", answer: str = "espresso") -> Loss:
    return Loss(Result("r", "net", 1, page, {}), answer, 0.1, 0.05)


def test_the_best_is_an_eligible_page_that_was_measured() -> None:
    measured = {"local": 0.2, "cloud-jpeg": 0.01, APPLICATION: 0.005}
    assert act(**measured).best_measured() == "local"
    assert act(**measured, **{"cut-4": 0.1}).best_measured() == "cut-4"


def test_what_is_slowed_is_the_boards_engine_alone() -> None:
    board = Hop("board", 0, 1, queue=1, decode=0.1, compute=0.2, encode=0.4, network=1, total=9)
    cloud = Hop("cloud", 1, 2, decode=5, compute=5, encode=5)
    result = Result("r", "net", 1, "cut-4", {}, hops=(board, cloud))
    assert demo._slowed(result) == pytest.approx(0.7)


def serving(*answers: LeptonError | None) -> tuple[Client, MockTransport]:
    """A client of an agent that gives these answers one after the other, None for a right one."""
    left = list(answers)

    def answer(frame: Frame) -> Frame:
        error = left.pop(0)
        return reply(frame, {}) if error is None else failure(frame, error)

    transport = MockTransport(answer)
    return Client(transport=transport, retries=0), transport


def test_a_board_that_is_not_ready_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo.time, "sleep", lambda seconds: None)
    client, transport = serving(Unavailable("opening"), Unavailable("opening"), None)
    with client:
        demo._wait_until_it_serves(client, JPEG)
    assert [frame.page for frame in transport.frames] == ["local"] * 3


def test_a_board_that_will_never_serve_says_why() -> None:
    client, _ = serving(UnknownModel("no such model"), None)
    with client, pytest.raises(UnknownModel, match="no such model"):
        demo._wait_until_it_serves(client, JPEG)


def test_a_board_that_is_never_ready_ends_the_wait() -> None:
    client, _ = serving(Unavailable("opening"), None)
    with client, pytest.raises(Unavailable, match="opening"):
        demo._wait_until_it_serves(client, JPEG, seconds=0.0)


@pytest.fixture
def journey(tmp_path: Path) -> Journey:
    made = Journey(Town(tmp_path), tmp_path, lambda text: None)
    made.coordinator, made.labels = "127.0.0.1:1", []
    made._applications = lambda: (SimpleNamespace(), SimpleNamespace())  # type: ignore[method-assign,assignment,return-value]
    return made


def test_every_page_that_may_be_asked_is_asked_beside_the_application(journey: Journey) -> None:
    rows = [
        {"page": "local", "in_book": True, "eligible": True},
        {"page": "cloud-jpeg", "in_book": True, "eligible": False},
        {"page": "cloud-raw", "in_book": False, "eligible": False},
    ]
    client, _ = serving()
    free = journey._ways(client, {"candidates": rows}, keep_input=False)
    kept = journey._ways(client, {"candidates": rows}, keep_input=True)
    assert list(free) == ["local", "cloud-jpeg", APPLICATION, APPLICATION_LOCAL]
    assert list(kept) == ["local", APPLICATION_LOCAL], "the application would give the input away"


def test_deploying_returns_the_plan(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[AdminCall] = []

    def admin(asked: list[AdminCall]) -> list[AdminEvent]:
        calls.extend(asked)
        schema = "deployment" if isinstance(asked[0], Deploy) else "plan"
        return [Document(f"lepton-edge/{schema}/1", json.dumps({"page": "cut-4", "told": schema}))]

    monkeypatch.setattr(demo, "Client", lambda _, **how: Client(transport=MockTransport(_unasked, admin)))
    assert journey.deploy(keep_input=True, page="cut-4")["told"] == "plan"
    deployed = calls[0]
    assert isinstance(deployed, Deploy)
    assert (deployed.name, deployed.keep_input_on_board, deployed.page) == ("mobilenetv2", True, "cut-4")


def _unasked(frame: Frame) -> Frame:
    raise AssertionError("nothing is to be inferred")


def test_the_acts_are_three_links_and_the_kept_input(
    journey: Journey, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[tuple[str, bool]] = []

    def play(title: str, conditions: Conditions, *, keep_input: bool = False) -> Any:
        played.append((conditions.name, keep_input))

    monkeypatch.setattr(journey, "act", play)
    assert len(list(journey.acts())) == 4
    assert played == [("Wi-Fi", False), ("LTE", False), ("3G", False), ("LTE", True)]


def test_a_demo_that_kept_its_promises_has_no_failures() -> None:
    assert _failures([act(**{"cut-4": 0.1, APPLICATION: 0.1})], loss()) == []


def test_each_broken_promise_is_named() -> None:
    wrong = act(split=False, **{"cut-4": 0.1, APPLICATION: 0.1})
    wrong.timings["cut-4"].answers["coffee"] = "teapot"
    wrong.timings[APPLICATION].answers["coffee"] = "teapot"  # its own affair
    told = _failures([wrong], loss(page="cut-4", answer=""))
    assert len(told) == 3
    assert "cut-4 calls the coffee 'teapot', not 'espresso'" in told[0]
    assert "the plan is local, not an interior cut" in told[1]
    assert "by page cut-4" in told[2]
