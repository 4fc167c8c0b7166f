"""The planner for everything that is no minimum cut: throughput, limits, memory, any order of devices.

Law: pure; a door in front of `search.py`. Exact in the space of `problem.py` wherever the down-sets fit a bound
(method "down-sets"); past any bound the answer says how far it may be from the best. Bounds: down-sets and their
pairs (here), labels (`search.py`), combinations of codecs (`crossings.py`), stations (`kinds.py`), tied weights
(`columns.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from partitioner.errors import NoFeasiblePlan
from partitioner.solve import bounded
from partitioner.solve.blame import blamed
from partitioner.solve.costing import evaluate, objective_value
from partitioner.solve.crossings import picked
from partitioner.solve.dual import bargained
from partitioner.solve.kinds import Station, kinds, names_of, stations
from partitioner.solve.lattice import Groups, Lattice, lattice, together
from partitioner.solve.polish import polished
from partitioner.solve.problem import Answer, Device, Layout, Problem
from partitioner.solve.search import FEW_LABELS, Found, Search, Space
from partitioner.solve.segments import too_small, weights_of
from partitioner.solve.space import space_of
from partitioner.solve.spreading import spread
from partitioner.units import CodecName, TensorName

METHOD = "down-sets"
MOST_DOWN_SETS = 8192  # their pairs are a table of 64 MB
MOST_PAIRS = 2.5e8  # of down-sets, over all passages between stations: some 20 seconds
MOST_TIED = 2e9  # pairs of down-sets, times weights that layers share, on a device that may be too small
MOST_COARSE = 320  # down-sets of a contracted graph

Kinds = Sequence[Sequence[Device]]


@dataclass(frozen=True)
class _Ground:
    """What does not change between attempts: the kinds of devices that are used, and the ways through them.

    `whole` tells whether all devices of the problem are among them; `tied` how many weights that layers share a
    device with too little memory has to tell apart.
    """

    among: Kinds
    path: tuple[Station, ...]
    whole: bool
    tied: int

    @property
    def most(self) -> int:
        """Return how many down-sets may be searched."""
        passages = sum(len(one.followers) for one in self.path[1:]) + 1
        pairs = min(MOST_PAIRS / passages, MOST_TIED / max(self.tied, 1))
        return min(MOST_DOWN_SETS, int(math.sqrt(pairs)))


@dataclass(frozen=True)
class _Outcome:
    """The best plan found, and whether all plans were searched (or bounded, where labels were thinned)."""

    answer: Answer | None
    complete: bool


def best(problem: Problem, relaxed: Answer | None = None) -> Answer:
    """Return the best plan of `problem`, with a lower bound.

    Args:
        problem: the question; `checks.check` has passed it.
        relaxed: the answer without memory and limits, if one is known; its bound is used where a bound is needed,
            its layout as a place to refine around.

    Raises:
        NoFeasiblePlan: no plan keeps every wish and limit; says which one, and by how much.
    """
    found = _found(problem, relaxed)
    if found.answer is not None:
        return found.answer if found.complete else _bounded(problem, found.answer, relaxed)
    if not found.complete and spread(problem, _usable(problem)) < math.inf:
        raise NoFeasiblePlan(
            "no feasible plan was found, though not every plan was looked at: there are too many",
            "give more memory or looser limits, an order of devices, or pin some layers",
        )
    raise blamed(problem, _at_hand)


def _at_hand(problem: Problem) -> Answer | None:
    """Return the best plan found, with a bound where it is one for every plan; None where none was found."""
    found = _found(problem, None)
    if found.answer is None or found.complete:
        return found.answer
    return replace(found.answer, lower_bound=0.0)


def _found(problem: Problem, relaxed: Answer | None) -> _Outcome:
    ground, groups = _ground(problem), together(problem)
    downs = lattice(problem.graph, groups, ground.most)
    if downs is not None:
        return _searched(problem, downs, ground)
    known = relaxed.layout if relaxed else None
    answer = bounded.contracted(problem, groups, lambda coarse: _attempt(problem, coarse, ground), known)
    return _Outcome(answer, False)


def _attempt(problem: Problem, groups: Groups, ground: _Ground) -> tuple[bool, Answer | None]:
    downs = lattice(problem.graph, groups, min(MOST_COARSE, ground.most))
    return (False, None) if downs is None else (True, _searched(problem, downs, ground, bound=False).answer)


def _usable(problem: Problem) -> Kinds:
    """Return the kinds of devices that a plan may use, of each as many as there are layers to run."""
    if problem.order is None:
        most = max(len(problem.graph.layers), 1)
        return tuple(kind[:most] for kind in kinds(problem))
    return tuple((device,) for device in problem.devices if device.name in problem.order)


def _bounded(problem: Problem, answer: Answer, relaxed: Answer | None) -> Answer:
    """Return `answer`, the best of some plans, with the best lower bound that is at hand for all plans."""
    lower = max(spread(problem, _usable(problem)), relaxed.lower_bound if relaxed else 0.0)
    known = replace(answer, lower_bound=min(lower, answer.value), method=bounded.METHOD)
    return polished(problem, bargained(problem, known))


def _ground(problem: Problem) -> _Ground:
    """Return the ways through the devices; through the fastest kinds alone where all would be too many."""
    among = kinds(problem)
    path = stations(problem, among)
    if path is not None:
        return _Ground(among, path, True, _tied(problem))
    most = max(len(problem.graph.layers), 1)  # no more of a kind do any work
    among = (
        among[0],
        *sorted((kind[:most] for kind in among[1:]), key=lambda kind: sum(kind[0].costs.layers)),
    )
    count = 1
    while count <= len(among) and (longer := stations(problem, among[:count])) is not None:
        path, count = longer, count + 1
    return _Ground(among[: count - 1], path or (), False, _tied(problem))


def _tied(problem: Problem) -> int:
    weights = weights_of(problem)
    small = [one.name for one in problem.devices if too_small(problem, one, weights)]
    return max((len(weights[name].shared) for name in small), default=0)


def _searched(problem: Problem, downs: Lattice, ground: _Ground, bound: bool = True) -> _Outcome:
    """Return the best plan whose boundaries are among `downs`; with a `bound` for all such plans, if wanted."""
    space = space_of(problem, downs, ground.among, ground.path)
    quick = Search(space, FEW_LABELS)
    found = quick.run()
    tight = quick.tight
    if not tight and bound:
        found, tight = _improved(space, found)
    tight = tight and all(one.crossings.tight for one in space.passages.values())
    least = found.value if found else math.inf
    if not tight:
        least = _optimistic(problem, downs, ground, least) if bound else 0.0
    if found is None:
        return _Outcome(None, ground.whole and least == math.inf)
    layout = layout_of(space, ground.among, found)
    value = objective_value(problem, evaluate(problem, layout))
    return _Outcome(Answer(layout, value, min(value, least), METHOD), ground.whole)


def _improved(space: Space, known: Found | None) -> tuple[Found | None, bool]:
    """Search again with longer fronts for what beats `known`; return the better, and whether that is proven."""
    search = Search(space, ceiling=known.value if known else math.inf)
    return search.run() or known, search.tight


def _optimistic(problem: Problem, downs: Lattice, ground: _Ground, ceiling: float) -> float:
    """Return a bound where labels or combinations were thinned: each dropped one is bounded by a kept one."""
    space = space_of(problem, downs, ground.among, ground.path, optimistic=True)
    found = Search(space, optimistic=True, ceiling=ceiling).run()
    return found.value if found else ceiling


def layout_of(space: Space, among: Kinds, found: Found) -> Layout:
    """Return a found plan in the words of the problem."""
    path = [*(step.station for step in found.steps), found.last]
    downs = [space.lattice.sets[step.down] for step in found.steps] + [space.lattice.sets[-1]]
    stages: list[frozenset[int]] = []
    before = space.lattice.sets[0]
    for down in downs:
        stages.append(frozenset((down & ~before).nonzero()[0].tolist()))
        before = down
    codecs: dict[tuple[int, TensorName], CodecName] = {}
    for index, step in enumerate(found.steps):
        crossings = space.passages[step.station, path[index + 1]].crossings
        chosen = picked(space.problem, space.flow, crossings, step.down, step.combination)
        codecs |= {(index, tensor): codec for tensor, codec in chosen.items()}
    order = names_of(among, [space.stations[one] for one in path])
    return Layout(order, tuple(stages), codecs)
