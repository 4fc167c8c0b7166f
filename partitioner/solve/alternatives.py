"""The plan's rivals: what else could be done, what it would cost, and what forbids it.

Law: layouts that a person would think of, costed by `evaluate`; and, by a few more minimum cuts, the best division
of the model where the plan has none, the next-best one where it has one. It never changes the plan.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence, Set

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.solve.costing import evaluate, objective_value, violations, with_codecs
from partitioner.solve.incidence import incidence
from partitioner.solve.kinds import linked
from partitioner.solve.orders import are_many, best_cut
from partitioner.solve.plans import Alternative, Plan
from partitioner.solve.problem import LATENCY, RAW_NAME, Answer, Layout, Problem, codec_options
from partitioner.solve.tiers import minimum_cut
from partitioner.units import CodecName, DeviceId, TensorName

MOST_DIVISIONS = 8  # minimum cuts spent on the best division
MOST_TURNED = 240  # layers in all minimum cuts spent on the next-best one: some milliseconds
SAME = 1e-6  # relative: a minimum cut's rounding

Named = tuple[str, Layout]


def alternatives_of(problem: Problem, plan: Plan) -> tuple[Alternative, ...]:
    """Return the plan's rivals, the best first; the plan itself is not among them."""
    named = [*_alone(problem), *_fastest(problem), *_divided(problem, plan), *_next_division(problem, plan)]
    named += _without(problem, plan)
    found: list[Alternative] = []
    for label, layout in named:
        rival = _costed(problem, plan, label, layout)
        if rival is not None and not _known(rival, plan, found):
            found.append(rival)
    return tuple(sorted(found, key=lambda one: one.value))


def _known(rival: Alternative, plan: Plan, others: Sequence[Alternative]) -> bool:
    """Return whether the plan or one of `others` does the same."""
    same = [(plan.layout, plan.costs), *((one.layout, one.costs) for one in others)]
    return any(
        layout.order == rival.layout.order
        and layout.stages == rival.layout.stages
        and costs.codecs == rival.costs.codecs
        for layout, costs in same
    )


def _costed(problem: Problem, plan: Plan, label: str, layout: Layout) -> Alternative | None:
    """Cost a rival; where a wish forbids it, cost it without the wishes and say which. None: it cannot run."""
    why_not = ""
    try:
        costs = evaluate(problem, layout)
    except InvalidProblem as forbidden:
        why_not = forbidden.message
        free = dataclasses.replace(problem, pins={}, stay=frozenset(), keep_input=False)
        try:
            costs = evaluate(free, layout)
        except InvalidProblem:
            return None
    broken = violations(problem, costs)
    why_not = why_not or "; ".join(excess.words for excess in broken.values())
    value = objective_value(problem, costs)
    return Alternative(label, layout, costs, value, value - plan.value, why_not)


def _alone(problem: Problem) -> Iterator[Named]:
    """Yield everything on the entry, and on each device that it reaches: input raw, by its best codecs, decoded."""
    everything = frozenset(range(len(problem.graph.layers)))
    yield f"{problem.entry} alone", Layout((problem.entry,), (everything,))
    for device in problem.devices[1:]:
        path = _path(problem, device.name)
        if path is None or not everything:
            continue
        stages = (*(frozenset[int]() for _ in path[1:]), everything)
        yield f"all on {device.name}", Layout(path, stages)
        raw = _raw_input(problem, len(path) - 1)
        if raw:
            yield f"all on {device.name}, raw input", Layout(path, stages, raw)
        door = frozenset(layer.index for layer in problem.graph.layers if layer.pseudo)
        if door and door < everything:
            label = f"model on {device.name}, input decoded on {problem.entry}"
            yield label, Layout(path, (door, *stages[1:-1], everything - door))


def _path(problem: Problem, name: DeviceId) -> tuple[DeviceId, ...] | None:
    if problem.order is not None:
        return problem.order[: problem.order.index(name) + 1] if name in problem.order else None
    return (problem.entry, name) if linked(problem, problem.entry, name) else None


def _raw_input(problem: Problem, boundaries: int) -> dict[tuple[int, TensorName], CodecName]:
    given = [tensor for tensor in problem.graph.tensors if tensor.producer < 0 and tensor.consumers]
    if not all(any(one.codec == RAW_NAME for one in codec_options(problem, tensor)) for tensor in given):
        return {}
    return {(index, tensor.name): RAW_NAME for tensor in given for index in range(boundaries)}


def _divided(problem: Problem, plan: Plan) -> Iterator[Named]:
    """Yield the best division of the model between the entry and each other device, if the plan divides nothing.

    Where there are many pairs of a first and a last layer, it is the best for some of them, and called good.
    """
    if not problem.objective.additive or is_divided(problem, plan.layout):
        return
    pairs = _firsts_and_lasts(problem)
    word = "best" if len(pairs) <= MOST_DIVISIONS else "good"
    for device in problem.devices[1:]:
        path = _path(problem, device.name)
        best = _best_division(problem, path, pairs[:MOST_DIVISIONS]) if path else None
        if best is not None:
            yield f"{word} cut between {problem.entry} and {device.name}", best.layout


