"""The door of the solvers: one question, one plan, whatever found it.

Law: pure; chooses the method by the problem, and callers never name one. A sum over layers and tensors that breaks
no limit is a minimum cut (`tiers.py`); everything else is the dynamic programme's (`pipeline.py`).
"""

from __future__ import annotations

from dataclasses import replace

from partitioner.solve import pipeline
from partitioner.solve.alternatives import alternatives_of
from partitioner.solve.checks import check
from partitioner.solve.costing import evaluate, objective_value, violations
from partitioner.solve.flips import flips_of
from partitioner.solve.orders import are_many, best_cut, refuse_contradictions
from partitioner.solve.plans import Plan
from partitioner.solve.problem import Answer, Problem


def solve(problem: Problem, *, alternatives: bool = True) -> Plan:
    """Return the best plan of `problem`, with what is proven about it.

    Args:
        problem: the question (see `problem.py` for the space and the costs).
        alternatives: whether to look for the plan's rivals and for what would change the decision; takes longer.

    Raises:
        InvalidProblem: the problem contradicts itself.
        NoFeasiblePlan: no plan keeps every wish, memory and limit; says which is to blame, and by how much.
    """
    check(problem)
    plan = _plan(problem, best_answer(problem))
    return _with_rivals(problem, plan) if alternatives else plan


def best_answer(problem: Problem) -> Answer:
    """Return the best answer to a problem that was checked.

    Raises:
        NoFeasiblePlan: no plan keeps every wish, memory and limit.
    """
    relaxed = relaxation(problem)
    if relaxed is not None and not violations(problem, evaluate(problem, relaxed.layout)):
        return relaxed
    return pipeline.best(problem, relaxed)


def relaxation(problem: Problem) -> Answer | None:
    """Return the best plan without memory and limits, if a minimum cut finds it.

    Raises:
        NoFeasiblePlan: the wishes alone contradict each other.
    """
    if are_many(problem):
        return None
    if problem.objective.additive:
        return best_cut(problem)
    refuse_contradictions(problem)
    return None


def _plan(problem: Problem, answer: Answer) -> Plan:
    costs = evaluate(problem, answer.layout)
    value = objective_value(problem, costs)
    return Plan(answer.layout, costs, value, min(answer.lower_bound, value), answer.method)


def _with_rivals(problem: Problem, plan: Plan) -> Plan:
    rivals = alternatives_of(problem, plan)
    flips = flips_of(problem, plan, rivals)
    return replace(plan, alternatives=rivals, flips=flips)
