"""Where a book cuts: the doors of the model, its best cut, what is worth holding, and a few more.

Law: chooses boundaries, all nested; costs come from the solver. Doors are where a caller's input enters
(behind the decoder, behind the resizer, at the model's own inputs); each is a boundary whatever it costs,
since an entry must be able to start there. A further cut must be nested with the others, differ from them
and stay inside the cut budget.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from partitioner.book.interior import best_interior, is_interior, near_part
from partitioner.book.legal import is_legal
from partitioner.book.own import ancestors, makers
from partitioner.book.setting import Setting
from partitioner.compiled import CompiledModel
from partitioner.errors import NoFeasiblePlan
from partitioner.graph import CostGraph, chain, needed_boundaries
from partitioner.predict import StageCosts, segment_estimate
from partitioner.solve.costing import evaluate, objective_value
from partitioner.solve.plans import Plan
from partitioner.solve.problem import Layout, Problem
from partitioner.units import TensorName

RESIZED = "@resized"
LEAST_DIFFERENCE = 0.05  # of the board's work between two cuts, or they are one cut for every purpose
MOST_CHAIN_CUTS = 200  # of a long model's chain, every so many layers is looked at
DEPTHS = (0.25, 0.5, 0.75)  # of the board's work: cuts to compare with

DownSet = frozenset[int]


def doors(compiled: CompiledModel, *, uint8: bool = True) -> list[DownSet]:
    """Return the boundaries at which an input may enter or leave the board, nested, without the empty one.

    The resized uint8 picture is none that a caller can give; where it may not be sent (`uint8` False) it is
    no boundary, and no page pays for it.
    """
    pictures = [spec for spec in compiled.inputs if spec.picture]
    made = {tensor.name for tensor in compiled.graph.tensors}
    resized = [uint8_picture(spec.tensor.name, spec.picture, made) for spec in pictures]
    own = [spec.tensor.name for spec in pictures]
    found = list(needed_boundaries(compiled.graph))
    for names in (resized, own) if uint8 else (own,):
        behind = frozenset().union(*found, ancestors(compiled.graph, makers(compiled.graph, names)))
        if behind and behind not in found and len(behind) < len(compiled.graph.layers):
            found.append(behind)
    return found


def uint8_picture(tensor: TensorName, picture: TensorName, known: Iterable[str]) -> TensorName:
    """Return the tensor that "cloud with uint8" sends: the resized picture, else the decoded one."""
    resized = TensorName(tensor + RESIZED)
    return resized if resized in known else picture


def fixed_boundaries(setting: Setting) -> list[DownSet]:
    """Return the boundaries that the book has whatever they cost: the empty one, the doors, the full one."""
    everything = frozenset(range(len(setting.graph.layers)))
    return [frozenset(), *doors(setting.compiled, uint8=not setting.options.keep_input), everything]


def best_cuts(setting: Setting) -> list[DownSet]:
    """Return the best interior cuts, with a free and with a kept input, the one that was asked for first.

    A cut that gives a kept input away is left out: no page could use its boundary, and every page would pay.
    """
    free, kept = setting.problem, dataclasses.replace(setting.problem, keep_input=True)
    order = (kept, free) if setting.options.keep_input else (free, kept)
    found: list[DownSet] = []
    for problem in order:
        found += _interior(problem, found)
    return [one for one in found if is_interior(setting.graph, one) and is_legal(order[0], one)]


def boundaries(setting: Setting, cuts: Iterable[DownSet]) -> tuple[DownSet, ...]:
    """Return the boundaries of the book: the fixed ones, `cuts`, further cuts within the budget.

    Of `cuts`, one that is not nested with those before it is left out. There are never more than
    `further_cuts` beside the best ones.
    """
    accepted = fixed_boundaries(setting)
    for one in cuts:
        if is_new(accepted, one):
            accepted.append(one)
    return tuple(sorted(_with_further(setting, accepted), key=len))


def within_budget(setting: Setting, accepted: Sequence[DownSet], longer: Sequence[DownSet]) -> bool:
    """Return whether the board alone is hardly slower over the boundaries `longer` than over `accepted`."""
    costs, budget = setting.near.costs, setting.options.cut_budget
    most = run_through(setting.graph, costs, accepted) * (1 + budget)
    return run_through(setting.graph, costs, longer) <= most


def is_new(accepted: Sequence[DownSet], cut: DownSet) -> bool:
    """Return whether `cut` is nested with all of `accepted`, and none of them."""
    return cut not in accepted and all(cut < other or other < cut for other in accepted)


def run_through(graph: CostGraph, costs: StageCosts, cuts: Iterable[DownSet]) -> float:
    """Return the seconds of the whole model on one device, block by block."""
    ordered = sorted(cuts, key=len)
    pairs = zip(ordered, ordered[1:], strict=False)
    return sum(segment_estimate(costs, graph, first, last).mean for first, last in pairs)


def _with_further(setting: Setting, accepted: list[DownSet]) -> list[DownSet]:
    best = accepted
    fewest = len(fixed_boundaries(setting)) + 1
    limit = max(len(accepted), fewest + setting.options.further_cuts)
    for cut in _at_depths(setting.wish):
        if len(accepted) >= limit:
            break
        longer = [*accepted, cut]
        new = is_new(accepted, cut) and _differs(setting.near.costs, accepted, cut)
        if new and within_budget(setting, best, longer):
            accepted = longer
    return accepted


def _at_depths(problem: Problem) -> Iterator[DownSet]:
    """Yield, near each depth of the board's work, the cut of the topological chain that costs least."""
    cuts = chain(problem.graph)
    some = cuts[:: 1 + len(cuts) // MOST_CHAIN_CUTS]
    legal = [one for one in some if is_interior(problem.graph, one) and is_legal(problem, one)]
    costs = problem.devices[0].costs
    total = sum(costs.layers) or 1.0
    for depth in DEPTHS:
        near = [one for one in legal if abs(_work(costs, one) / total - depth) <= 0.125]
        if near:
            yield min(near, key=lambda one: (cut_value(problem, one), len(one)))


def cut_value(problem: Problem, down_set: DownSet) -> float:
    """Return the objective of dividing behind `down_set`, free of any book.

    Raises:
        InvalidProblem: the division is not legal.
    """
    rest = frozenset(range(len(problem.graph.layers))) - down_set
    names = tuple(device.name for device in problem.devices)
    return objective_value(problem, evaluate(problem, Layout(names, (down_set, rest))))


def _interior(problem: Problem, nested_with: list[DownSet]) -> list[DownSet]:
    """Return the best interior cut that is nested with those given, or nothing."""
    everything = frozenset(range(len(problem.graph.layers)))
    near, far = (device.name for device in problem.devices)
    questions = [problem]
    for one in nested_with:
        behind = {**dict.fromkeys(one, near), **problem.pins}
        before = {**dict.fromkeys(everything - one, far), **problem.pins}
        questions = [dataclasses.replace(problem, pins=pins) for pins in (behind, before)]
    found = [answer for question in questions if (answer := _answer(question))]
    return [near_part(min(found, key=lambda one: one.value))] if found else []


def _answer(question: Problem) -> Plan | None:
    try:
        return best_interior(question)
    except NoFeasiblePlan:
        return None


def _differs(costs: StageCosts, accepted: list[DownSet], cut: DownSet) -> bool:
    least = LEAST_DIFFERENCE * sum(costs.layers)
    interior = [other for other in accepted if other and len(other) < len(costs.layers)]
    return all(abs(_work(costs, cut) - _work(costs, other)) >= least for other in interior)


def _work(costs: StageCosts, layers: DownSet) -> float:
    return sum(costs.layers[index] for index in layers)
