"""What must hold between two problems, whatever the optimum is: no oracle needed, any size would do."""

from __future__ import annotations

import dataclasses
import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from partitioner.errors import NoFeasiblePlan
from partitioner.graph import CostGraph
from partitioner.predict import StageCosts
from partitioner.solve.planner import solve
from partitioner.solve.problem import CodecOption, CodecSeconds, Device, Hop, Limits, Problem
from partitioner.units import Bytes, BytesPerSecond, CodecName, DeviceId, Seconds, TensorName
from tests.partitioner.solve.instances import random_problem

SEEDS = st.integers(0, 10**6)
FEW = settings(max_examples=60, deadline=None, derandomize=True)
CLOSE = 1e-6  # relative


def value(problem: Problem) -> float:
    """Return the value of the plan; infinite when there is none."""
    try:
        return solve(problem, alternatives=False).value
    except NoFeasiblePlan:
        return math.inf


def at_most(one: float, other: float) -> bool:
    return one <= other * (1 + CLOSE) + 1e-12


def same(one: float, other: float) -> bool:
    return at_most(one, other) and at_most(other, one)


@FEW
@given(SEEDS)
def test_more_bandwidth_never_hurts(seed: int) -> None:
    problem, dice = random_problem(seed), random.Random(seed)
    hops = {
        key: dataclasses.replace(hop, rate=BytesPerSecond(hop.rate * dice.choice([1, 1.5, 10])))
        for key, hop in problem.hops.items()
    }
    assert at_most(value(dataclasses.replace(problem, hops=hops)), value(problem))


@FEW
@given(SEEDS)
def test_less_delay_never_hurts(seed: int) -> None:
    problem = random_problem(seed)
    hops = {key: dataclasses.replace(hop, delay=Seconds(hop.delay / 3)) for key, hop in problem.hops.items()}
    assert at_most(value(dataclasses.replace(problem, hops=hops)), value(problem))


@FEW
@given(SEEDS)
def test_a_faster_layer_never_hurts(seed: int) -> None:
    problem, dice = random_problem(seed), random.Random(seed)
    index, layer = dice.randrange(len(problem.devices)), dice.randrange(len(problem.graph.layers))
    device = problem.devices[index]
    layers = [*device.costs.layers]
    layers[layer] = Seconds(layers[layer] / 4)
    faster = dataclasses.replace(device, costs=dataclasses.replace(device.costs, layers=tuple(layers)))
    devices = (*problem.devices[:index], faster, *problem.devices[index + 1 :])
    assert at_most(value(dataclasses.replace(problem, devices=devices)), value(problem))


@FEW
@given(SEEDS)
def test_a_new_device_never_hurts(seed: int) -> None:
    problem = dataclasses.replace(random_problem(seed), order=None)
    other = random_problem(seed + 1).devices[-1].costs
    count = len(problem.graph.layers)
    layers = tuple(Seconds(one) for one in (other.layers * count)[:count])
    fresh = Device(DeviceId("fresh"), dataclasses.replace(other, layers=layers))
    hops = dict(problem.hops)
    for device in problem.devices[:2]:
        hops[device.name, fresh.name] = hops[fresh.name, device.name] = Hop(BytesPerSecond(1e6))
    more = dataclasses.replace(problem, devices=(*problem.devices, fresh), hops=hops)
    assert at_most(value(more), value(problem))


@FEW
@given(SEEDS, st.sampled_from([0.03, 2.0, 1000.0]))
def test_scaling_all_costs_scales_the_plan(seed: int, factor: float) -> None:
    problem = random_problem(seed)
    assert same(value(_scaled(problem, factor)), factor * value(problem))


def _scaled(problem: Problem, factor: float) -> Problem:
    """Every second lasts `factor` as long; a byte of egress has its price raised alike."""
    limits = problem.limits
    return dataclasses.replace(
        problem,
        devices=tuple(_slowed(device, factor) for device in problem.devices),
        hops={
            key: dataclasses.replace(
                hop, rate=BytesPerSecond(hop.rate / factor), delay=Seconds(hop.delay * factor)
            )
            for key, hop in problem.hops.items()
        },
        objective=dataclasses.replace(problem.objective, egress=problem.objective.egress * factor),
        limits=dataclasses.replace(
            limits,
            latency=Seconds(limits.latency * factor),
            bottleneck=Seconds(limits.bottleneck * factor),
            energy=limits.energy * factor,
        ),
    )


def _slowed(device: Device, factor: float) -> Device:
    costs = device.costs
    fields = [
        one.name for one in dataclasses.fields(StageCosts) if one.name not in ("layers", "error", "noise")
    ]
    scaled = {name: getattr(costs, name) * factor for name in fields}
    layers = tuple(Seconds(one * factor) for one in costs.layers)
    codecs = {
        key: CodecSeconds(Seconds(one.encode * factor), Seconds(one.decode * factor))
        for key, one in device.codecs.items()
    }
    return dataclasses.replace(
        device, costs=dataclasses.replace(costs, layers=layers, **scaled), codecs=codecs
    )


