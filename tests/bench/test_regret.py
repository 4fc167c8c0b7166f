"""How a cell is judged from what was measured: by duels of deployed pages, not by the first look."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from bench.regret import GOAL, judged, kept, other_ways, rows
from bench.trips import Cell
from examples.demo.processes import Conditions


def cell(regret: float) -> dict[str, Any]:
    return {
        "cell": "c",
        "choice": "local",
        "best": "local",
        "regret": regret,
        "choice_ms": 1.0,
        "best_ms": 1.0,
    }


def test_a_rival_that_wins_its_duel_is_the_best_however_it_looked_at_first() -> None:
    fair = {
        "cut-1": {"local": [0.10, 0.11, 0.12], "cut-1": [0.10, 0.10, 0.10]},
        "cut-2": {"local": [0.10, 0.10, 0.10], "cut-2": [0.11, 0.11, 0.11]},
    }
    found = judged("local", {"local": 0.10, "cut-1": 0.12, "cut-2": 0.09}, fair)
    assert (found["best"], found["regret"]) == ("cut-1", pytest.approx(1.1))
    assert (found["choice_ms"], found["best_ms"]) == pytest.approx((110.0, 100.0))


def test_a_choice_that_wins_all_duels_or_has_no_rival_has_no_regret() -> None:
    won = judged("local", {"local": 0.1, "cut-1": 0.09}, {"cut-1": {"local": [0.10], "cut-1": [0.11]}})
    alone = judged("local", {"local": 0.1, "cut-1": 0.5}, {})
    assert [(one["best"], one["regret"], one["best_ms"]) for one in (won, alone)] == [
        ("local", 1.0, 100.0)
    ] * 2


@pytest.mark.parametrize("rival", [0.1, inf])
def test_a_choice_that_does_not_answer_by_its_own_page_is_no_success(rival: float) -> None:
    found = judged(
        "cut-1", {"cut-1": inf, "local": rival}, {"local": {"cut-1": [inf, inf], "local": [rival]}}
    )
    assert found["regret"] == inf
    assert judged("cut-1", {"cut-1": inf}, {})["regret"] == inf


def test_the_share_of_good_cells_is_held_against_the_goal() -> None:
    *_, share = rows([cell(GOAL)] * 19 + [cell(1.5)])
    assert (share.value, share.met) == (0.95, True)
    *_, share = rows([cell(GOAL)] * 18 + [cell(1.5)])
    assert share.met is False
    assert list(rows([])) == []


def test_cells_are_kept_by_model_rate_and_board() -> None:
    one = Cell("minilm", Conditions("0.5 Mbit/s", 0.5, 50.0), 8.0)
    assert (str(one), one.board) == ("minilm, 0.5 Mbit/s, board 8x slower", "board8")
    assert kept(one) == "minilm-0.5-8.json"


def test_every_way_that_was_not_taken_is_a_rival_where_it_is_not_far_off() -> None:
    ways = [
        {"label": "int8", "page": "local", "seconds": 0.05, "board": "m-int8", "cloud": "m-int8"},
        {"label": "mixed", "page": "cut-1", "seconds": 0.04, "board": "m-int8", "cloud": ""},
        {"label": "plain", "page": "local", "seconds": 0.2, "board": "", "cloud": ""},
    ]
    plan = {"predicted": {"latency": 0.04}, "variants": {"label": "mixed", "ways": ways}}
    assert other_ways(plan, "m") == {"local, int8": ("local", ("m-int8", "m-int8"))}
    assert other_ways({"predicted": {"latency": 1.0}, "variants": {}}, "m") == {}
