"""Where a book cuts: the doors of the model, its best cuts, and a few more.

Law: chooses boundaries, all nested; costs come from the solver. Doors are where a caller's input enters
(behind the decoder, behind the resizer, at the model's own inputs); each is a boundary whatever it costs,
since an entry must be able to start there. A further cut must be nested with the others, differ from them
and stay inside the cut budget.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from partitioner.book.setting import Setting
from partitioner.compiled import CompiledModel
from partitioner.errors import NoFeasiblePlan
from partitioner.graph import CostGraph, chain, layer_inputs, needed_boundaries
from partitioner.predict import StageCosts, segment_estimate
from partitioner.solve import Problem, Solution, best_interior, evaluate, excess
from partitioner.solve.interior import is_interior
from partitioner.solve.two_stage import crossing_tensors, may_cross
from partitioner.units import BytesPerSecond, TensorName

RESIZED = "@resized"
OTHER_LINKS = (0.25, 4.0)  # times the rate of the link: plausible drift of a radio link
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
        behind = frozenset().union(*found, _before(compiled.graph, names))
        if behind and behind not in found and len(behind) < len(compiled.graph.layers):
            found.append(behind)
    return found


def uint8_picture(tensor: TensorName, picture: TensorName, known: Iterable[str]) -> TensorName:
    """Return the tensor that "cloud with uint8" sends: the resized picture, else the decoded one."""
    resized = TensorName(tensor + RESIZED)
    return resized if resized in known else picture


def best_cuts(setting: Setting) -> list[Solution]:
    """Return the best interior cuts, with a free and with a kept input, the one that was asked for first.

    A cut that gives a kept input away is left out: no page could use its boundary, and every page would pay.
    """
    free, kept = setting.problem, dataclasses.replace(setting.problem, keep_input=True)
    order = (kept, free) if setting.options.keep_input else (free, kept)
    found: list[Solution] = []
    for problem in order:
        found += _interior(problem, found)
    return [one for one in found if _is_legal(order[0], one.down_set)]


def boundaries(setting: Setting, cuts: list[Solution]) -> tuple[DownSet, ...]:
    """Return the boundaries of the book: empty, doors, `cuts`, further cuts within the budget, full."""
    everything = frozenset(range(len(setting.graph.layers)))
    fixed = [frozenset(), *doors(setting.compiled, uint8=not setting.options.keep_input), everything]
    accepted = [*fixed]
    for solution in cuts:
        if _is_new(accepted, solution.down_set):
            accepted.append(solution.down_set)
    return tuple(sorted(_with_further(setting, accepted), key=len))


def _with_further(setting: Setting, accepted: list[DownSet]) -> list[DownSet]:
    options = setting.options
    work = setting.problem.board
    most = _whole(setting.graph, work, accepted) * (1 + options.cut_budget)
    limit = len(accepted) + options.further_cuts
    for cut in _further(setting):
        if len(accepted) >= limit:
            break
        longer = [*accepted, cut]
        new = _is_new(accepted, cut) and _differs(work, accepted, cut)
        if new and _whole(setting.graph, work, longer) <= most:
            accepted = longer
    return accepted


def _further(setting: Setting) -> Iterator[DownSet]:
    """Yield cuts worth having: the best for other links, then the best near other depths."""
    base = dataclasses.replace(setting.problem, keep_input=setting.options.keep_input)
    for factor in OTHER_LINKS:
        rate = BytesPerSecond(base.link.up * factor), BytesPerSecond(base.link.down * factor)
        link = dataclasses.replace(base.link, up=rate[0], down=rate[1])
        for solution in _interior(dataclasses.replace(base, link=link), []):
            yield solution.down_set
    yield from _at_depths(base)


def _at_depths(problem: Problem) -> Iterator[DownSet]:
    """Yield, near each depth of the board's work, the cut of the topological chain that costs least."""
    cuts = chain(problem.graph)
    some = cuts[:: 1 + len(cuts) // MOST_CHAIN_CUTS]
    legal = [one for one in some if _is_legal(problem, one)]
    total = sum(problem.board.layers) or 1.0
    for depth in DEPTHS:
        near = [one for one in legal if abs(_work(problem.board, one) / total - depth) <= 0.125]
        if near:
            yield min(near, key=lambda one: (evaluate(problem, one).latency, len(one)))


def _is_legal(problem: Problem, down_set: DownSet) -> bool:
    if not is_interior(problem.graph, down_set) or excess(problem, down_set):
        return False
    return all(may_cross(problem, tensor) for tensor in crossing_tensors(problem.graph, down_set))


def _interior(problem: Problem, nested_with: list[Solution]) -> list[Solution]:
    """Return the best interior cut that is nested with those given, or nothing."""
    everything = frozenset(range(len(problem.graph.layers)))
    questions = [problem]
    for one in nested_with:
        behind = dataclasses.replace(problem, on_board=problem.on_board | one.down_set)
        before = dataclasses.replace(problem, on_cloud=problem.on_cloud | (everything - one.down_set))
        questions = [behind, before]
    found = [answer for question in questions if (answer := _answer(question))]
    return [min(found, key=lambda one: one.parts.latency)] if found else []


def _answer(question: Problem) -> Solution | None:
    try:
        return best_interior(question)
    except NoFeasiblePlan:
        return None


def _before(graph: CostGraph, names: Iterable[TensorName]) -> DownSet:
    wanted = set(names)
    waiting = [t.producer for t in graph.tensors if t.name in wanted and t.producer >= 0]
    needs = layer_inputs(graph)
    found: set[int] = set()
    while waiting:
        layer = waiting.pop()
        if layer not in found:
            found.add(layer)
            waiting.extend(needs[layer])
    return frozenset(found)


def _is_new(accepted: list[DownSet], cut: DownSet) -> bool:
    return cut not in accepted and all(cut < other or other < cut for other in accepted)


def _differs(costs: StageCosts, accepted: list[DownSet], cut: DownSet) -> bool:
    least = LEAST_DIFFERENCE * sum(costs.layers)
    interior = [other for other in accepted if other and len(other) < len(costs.layers)]
    return all(abs(_work(costs, cut) - _work(costs, other)) >= least for other in interior)


def _work(costs: StageCosts, layers: DownSet) -> float:
    return sum(costs.layers[index] for index in layers)


def _whole(graph: CostGraph, costs: StageCosts, cuts: list[DownSet]) -> float:
    ordered = sorted(cuts, key=len)
    pairs = zip(ordered, ordered[1:], strict=False)
    return sum(segment_estimate(costs, graph, first, last).mean for first, last in pairs)
