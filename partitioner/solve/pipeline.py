"""The planner for everything that is no minimum cut: throughput, limits, memory, any order of devices.

Law: pure; a door in front of `search.py`. Exact in the space of `problem.py` wherever the down-sets fit a bound
(method "down-sets"); past any bound the answer says how far it may be from the best (`bounded.py`).
"""

from __future__ import annotations

from partitioner.errors import NoFeasiblePlan
from partitioner.solve.costing import evaluate, objective_value
from partitioner.solve.crossings import picked
from partitioner.solve.kinds import kinds, names_of, stations
from partitioner.solve.lattice import Groups, lattice, together
from partitioner.solve.problem import Answer, Layout, Problem
from partitioner.solve.search import Found, Search, Space
from partitioner.solve.space import space_of

METHOD = "down-sets"
MOST_DOWN_SETS = 4096
MOST_LABELS = 4096


def best(problem: Problem, relaxed: Answer | None = None) -> Answer:
    """Return the best plan of `problem`, with a lower bound.

    Args:
        problem: the question; `wishes.check` has passed it.
        relaxed: the answer without memory and limits, if one is known; its bound is used where a bound is needed.

    Raises:
        NoFeasiblePlan: no plan keeps every wish and limit; says which one, and by how much.
    """
    found = exact(problem, together(problem))
    if found is None:
        raise NoFeasiblePlan("no plan keeps every wish and limit")
    return found


def exact(problem: Problem, groups: Groups) -> Answer | None:
    """Return the best plan that keeps `groups` of layers whole, or None when there is none."""
    downs = lattice(problem.graph, groups, MOST_DOWN_SETS)
    if downs is None:
        raise NotImplementedError
    among = kinds(problem)
    space = space_of(problem, downs, among, stations(problem, among) or ())
    found = Search(space, MOST_LABELS).run()
    if found is None:
        return None
    layout = layout_of(problem, space, found)
    value = objective_value(problem, evaluate(problem, layout))
    return Answer(layout, value, min(value, found.value), METHOD)


def layout_of(problem: Problem, space: Space, found: Found) -> Layout:
    """Return a found plan in the words of the problem."""
    among = kinds(problem)
    path = [space.stations[step.station] for step in found.steps] + [space.stations[found.last]]
    downs = [space.lattice.sets[step.down] for step in found.steps] + [space.lattice.sets[-1]]
    stages = []
    before = downs[0] & False
    for down in downs:
        stages.append(frozenset((down & ~before).nonzero()[0].tolist()))
        before = down
    codecs = {}
    ends = [step.station for step in found.steps] + [found.last]
    for index, step in enumerate(found.steps):
        crossings = space.passages[step.station, ends[index + 1]].crossings
        for tensor, codec in picked(problem, space.flow, crossings, step.down, step.combination).items():
            codecs[index, tensor] = codec
    return Layout(names_of(among, path), tuple(stages), codecs)
