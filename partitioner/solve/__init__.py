"""The planner: which device runs which layers of a model, provably best within a stated space of plans.

Law: pure. One question (`Problem`), one answer (`solve`), whatever the method behind it; callers never name one.
`problem.py` defines the space and every cost, `exhaustive.py` and `milp.py` catch the solvers lying.
"""

from __future__ import annotations

from partitioner.solve.costing import evaluate
from partitioner.solve.pareto import pareto
from partitioner.solve.planner import solve
from partitioner.solve.plans import Alternative, Costs, Flip, Plan
from partitioner.solve.problem import (
    EGRESS,
    ENERGY,
    LATENCY,
    THROUGHPUT,
    CodecOption,
    CodecSeconds,
    Device,
    Hop,
    Layout,
    Limits,
    Objective,
    Problem,
)

__all__ = [
    "EGRESS",
    "ENERGY",
    "LATENCY",
    "THROUGHPUT",
    "Alternative",
    "CodecOption",
    "CodecSeconds",
    "Costs",
    "Device",
    "Flip",
    "Hop",
    "Layout",
    "Limits",
    "Objective",
    "Plan",
    "Problem",
    "evaluate",
    "pareto",
    "solve",
]
