"""Every way is asked in turn; the first round only warms up; medians."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace
from typing import Any

import pytest

from examples.demo import measure as measuring
from examples.demo.measure import LEAST, ROUNDS, Timing, Way, application_way, as_json, measure, page_way
from lepton_edge.client import Client, MockTransport
from lepton_edge.client.mock import reply
from lepton_edge.core.frames import Frame, LabelScore

PICTURES = {"coffee": b"1", "camera": b"2"}


class Clock:
    """Time that passes only where a way takes it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def way(self, *seconds: float, asked: list[str] | None = None, name: str = "") -> Way:
        """Return a way that takes these seconds, one after the other, the last for ever."""
        left = itertools.chain(seconds, itertools.repeat(seconds[-1]))

        def ask(picture: str, encoded: bytes) -> tuple[str, str]:
            assert encoded == PICTURES[picture]
            self.now += next(left)
            if asked is not None:
                asked.append(f"{name} {picture}")
            return f"a {picture}", "board" if picture == "coffee" else "server"

        return ask


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(measuring, "time", SimpleNamespace(monotonic=made, perf_counter=made))
    return made


def test_ways_and_pictures_take_turns(clock: Clock) -> None:
    asked: list[str] = []
    measure({name: clock.way(0.001, asked=asked, name=name) for name in ("a", "b")}, PICTURES)
    assert asked[:6] == ["a coffee", "b coffee", "a camera", "b camera", "a coffee", "b coffee"]
    assert len(asked) == 2 * (ROUNDS + 1)


def test_the_first_round_counts_for_nothing_but_its_answer(clock: Clock) -> None:
    timing = measure({"a": clock.way(0.9, 0.1, 0.3, 0.2)}, PICTURES)["a"]
    assert len(timing.seconds) == ROUNDS
    assert timing.seconds[:3] == pytest.approx([0.1, 0.3, 0.2])
    assert timing.answers == {"coffee": "a coffee", "camera": "a camera"}
    assert timing.ran_on == {"board", "server"}


def test_slow_ways_are_asked_a_few_times_at_least(clock: Clock) -> None:
    assert len(measure({"a": clock.way(100.0)}, PICTURES)["a"].seconds) == LEAST
    # 15 s of the 14 have passed in the round after which it ends
    assert len(measure({"a": clock.way(3.0)}, PICTURES)["a"].seconds) == 4


def test_the_median_is_shown_in_milliseconds() -> None:
    timing = Timing([0.3, 0.1, 0.2], {"coffee": "espresso"}, {"server", "board"})
    assert timing.median == 0.2
    told = as_json({"a": timing, "never asked": Timing()})
    assert json.loads(json.dumps(told)) == {
        "a": {
            "median_ms": 200.0,
            "ms": [300.0, 100.0, 200.0],
            "answers": {"coffee": "espresso"},
            "ran_on": ["board", "server"],
        }
    }


def test_a_page_is_asked_by_name_and_its_best_label_is_the_answer() -> None:
    def answer(frame: Frame) -> Frame:
        labels = (LabelScore("logits", 0, 967, "espresso", 0.9), LabelScore("logits", 0, 1, "goldfish", 0.1))
        return reply(frame, {}, labels)

    transport = MockTransport(answer)
    with Client(transport=transport) as client:
        told = page_way(client, "net", "cut-4")("coffee", b"\xff\xd8\xff jpeg")
    assert told == ("espresso", "cut-4")
    assert (transport.frames[0].model, transport.frames[0].page) == ("net", "cut-4")


def test_the_application_answers_by_index() -> None:
    class Application:
        def classify(self, picture: bytes) -> Any:
            return SimpleNamespace(index=1, where=f"server of {len(picture)} bytes")

    way = application_way(Application(), ["tench", "goldfish"])  # type: ignore[arg-type]
    assert way("coffee", b"123") == ("goldfish", "server of 3 bytes")