def _next_division(problem: Problem, plan: Plan) -> Iterator[Named]:
    """Yield the best other plan of the two devices that the plan divides the model between.

    Another down-set lacks one of the last layers of the plan's, or has one of the first layers behind it: one cut
    for each of these, turned to the other device, finds the best of all others.
    """
    order, count = plan.layout.order, len(problem.graph.layers)
    if not problem.objective.additive or len(order) != 2 or not is_divided(problem, plan.layout):
        return
    turned = _turned(problem, plan.layout)
    if len(turned) * count > MOST_TURNED:
        return
    asked = [one for one in turned.items() if problem.pins.get(*one) == one[1]]
    cuts = [
        _cut(dataclasses.replace(problem, pins={**problem.pins, layer: name}), order) for layer, name in asked
    ]
    best = min((one for one in cuts if one), key=lambda one: one.value, default=None)
    if best is not None:
        ends = f"between {order[0]} and {order[1]}"
        better = best.value < plan.value * (1 - SAME)  # the cut keeps no limit on sums or memory
        yield f"best cut {ends}, limits apart" if better else f"next-best cut {ends}", best.layout


def _turned(problem: Problem, layout: Layout) -> dict[int, DeviceId]:
    """Return the last layers of the first of two stages and the first of the second, each on the other device."""
    (near, far), before = layout.order, layout.stages[0]
    feeds = [(int(tail), int(head)) for tail, head in incidence(problem.graph).feeds]
    fed = {head for tail, head in feeds if tail not in before}
    feeding = {tail for tail, head in feeds if head in before}
    return dict.fromkeys(before - feeding, far) | dict.fromkeys(layout.stages[1] - fed, near)


def is_divided(problem: Problem, layout: Layout) -> bool:
    """Return whether two stages run parts of the model itself, preparation of its input apart."""
    return sum(1 for layers in layout.stages if layers - _prepared(problem)) > 1


def _firsts_and_lasts(problem: Problem) -> list[tuple[int, int]]:
    """Return the pairs of a layer that nothing but preparation feeds, and another that feeds none."""
    arrays, prepared = incidence(problem.graph), _prepared(problem)
    fed = {int(head) for tail, head in arrays.feeds if int(tail) not in prepared}
    firsts = [one for one in range(len(problem.graph.layers)) if one not in prepared and one not in fed]
    return [(first, last) for first in firsts for last in arrays.ends.tolist() if first != last]


def _prepared(problem: Problem) -> set[int]:
    return {one.index for one in problem.graph.layers if one.from_input or one.pseudo}


def _best_division(
    problem: Problem, path: Sequence[DeviceId], pairs: Sequence[tuple[int, int]]
) -> Answer | None:
    """Return the best plan with the first layer of one of `pairs` on the entry and the last on the end of `path`."""
    prepared = dict.fromkeys(_prepared(problem), problem.entry)
    found = [
        answer
        for first, last in pairs
        if (answer := _pinned(problem, path, {**prepared, first: path[0], last: path[-1]}))
    ]
    return min(found, key=lambda one: one.value, default=None)


def _pinned(problem: Problem, path: Sequence[DeviceId], pins: dict[int, DeviceId]) -> Answer | None:
    if any(pins.get(layer, device) != device for layer, device in problem.pins.items()):
        return None
    pinned = dataclasses.replace(problem, pins={**problem.pins, **pins})
    return _cut(_idle(pinned, set(path[1:-1]) - {path[0], path[-1]}), path)


def _without(problem: Problem, plan: Plan) -> Iterator[Named]:
    """Yield the best plan without each device (it may relay), when the plan uses more than two."""
    used = {name for name, layers in zip(plan.layout.order, plan.layout.stages, strict=True) if layers}
    others = [name for name in dict.fromkeys(plan.layout.order) if name in used and name != problem.entry]
    if not problem.objective.additive or len(others) < 2:
        return
    for name in others:
        order = _order_without(problem, plan, name)
        answer = _cut(_idle(problem, {name}), order) if order else None
        if answer is not None:
            yield f"best without {name}", answer.layout


def _order_without(problem: Problem, plan: Plan, name: DeviceId) -> tuple[DeviceId, ...] | None:
    if problem.order is not None:
        return problem.order
    order = tuple(one for one in plan.layout.order if one != name)
    return order if all(linked(problem, near, far) for near, far in itertools.pairwise(order)) else None


def _idle(problem: Problem, names: Set[DeviceId]) -> Problem:
    """Return the problem with some devices unable to run any layer."""
    everything = frozenset(range(len(problem.graph.layers)))
    devices = tuple(
        dataclasses.replace(one, lacks=everything) if one.name in names else one for one in problem.devices
    )
    return dataclasses.replace(problem, devices=devices)


def _cut(problem: Problem, order: Sequence[DeviceId]) -> Answer | None:
    try:
        return minimum_cut(problem, order)
    except NoFeasiblePlan:
        return None


def _fastest(problem: Problem) -> Iterator[Named]:
    """Yield the plan of least latency, limits apart, when something else is minimised and the orders are not many."""
    sought = problem.objective.latency > 0 and problem.objective.additive
    if not sought and not are_many(problem):
        fast = dataclasses.replace(problem, objective=LATENCY)
        layout = best_cut(fast).layout
        yield "least latency", with_codecs(layout, evaluate(fast, layout))
