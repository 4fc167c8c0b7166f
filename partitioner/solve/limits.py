"""Memory limits: checked on a plan, and searched under when the unconstrained best does not fit.

Law: pure. A sum with a limit is a knapsack and no minimum cut, so the search here enumerates down-sets up
to a bound; past it, it walks one chain of them and says so by its method and its gap, never silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from partitioner.errors import NoFeasiblePlan
from partitioner.graph import chain, down_sets
from partitioner.solve.pins import forced
from partitioner.solve.two_stage import Problem, Solution, crossing_tensors, evaluate, may_cross
from partitioner.units import Bytes

MOST_DOWN_SETS = 4000
MOST_CHAIN_CUTS = 500


def weights_of(problem: Problem, layers: Iterable[int]) -> Bytes:
    """Return the bytes of weights that a device holds for `layers`, a tied one once."""
    held = [problem.graph.layers[index] for index in layers]
    if not problem.weight_bytes:
        return Bytes(sum(layer.weights for layer in held))
    names = {name for layer in held for name in layer.weight_names}
    return Bytes(sum(problem.weight_bytes.get(name, 0) for name in names))


def excess(problem: Problem, down_set: frozenset[int]) -> dict[str, tuple[Bytes, Bytes]]:
    """Return, by device that is too small for its part, the bytes it needs (headroom included) and has."""
    rest = (layer.index for layer in problem.graph.layers if layer.index not in down_set)
    wanted = {"board": weights_of(problem, down_set), "cloud": weights_of(problem, rest)}
    limits = {"board": problem.board_memory, "cloud": problem.cloud_memory}
    return {
        where: (Bytes(round(size * (1 + problem.headroom))), limits[where])
        for where, size in wanted.items()
        if limits[where] and size * (1 + problem.headroom) > limits[where]
    }


def best_within_limits(problem: Problem, relaxed: Solution) -> Solution:
    """Return the best plan that fits.

    `relaxed` is the best plan without limits; it gives the bound when not every down-set is tried.

    Raises:
        NoFeasiblePlan: nothing that was tried fits; says which device lacks how much where it lacks least.
    """
    every = down_sets(problem.graph, MOST_DOWN_SETS)
    tried = _within_pins(problem, _some_of_chain(problem) if every is None else every)
    fitting = [one for one in tried if not excess(problem, one)]
    if not fitting:
        raise _too_large(problem, tried or [relaxed.down_set], all_tried=every is not None)
    parts, _, down_set = min(
        ((evaluate(problem, one), len(one), one) for one in fitting), key=lambda row: (row[0].latency, row[1])
    )
    if every is None:
        return Solution(down_set, parts, relaxed.lower_bound, "chain")
    return Solution(down_set, parts, parts.latency, "enumeration")


def _some_of_chain(problem: Problem) -> Sequence[frozenset[int]]:
    cuts = chain(problem.graph)
    return cuts[:: 1 + len(cuts) // MOST_CHAIN_CUTS]


def _within_pins(problem: Problem, cuts: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    board, cloud = forced(problem)
    return [
        one
        for one in cuts
        if board <= one
        and cloud.isdisjoint(one)
        and all(may_cross(problem, tensor) for tensor in crossing_tensors(problem.graph, one))
    ]


def _too_large(problem: Problem, tried: Sequence[frozenset[int]], *, all_tried: bool) -> NoFeasiblePlan:
    def lacking(down_set: frozenset[int]) -> int:
        return sum(needs - has for needs, has in excess(problem, down_set).values())

    nearest = excess(problem, min(tried, key=lacking))
    clauses = [
        f"the {where} needs {needs / 1e6:.1f} MB and has {has / 1e6:.1f}"
        for where, (needs, has) in nearest.items()
    ]
    which = "no plan fits" if all_tried else f"none of {len(tried)} plans that were tried fits"
    return NoFeasiblePlan(
        f"{which} the memory: at the best division {' and '.join(clauses)}",
        f"free memory there, or use a smaller model (weights plus {problem.headroom:.0%} headroom must fit)",
    )
