"""Where to cut: one question, one answer, whatever the solver behind it.

Law: pure. `solve` chooses the solver by the problem; callers never name one. More stages, other objectives
and other solvers come behind this same door. `two_stage_oracle.py` is the oracle of every solver here, and of no
caller.
"""

from __future__ import annotations

from partitioner.solve.interior import best_interior, is_interior
from partitioner.solve.limits import best_within_limits, excess, weights_of
from partitioner.solve.two_stage import CodecOption, Parts, Problem, Solution, evaluate
from partitioner.solve.two_stage_cut import minimum_cut

__all__ = [
    "CodecOption",
    "Parts",
    "Problem",
    "Solution",
    "best_interior",
    "evaluate",
    "excess",
    "is_interior",
    "solve",
    "weights_of",
]


def solve(problem: Problem) -> Solution:
    """Return the cut of least latency, with what is proven about it.

    Raises:
        InvalidProblem: the problem contradicts itself (a cycle, an unknown pin, a cost that is no number).
        NoFeasiblePlan: the pins or the memory limits leave no plan; says which, and by how much.
    """
    best = minimum_cut(problem)
    return best_within_limits(problem, best) if excess(problem, best.down_set) else best
