"""What may come: a fresh solve's value in each scenario, and what a book loses against it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from partitioner.book.boundaries import best_cuts, boundaries
from partitioner.book.outlook import Outlook, outlook, page_values, regret
from partitioner.book.pages import candidates
from partitioner.book.scenarios import Scenario, with_loads, with_rate
from partitioner.book.setting import Setting
from partitioner.plan import Prediction
from partitioner.solve.planner import solve
from partitioner.solve.problem import LATENCY, NO_LIMITS, THROUGHPUT, Limits, Objective, Problem, Watts
from partitioner.units import Seconds

Make = Callable[..., Setting]


def there(problem: Problem, scenario: Scenario) -> Problem:
    return with_rate(with_loads(problem, (scenario.board, scenario.cloud)), scenario.rate)


@pytest.mark.parametrize("keep", [False, True])
def test_fresh_is_what_a_solve_there_finds(setting_of: Make, keep: bool) -> None:
    setting = setting_of(keep_input=keep)
    known = outlook(setting)
    assert len(known.scenarios) == len(known.fresh) == 81
    for scenario, value in list(zip(known.scenarios, known.fresh, strict=True))[::7]:
        fresh = solve(there(setting.wish, scenario), alternatives=False)
        assert value == pytest.approx(fresh.value, rel=1e-5)
    assert sum(weight for _, weight in known.wanted) == pytest.approx(1.0)


def test_without_straight_lines_each_rate_is_solved(setting_of: Make) -> None:
    setting = setting_of(objective=THROUGHPUT)
    known = outlook(setting)
    assert [one.board for one in known.scenarios] == [1.0] * 5
    for scenario, value in zip(known.scenarios, known.fresh, strict=True):
        assert value == pytest.approx(solve(there(setting.wish, scenario), alternatives=False).value)


def test_where_nothing_keeps_the_limits_there_is_no_scenario(setting_of: Make) -> None:
    few = outlook(setting_of(limits=Limits(latency=Seconds(0.1))))
    assert 0 < len(few.scenarios) < 5
    assert all(value <= 0.1 + 1e-9 for value in few.fresh)


@pytest.mark.parametrize("objective", [LATENCY, THROUGHPUT, Objective(latency=1.0, energy=0.2, egress=1e-7)])
def test_a_page_in_a_scenario_costs_what_a_setting_there_says(setting_of: Make, objective: Objective) -> None:
    wishes = {"objective": objective, "board_watts": Watts(3.0), "radio_watts": Watts(1.0)}
    here, far = setting_of(**wishes), setting_of(rate=0.25, **wishes)
    cuts = boundaries(here, best_cuts(here))
    now = [one.page.prediction for one in candidates(here, cuts)]
    then = [one.page.prediction for one in candidates(far, cuts)]
    (row,) = page_values(here, now, [Scenario(0.25, 1.0, 1.0, 1.0)]).T
    codecs = [one.page.stages[0].codecs for one in candidates(here, cuts)]
    same = [i for i, one in enumerate(candidates(far, cuts)) if one.page.stages[0].codecs == codecs[i]]
    assert len(same) >= 4
    for index in same:
        one = then[index]
        expected = objective.latency * one.latency + objective.bottleneck * one.bottleneck
        expected += objective.energy * one.energy + objective.egress * (one.bytes_up + one.bytes_down)
        assert row[index] == pytest.approx(expected)


def test_a_load_slows_only_its_own_side(setting_of: Make) -> None:
    page = Prediction(Seconds(1.0), Seconds(0.4), Seconds(0.3), Seconds(0.2), Seconds(0.1), 0, 0)
    (row,) = page_values(
        setting_of(), [page], [Scenario(1, 1, 1, 1), Scenario(1, 2, 1, 1), Scenario(1, 1, 4, 1)]
    )
    assert row == pytest.approx([1.0, 1.4, 1.9])


def test_a_page_over_a_limit_has_no_value(setting_of: Make) -> None:
    page = Prediction(Seconds(1.0), Seconds(0.4), Seconds(0.3), Seconds(0.2), Seconds(0.1), 0, 0)
    limited = setting_of(limits=dataclasses.replace(NO_LIMITS, latency=Seconds(1.2)))
    (row,) = page_values(limited, [page], [Scenario(1, 1, 1, 1), Scenario(1, 2, 1, 1)])
    assert row[0] == pytest.approx(1.0)
    assert np.isinf(row[1])


def test_regret_is_the_weighted_mean_and_the_worst_of_what_is_lost(setting_of: Make) -> None:
    setting = setting_of()
    fast = Scenario(4.0, 2.0, 1.0, 0.75)
    known = Outlook((Scenario(1, 1, 1, 0.25), fast), (0.8, 1.0), ())
    page = Prediction(Seconds(1.0), Seconds(1.0), Seconds(0), Seconds(0), Seconds(0), 0, 0)
    slow = Prediction(Seconds(9.0), Seconds(9.0), Seconds(0), Seconds(0), Seconds(0), 0, 0)
    found = regret(setting, [slow, page], known)
    assert found is not None
    assert found.worst == pytest.approx(1.0)
    assert found.mean == pytest.approx(0.25 * 0.25 + 0.75 * 1.0)
    assert found.scenarios == 2
    assert found.worst_at == "a link of 23.4 Mbit/s, board loaded 2x"
    assert regret(setting, [], known) is None


def test_regret_tells_where_no_page_keeps_the_limits(setting_of: Make) -> None:
    limited = setting_of(limits=Limits(latency=Seconds(1.5)))
    known = Outlook((Scenario(1, 1, 1, 0.5), Scenario(1, 2, 1, 0.5)), (0.8, 1.0), ())
    page = Prediction(Seconds(1.0), Seconds(1.0), Seconds(0), Seconds(0), Seconds(0), 0, 0)
    found = regret(limited, [page], known)
    assert found is not None
    assert found.scenarios == 1
    assert found.worst_at.endswith("in 1 more no page keeps the limits")


def test_a_fast_link_is_told_without_powers_of_ten(setting_of: Make) -> None:
    known = Outlook((Scenario(198.0, 1, 1, 1.0),), (0.8,), ())
    page = Prediction(Seconds(1.0), Seconds(1.0), Seconds(0), Seconds(0), Seconds(0), 0, 0)
    found = regret(setting_of(), [page], known)
    assert found is not None
    assert found.worst_at == "a link of 1,160 Mbit/s"
