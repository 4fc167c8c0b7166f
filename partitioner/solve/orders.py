"""The orders of stages that need a look when the problem gives none, and the best minimum cut over them.

Law: pure; each order is `minimum_cut`'s. A plan through fewer devices is a plan of any order that it begins, with
the stages behind it left empty; devices of one kind (`kinds.py`) are interchangeable. So one order for each
different sequence of kinds through all devices is enough, cut short where two neighbours have no link.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations

from partitioner.errors import NoFeasiblePlan
from partitioner.solve.kinds import kinds, linked
from partitioner.solve.problem import Answer, Problem
from partitioner.solve.tables import Pricing
from partitioner.solve.tiers import BRANCHED, METHOD, minimum_cut
from partitioner.solve.wishes import allowed_stages
from partitioner.units import DeviceId

MOST_DEVICES = 5  # 24 orders; beyond, the dynamic programme's multisets are fewer than the orders

Order = tuple[DeviceId, ...]


def orders(problem: Problem) -> list[Order]:
    """Return the orders that together contain every plan; the given one alone, if one is given."""
    if problem.order is not None:
        return [problem.order]
    kind_of = {device.name: index for index, kind in enumerate(kinds(problem)) for device in kind}
    found: dict[tuple[int, ...], Order] = {}
    for order in _linked_orders(problem):
        found.setdefault(tuple(kind_of[name] for name in order), order)
    beginnings = {key[:end] for key in found for end in range(1, len(key))}
    return [order for key, order in found.items() if key not in beginnings]


def are_many(problem: Problem) -> bool:
    """Return whether the orders are more than are looked at here."""
    return problem.order is None and len(problem.devices) > MOST_DEVICES


def best_cut(problem: Problem) -> Answer:
    """Return the plan of least price over all orders, which are not many; memory and limits are not looked at.

    Raises:
        NoFeasiblePlan: in no order a plan keeps the wishes.
    """
    pricing = Pricing(problem)
    best: Answer | None = None
    bound, refusal, complete = math.inf, None, True
    for order in orders(problem):
        try:
            answer = minimum_cut(problem, order, pricing, best.value if best else math.inf)
        except NoFeasiblePlan as error:
            refusal = refusal or error
            continue
        bound = min(bound, answer.lower_bound)
        complete &= answer.method == METHOD
        if best is None or answer.value < best.value:
            best = answer
    if best is None:
        raise refusal or NoFeasiblePlan("there is no device to run on")
    return Answer(best.layout, best.value, min(bound, best.value), METHOD if complete else BRANCHED)


def refuse_contradictions(problem: Problem) -> None:
    """Refuse wishes that no order can keep, limits and costs apart.

    Raises:
        NoFeasiblePlan: says which layer may run nowhere, and why (in the first order that was tried).
    """
    refusals = [_refusal(problem, order) for order in orders(problem)]
    if refusals[0] is not None and all(refusals):
        raise refusals[0]


def _refusal(problem: Problem, order: Order) -> NoFeasiblePlan | None:
    try:
        allowed_stages(problem, order)
    except NoFeasiblePlan as error:
        return error
    return None


def _linked_orders(problem: Problem) -> Iterator[Order]:
    names = [device.name for device in problem.devices]
    for others in permutations(names[1:]):
        order = [names[0]]
        for name in others:
            if not linked(problem, order[-1], name):
                break
            order.append(name)
        yield tuple(order)
