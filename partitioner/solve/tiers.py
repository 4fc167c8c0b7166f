"""k stages in a given order, exactly, when the objective is a sum: minimum cuts.

Law: pure; no clock, no randomness, no limits (those are `pipeline.py`'s). Everything that a cut can count is in one
cut (`network.py`). What it cannot count are *charges* (`tables.py`): the fixed cost of a middle stage that runs a
part of the model, the message home where the entry recurs. They are branched upon: where the best staging of a
relaxation pays a charge that it was not asked for, the charge is either paid (then the same staging stays best), or
nothing of it is in those stages, or all of it is. Every plan belongs to one of these cases, in which its price is
counted exactly, and costs no more than counted in any other; so the least over the cases is the optimum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partitioner.solve.incidence import Ints
from partitioner.solve.layouts import layout_of
from partitioner.solve.network import Cut, cheapest_staging
from partitioner.solve.problem import Answer, Problem
from partitioner.solve.tables import Charge, Pricing, Tables, tables_of
from partitioner.solve.wishes import Allowed, Table, allowed_stages, restricted
from partitioner.units import DeviceId

METHOD = "min-cut"
BRANCHED = "branch-and-bound"  # when cuts ran out before the cases did
MOST_CUTS = 200


@dataclass(frozen=True)
class _Case:
    """Stagings that are `allowed`; charges of `settled` are either in `paid` or impossible here."""

    allowed: Allowed
    paid: float
    settled: frozenset[int]
    cut: Cut


@dataclass
class _Search:
    """The best staging so far, the least bound of what was not searched, and the cuts spent."""

    stage_of: Ints
    ceiling: float  # a value that is known to be had elsewhere
    value: float = math.inf
    bound: float = math.inf
    cuts: int = 0
    complete: bool = True


def minimum_cut(
    problem: Problem, order: Sequence[DeviceId], pricing: Pricing | None = None, ceiling: float = math.inf
) -> Answer:
    """Return the plan of least price over stages on `order`; memory and limits are not looked at.

    Args:
        problem: with an additive objective; checked before (`check`).
        order: the device of each stage, the entry first; trailing stages may stay empty.
        pricing: prices that were computed for another order of the same problem.
        ceiling: a value that is known to be had elsewhere: cases that cannot beat it are not cut.

    Raises:
        NoFeasiblePlan: no staging keeps the wishes; says which wish is to blame.
        InvalidProblem: a device is gone, or a link between neighbours is missing.
    """
    tables = tables_of(pricing or Pricing(problem), order)
    allowed = allowed_stages(problem, order)
    search = _Search(allowed.earliest, ceiling)
    root = _Case(allowed, 0.0, frozenset(), cheapest_staging(tables, allowed))
    search.cuts += 1
    waiting = [root]
    while waiting:
        case = waiting.pop()
        waiting.extend(_next_cases(problem, order, tables, search, case))
    bound = min(search.bound, search.value)
    method = METHOD if search.complete else BRANCHED
    return Answer(layout_of(order, search.stage_of.tolist()), search.value, bound, method)


def _next_cases(
    problem: Problem, order: Sequence[DeviceId], tables: Tables, search: _Search, case: _Case
) -> list[_Case]:
    """Note what `case` found; return the cases to divide it into, none when it is settled."""
    pays = [index for index, charge in enumerate(tables.charges) if charge.paid(case.cut.stage_of)]
    value = case.cut.value + sum(tables.charges[index].price for index in pays)
    if value < search.value:
        search.stage_of, search.value = case.cut.stage_of, value
    counted = case.cut.bound + case.paid
    unsettled = [index for index in pays if index not in case.settled]
    hopeless = counted >= min(search.value, search.ceiling)
    if not unsettled or hopeless or search.cuts >= MOST_CUTS:
        search.bound = min(search.bound, counted)
        search.complete &= not unsettled or hopeless
        return []
    index = max(unsettled, key=lambda one: tables.charges[one].price)
    charge, settled = tables.charges[index], case.settled | {index}
    cases = [_Case(case.allowed, case.paid + charge.price, settled, case.cut)]
    for table in _spared(charge, case.allowed):
        allowed = restricted(problem, order, case.allowed, table)
        if allowed is not None:
            search.cuts += 1
            cases.append(_Case(allowed, case.paid, settled, cheapest_staging(tables, allowed)))
    return cases


def _spared(charge: Charge, allowed: Allowed) -> list[Table]:
    """Return the tables of stagings that do not pay: none of its layers there, or all of them."""
    stages = np.arange(allowed.table.shape[1])
    there = (stages >= charge.stages.start) & (stages < charge.stages.stop)
    none, every = allowed.table.copy(), allowed.table.copy()
    none[charge.layers] &= ~there
    every[charge.layers] &= there
    return [none, every] if charge.unless_all else [none]
