"""What the demo shows: every figure in its row, the verdict as measured, and the same as JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from examples.demo.journey import APPLICATION, APPLICATION_LOCAL, Act, Journey, Loss
from examples.demo.measure import Timing
from examples.demo.processes import LTE, Town
from examples.demo.show import as_document, show_act, show_board, show_end, show_flip, show_loss
from lepton_edge.core.results import Result

ANSWERS = {"coffee": "espresso", "camera": "tripod"}


def candidate(page: str, label: str, latency: float, **more: Any) -> dict[str, Any]:
    times = {"spread": 0.001, "board": 0.06, "cloud": 0.01, "uplink": 0.02, "downlink": 0.0}
    predicted = {"latency": latency, "bytes_up": 31_360, "bytes_down": 4000, **times}
    told = {"chosen": False, "best_cut": False, "in_book": True, "eligible": True, "why_not": ""}
    return {"page": page, "label": label, "predicted": predicted, **told, **more}


def plan(chosen: str = "cut-4") -> dict[str, Any]:
    rows = [
        candidate("local", "board alone", 0.24),
        candidate("cloud-raw", "cloud with uint8", 0.33),
        candidate("cloud-jpeg", "cloud with JPEG", 0.09, eligible=False, why_not="loses too much"),
        candidate("cut-4", "split behind conv7", 0.0987, best_cut=True),
    ]
    for row in rows:
        row["chosen"] = row["page"] == chosen
    found = next(row for row in rows if row["chosen"])
    return {
        "model": "mobilenetv2", "page": chosen, "label": found["label"], "reason": "it is the fastest",
        "predicted": found["predicted"], "candidates": rows, "frontier": [], "devices": [], "link": None,
        "split": chosen.startswith("cut-"), "best_cut": "cut-4",
        "bound": {"lower_bound": 0.09, "gap": 0.05, "method": "min-cut"},
        "changes": {"slowdown_flip": 3.217, "slower_link": None, "faster_link": None},
    }  # fmt: skip


def act(chosen: str = "cut-4", **seconds: float) -> Act:
    took = {"local": 0.25, "cloud-raw": 0.35, "cloud-jpeg": 0.05, "cut-4": 0.1, **seconds}
    timings = {name: Timing([one], dict(ANSWERS), {name}) for name, one in took.items()}
    return Act("LTE", LTE, False, plan(chosen), timings)


def shown(show: Any, *given: Any) -> str:
    stream = io.StringIO()
    show(*given, Console(file=stream, width=150, no_color=True))
    return stream.getvalue()


def verdict(one: Act) -> str:
    return shown(show_act, one).partition("Of the pages")[2]


def row_of(text: str, *words: str) -> str:
    table = text.partition("Predicted and measured")[2]
    return next(line for line in table.splitlines() if all(word in line for word in words))


def test_each_way_has_its_row() -> None:
    text = shown(show_act, act(**{APPLICATION: 0.0777}))
    assert "LTE  (5.85 Mbit/s, 25 ms each way)" in text
    chosen = row_of(text, "[cut-4]")
    assert "->" in chosen
    for word in ("split behind conv7 (best cut)", "31.4 kB", "98.7", "100.0", "espresso / tripod"):
        assert word in chosen
    assert "->" not in row_of(text, "[local]")
    assert "77.7" in row_of(text, APPLICATION, "answered by")


def test_a_way_that_was_not_asked_has_no_row_and_a_picture_without_an_answer_a_dash() -> None:
    one = act()
    del one.timings["cloud-raw"]
    one.timings["local"].answers.pop("camera")
    text = shown(show_act, one)
    assert "[cloud-raw]" not in text
    assert "espresso / -" in row_of(text, "[local]")


def test_the_plan_was_right() -> None:
    told = verdict(act())
    assert "cut-4 was the fastest measured, as planned." in told


def test_the_plan_was_not_right() -> None:
    told = verdict(act("local"))
    assert "cut-4 was the fastest measured" in told
    assert "the chosen page, local, took 2.50x as long" in told


def test_a_page_that_may_not_be_chosen_is_never_called_the_fastest() -> None:
    assert "cloud-jpeg was" not in verdict(act())


def test_the_application_is_compared_either_way() -> None:
    told = verdict(act(**{APPLICATION: 0.2, APPLICATION_LOCAL: 0.05}))
    slow, quick = (next(line for line in told.splitlines() if f"The {name} took" in line)
                   for name in (APPLICATION, APPLICATION_LOCAL))  # fmt: skip
    assert "200.0 ms" in slow
    assert "2.00x slower" in slow
    assert "50.0 ms" in quick
    assert "2.00x FASTER" in quick
    assert APPLICATION not in verdict(act())


def test_the_flip_is_a_slowdown_or_none() -> None:
    one = act()
    assert "K = 3.22" in shown(show_flip, one)
    one.plan["changes"]["slowdown_flip"] = None
    assert "at no slowdown" in shown(show_flip, one)


@pytest.fixture
def journey(tmp_path: Path) -> Journey:
    made = Journey(Town(tmp_path), tmp_path, print)
    made.slowdown, made.native, made.alone = 7.5, 0.0321, 0.2401
    return made


@pytest.fixture
def loss() -> Loss:
    result = Result("r", "mobilenetv2", 4, "local", {}, latency=0.412, reason="fallback: the link was lost")
    return Loss(result, "espresso", 0.1, 0.085)


def test_the_board_is_called_simulated(journey: Journey) -> None:
    text = shown(show_board, journey)
    assert "SIMULATED: at its own speed it takes 32.1 ms" in text
    assert "--simulate-slow 7.5 it takes 240.1 ms" in text


def test_the_loss_is_told(loss: Loss) -> None:
    text = " ".join(shown(show_loss, loss).split())
    assert "Killed 85.0 ms into the request" in text
    assert "espresso, by page local, in 412.0 ms (with the cloud on this link: 100.0 ms)" in text
    assert "fallback: the link was lost" in text


def test_the_end_names_every_choice() -> None:
    text = " ".join(shown(show_end, [act("local"), act("cut-4")]).split())
    assert "LTE: board alone, 250.0 ms measured" in text
    assert "LTE: split behind conv7, 100.0 ms measured" in text


def test_the_document_is_json_with_the_same_figures(journey: Journey, loss: Loss) -> None:
    told = json.loads(json.dumps(as_document(journey, [act("local")], loss), allow_nan=False))
    assert told["schema"] == "lepton-edge/demo/1"
    assert told["board"] == {"simulated_slowdown": 7.5, "native_ms": 32.1}
    (one,) = told["acts"]
    assert (one["title"], one["link"]) == ("LTE", {"megabits": 5.85, "delay_ms": 25})
    assert one["keep_input_on_board"] is False
    assert (one["best_measured"], one["plan"]["page"]) == ("cut-4", "local")
    assert one["measured"]["local"]["median_ms"] == 250.0
    killed = told["cloud_killed"]
    assert (killed["after_ms"], killed["latency_ms"], killed["usual_ms"]) == (85.0, 412.0, 100.0)
    assert (killed["answer"], killed["page"]) == ("espresso", "local")
