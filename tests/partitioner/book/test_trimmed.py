"""The cuts that a book holds are those that together leave the least regret."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest

from partitioner.book.boundaries import (
    best_cuts,
    boundaries,
    fixed_boundaries,
    is_new,
    run_through,
    within_budget,
)
from partitioner.book.choice import choose
from partitioner.book.interior import is_interior
from partitioner.book.outlook import Outlook, mean_excess, outlook, page_values
from partitioner.book.pages import candidates
from partitioner.book.setting import Setting
from partitioner.book.trimmed import WORTH_A_CUT, Judge, trimmed_cuts
from partitioner.solve.problem import Limits
from partitioner.units import Seconds

DownSet = frozenset[int]
Make = Callable[..., Setting]


def mean_regret(setting: Setting, known: Outlook, cuts: list[DownSet]) -> float:
    """Return the mean regret of the whole book over `cuts`, from its pages."""
    ordered = tuple(sorted(cuts, key=len))
    fused = [one for one in candidates(setting, ordered, fused=True) if one.eligible]
    active = choose(fused, setting.options.objective)
    plain = [one for one in candidates(setting, ordered) if one.eligible]
    pages = [active if one.page.name == active.page.name else one for one in plain]
    values = page_values(setting, [one.page.prediction for one in pages], known.scenarios)
    return mean_excess(values.min(axis=0), known)


def base_of(setting: Setting) -> list[DownSet]:
    return [*fixed_boundaries(setting), best_cuts(setting)[0]]


@pytest.mark.parametrize("rate", [0.25, 1.0, 8.0])
@pytest.mark.parametrize("budget", [0.01, 0.03, 0.3])
def test_no_other_nested_set_within_the_budget_has_less_regret(
    setting_of: Make, budget: float, rate: float
) -> None:
    setting = setting_of(rate, keep_input=True, further_cuts=2, cut_budget=budget)
    known, base = outlook(setting), base_of(setting)
    chosen = trimmed_cuts(setting, known)
    assert chosen[0] == base[-1]
    found = mean_regret(setting, known, [*base, *chosen[1:]])
    wanted = [*best_cuts(setting)[1:], *(board for board, _ in known.wanted)]
    others = list(
        dict.fromkeys(one for one in wanted if is_new(base, one) and is_interior(setting.graph, one))
    )
    for count in range(3):
        for some in itertools.combinations(others, count):
            nested = all(a < b or b < a for a, b in itertools.combinations(some, 2))
            if nested and within_budget(setting, base, [*base, *some]):
                assert found <= mean_regret(setting, known, [*base, *some]) + WORTH_A_CUT


@pytest.mark.parametrize("rate", [0.25, 1.0, 8.0])
def test_a_set_of_cuts_is_judged_as_the_book_over_it(setting_of: Make, rate: float) -> None:
    setting = setting_of(rate, keep_input=True)
    known, base = outlook(setting), base_of(setting)
    some = [one for one, _ in known.wanted if is_new(base, one) and is_interior(setting.graph, one)][:4]
    judge = Judge(setting, known, base, some)
    assert len(some) >= 2
    for count in range(len(some) + 1):
        for chosen in itertools.combinations(some, count):
            if all(a < b or b < a for a, b in itertools.combinations(chosen, 2)):
                told = judge.mean_regret(chosen)
                assert told == pytest.approx(mean_regret(setting, known, [*base, *chosen]), abs=1e-12)


def test_a_larger_budget_never_regrets_more(setting_of: Make) -> None:
    means = []
    for budget in (0.0, 0.01, 0.03, 0.3):
        setting = setting_of(keep_input=True, cut_budget=budget)
        known, base = outlook(setting), base_of(setting)
        means.append(mean_regret(setting, known, [*base, *trimmed_cuts(setting, known)[1:]]))
    assert means == sorted(means, reverse=True)
    assert means[0] > means[-1], "and the cuts are worth something"


def test_the_budget_holds_for_the_board_alone(setting_of: Make) -> None:
    setting = setting_of(keep_input=True, further_cuts=4, cut_budget=0.02)
    base = base_of(setting)
    longer = [*base, *trimmed_cuts(setting, outlook(setting))[1:]]
    assert len(longer) > len(base)
    costs = setting.near.costs
    assert run_through(setting.graph, costs, longer) <= 1.02 * run_through(setting.graph, costs, base)


def test_without_further_cuts_there_are_the_best_ones_alone(setting_of: Make) -> None:
    setting = setting_of(further_cuts=0)
    assert trimmed_cuts(setting, outlook(setting)) == best_cuts(setting)


def test_ones_own_split_is_always_held(setting_of: Make) -> None:
    setting = setting_of(own_cut="layer8")
    assert trimmed_cuts(setting, outlook(setting))[0] == frozenset(range(12))


@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_a_limit_that_only_a_fused_page_keeps_still_has_a_book(setting_of: Make, part: float) -> None:
    free = setting_of(keep_input=True)
    cuts = boundaries(free, trimmed_cuts(free, outlook(free)))
    fused, plain = (
        min(one.page.prediction.latency for one in candidates(free, cuts, fused=way) if one.eligible)
        for way in (True, False)
    )
    limit = Seconds(fused + part * (plain - fused))
    tight = setting_of(keep_input=True, limits=Limits(latency=limit))
    known = outlook(tight)
    pages = candidates(tight, boundaries(tight, trimmed_cuts(tight, known)), fused=True)
    assert choose(pages).page.prediction.latency <= limit
    nothing = Judge(setting_of(limits=Limits(latency=Seconds(1e-6))), known, fixed_boundaries(tight), [])
    assert nothing.mean_regret(()) == math.inf
