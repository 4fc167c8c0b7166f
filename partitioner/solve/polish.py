"""A better plan where a contraction left a wide gap: a mixed-integer programme, for as many nodes as it is given.

Law: pure. Only plans come from here, and each is costed and checked by `costing.py`; bounds are others' (HiGHS's
tolerances would make a bound of badly scaled costs a guess). Small problems only: the programme grows fast.
"""

from __future__ import annotations

from dataclasses import replace

from partitioner.solve.costing import evaluate, objective_value, violations
from partitioner.solve.milp import solve_order
from partitioner.solve.problem import Answer, Problem, codec_options

WIDE = 0.05  # a gap below it is left as it is
MOST_VARIABLES = 500
MOST_NODES = 50


def polished(problem: Problem, known: Answer) -> Answer:
    """Return `known`, or a better plan over stages on the same devices, with the bound of `known`."""
    order = known.layout.order if problem.order is None else problem.order
    if known.gap <= WIDE or _variables(problem, len(order)) > MOST_VARIABLES:
        return known
    found = solve_order(problem, order, MOST_NODES)
    if found is None:
        return known
    costs = evaluate(problem, found.layout)
    value = objective_value(problem, costs)
    if value >= known.value or violations(problem, costs):
        return known
    return replace(known, layout=found.layout, value=value)


def _variables(problem: Problem, stages: int) -> int:
    ways = sum(len(codec_options(problem, tensor)) for tensor in problem.graph.tensors)
    return (len(problem.graph.layers) + ways) * max(stages - 1, 1)