@FEW
@given(SEEDS)
def test_another_numbering_and_other_names_change_nothing(seed: int) -> None:
    problem = random_problem(seed)
    assert same(value(_relabelled(problem, random.Random(seed))), value(problem))


def _relabelled(problem: Problem, dice: random.Random) -> Problem:
    """Number the layers in another topological order; rename and reorder devices and tensors."""
    number = _another_order(problem.graph, dice)
    layers = [dataclasses.replace(one, index=number[one.index]) for one in problem.graph.layers]
    tensors = [
        dataclasses.replace(
            one,
            producer=number.get(one.producer, -1),
            consumers=tuple(sorted(number[consumer] for consumer in one.consumers)),
        )
        for one in problem.graph.tensors
    ]
    dice.shuffle(tensors)
    names = {device.name: DeviceId(f"z{dice.random()}") for device in problem.devices}
    rest = list(problem.devices[1:])
    dice.shuffle(rest)
    return dataclasses.replace(
        problem,
        graph=CostGraph(tuple(sorted(layers, key=lambda one: one.index)), tuple(tensors)),
        devices=tuple(_renumbered(one, number, names) for one in (problem.devices[0], *rest)),
        hops={(names[a], names[b]): hop for (a, b), hop in problem.hops.items()},
        order=None if problem.order is None else tuple(names[one] for one in problem.order),
        pins={number[layer]: names[at] for layer, at in problem.pins.items()},
    )


def _another_order(graph: CostGraph, dice: random.Random) -> dict[int, int]:
    feeders = {layer.index: set[int]() for layer in graph.layers}
    for tensor in graph.tensors:
        for consumer in tensor.consumers if tensor.producer >= 0 else ():
            feeders[consumer].add(tensor.producer)
    number: dict[int, int] = {}
    while len(number) < len(feeders):
        ready = [one for one in feeders if one not in number and feeders[one] <= number.keys()]
        number[dice.choice(ready)] = len(number)
    return number


def _renumbered(device: Device, number: dict[int, int], names: dict[DeviceId, DeviceId]) -> Device:
    back = sorted(number, key=lambda layer: number[layer])
    costs = dataclasses.replace(device.costs, layers=tuple(device.costs.layers[one] for one in back))
    alive = tuple(device.activations[one] for one in back) if device.activations else ()
    lacks = frozenset(number[one] for one in device.lacks)
    return dataclasses.replace(device, name=names[device.name], costs=costs, activations=alive, lacks=lacks)


@FEW
@given(SEEDS, st.sampled_from(["latency", "bottleneck", "energy", "egress", "loss"]))
def test_a_tighter_limit_never_helps(seed: int, what: str) -> None:
    problem = dataclasses.replace(random_problem(seed, "bottleneck"), limits=Limits())
    free = value(problem)
    if free == math.inf:
        return
    spent = getattr(solve(problem, alternatives=False).costs, what)
    loose, tight = (
        value(dataclasses.replace(problem, limits=Limits(**{what: spent * share}))) for share in (1.01, 0.8)
    )
    assert same(loose, free)
    assert at_most(loose, tight)


@FEW
@given(SEEDS)
def test_another_codec_never_hurts(seed: int) -> None:
    problem, dice = random_problem(seed), random.Random(seed)
    if not problem.options:
        return
    name = dice.choice(sorted(problem.options))
    size = next(tensor.size for tensor in problem.graph.tensors if tensor.name == name)
    extra = CodecOption(CodecName("extra"), Bytes(size // 3), 0.002)
    options = {**problem.options, TensorName(name): (*problem.options[name], extra)}
    assert at_most(value(dataclasses.replace(problem, options=options)), value(problem))


@FEW
@given(SEEDS)
def test_a_pin_never_helps(seed: int) -> None:
    problem, dice = random_problem(seed), random.Random(seed)
    layer = dice.randrange(len(problem.graph.layers))
    if layer in problem.pins:
        return
    device = dice.choice(problem.order or tuple(one.name for one in problem.devices))
    pinned = dataclasses.replace(problem, pins={**problem.pins, layer: device})
    assert at_most(value(problem), value(pinned))


@FEW
@given(SEEDS)
def test_a_pin_to_where_the_plan_has_it_changes_nothing(seed: int) -> None:
    problem = random_problem(seed)
    if value(problem) == math.inf:
        return
    plan = solve(problem, alternatives=False)
    at = {
        layer: name
        for name, layers in zip(plan.layout.order, plan.layout.stages, strict=True)
        for layer in layers
    }
    assert same(value(dataclasses.replace(problem, pins=at)), plan.value)


@FEW
@given(SEEDS)
def test_a_stage_more_never_hurts(seed: int) -> None:
    problem = random_problem(seed, "recurring")
    order = problem.order or ()
    assert at_most(value(problem), value(dataclasses.replace(problem, order=order[:-1])))
