"""Random problems, one from each seed: small graphs with every feature of the space of plans.

Law: seeds make problems; nothing here knows a solver or prices anything. Sizes and speeds are drawn from a few
round numbers now and then, so that plans tie; some costs are zero.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random

from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import StageCosts
from partitioner.solve.problem import (
    CodecKey,
    CodecOption,
    CodecSeconds,
    Device,
    Hop,
    HopKey,
    Joules,
    Limits,
    Objective,
    Problem,
    Watts,
)
from partitioner.units import Bytes, BytesPerSecond, CodecName, DeviceId, NodeName, Seconds, TensorName

FAMILIES = ("order", "recurring", "any order", "bottleneck", "limits", "memory", "everything")
WEIGHTS = (6, 3, 4, 3, 3, 3, 3)
RAW, F16, U8 = CodecName("raw"), CodecName("f16"), CodecName("u8+zstd")


def random_problem(seed: int, family: str = "") -> Problem:
    """Return the problem of `seed`, of one of `FAMILIES` (drawn, when none is asked for)."""
    family = family or drawn_family(seed)
    dice = random.Random(f"{seed} {family}")
    coupled = family in ("bottleneck", "limits", "everything")
    count = dice.randint(1, 7 if coupled else 9)
    graph = random_graph(dice, count)
    devices = _devices(dice, graph, dice.choice([2, 2, 3, 3, 4]))
    problem = Problem(graph, devices, _hops(dice, devices), weight_bytes=_weight_bytes(dice, graph))
    problem = _with_order(dice, problem, family)
    problem = _with_codecs(dice, problem, most=2 if coupled else count)
    problem = _with_wishes(dice, problem)
    problem = dataclasses.replace(problem, objective=_objective(dice, family))
    if family in ("memory", "everything"):
        problem = _with_memory(dice, problem)
        recurs = problem.order is not None and problem.order.count(problem.entry) > 1
        if recurs and count > 2 and problem.weight_bytes and problem.devices[0].activations:
            problem = _with_tied_ends(dice, problem)
        problem = _with_variants(random.Random(f"variants {seed} {family}"), problem)
    if family in ("limits", "everything") or (family == "bottleneck" and dice.random() < 0.2):
        problem = dataclasses.replace(problem, limits=_limits(dice))
    return problem


def drawn_family(seed: int) -> str:
    """Return the family that the problem of `seed` is of."""
    return random.Random(seed).choices(FAMILIES, WEIGHTS)[0]


def random_graph(dice: random.Random, count: int) -> CostGraph:
    """Return a DAG of `count` layers: skips, several consumers, inputs and outputs, perhaps disconnected."""
    tied = [TensorName(f"w{index}") for index in range(count)]
    sizes = {name: dice.choice([0, 8, 40]) for name in tied}
    layers = tuple(_layer(dice, index, tied, sizes) for index in range(count))
    return CostGraph(layers, _tensors(dice, count))


def _layer(dice: random.Random, index: int, tied: list[TensorName], sizes: dict[TensorName, int]) -> Layer:
    names = tuple(dict.fromkeys([tied[index], dice.choice(tied)] if dice.random() < 0.5 else [tied[index]]))
    return Layer(
        index,
        NodeName(f"layer{index}"),
        (NodeName(f"node{index}"),),
        Bytes(sum(sizes[name] for name in names)),
        names,
        pseudo="decode_picture" if index == 0 and dice.random() < 0.2 else "",
        from_input=index < 2 and dice.random() < 0.2,
    )


def _tensors(dice: random.Random, count: int) -> tuple[CostTensor, ...]:
    chain = dice.random() < 0.5  # a backbone, with skips over it; else anything, disconnected parts too
    tensors = [_tensor(dice, "x", -1, _later(dice, -1, count, chain) or (0,))]
    if dice.random() < 0.3:
        tensors.append(_tensor(dice, "mask", -1, _later(dice, -1, count, False)))
    for index in range(count):
        for extra in range(dice.choice([1, 1, 1, 2])):
            consumers = _later(dice, index, count, chain and extra == 0)
            tensor = _tensor(dice, f"t{index}.{extra}", index, consumers)
            is_output = dice.random() < (0.15 if consumers else 0.8)
            tensors.append(dataclasses.replace(tensor, is_output=is_output))
    return tuple(tensors)


def _tensor(dice: random.Random, name: str, producer: int, consumers: tuple[int, ...]) -> CostTensor:
    size = Bytes(dice.choice([0, 10, 100, 1000, 1000, 10000, dice.randint(1, 5000)]))
    return CostTensor(TensorName(name), "float32", (1,), size, producer, consumers)


def _later(dice: random.Random, index: int, count: int, next_too: bool) -> tuple[int, ...]:
    later = range(index + 1, count)
    drawn = dice.sample(later, min(len(later), dice.choice([0, 1, 1, 1, 2, 3])))
    return tuple(sorted({*drawn, *(later[:1] if next_too else ())}))


def _devices(dice: random.Random, graph: CostGraph, count: int) -> tuple[Device, ...]:
    monotone = dice.random() < 0.4  # each device is faster than the one before it, at everything
    slow_entry = dice.random() < 0.5
    work = [dice.choice([0, 0.001, dice.random() * 0.02]) for _ in graph.layers]
    devices: list[Device] = []
    for index in range(count):
        name = DeviceId("board" if index == 0 else f"device{index}")
        if index > 1 and dice.random() < 0.45:  # one of a kind with the device before it
            devices.append(dataclasses.replace(devices[-1], name=name))
            continue
        mixed = [dice.choice([0, 0.002, dice.random() * 0.02]) for _ in graph.layers]
        seconds = [one * 4**-index for one in work] if monotone else mixed
        seconds = [one * 5 for one in seconds] if index == 0 and slow_entry else seconds
        devices.append(_device(dice, name, seconds))
    return tuple(devices)


def _device(dice: random.Random, name: DeviceId, seconds: list[float]) -> Device:
    costs = StageCosts(
        tuple(Seconds(one) for one in seconds),
        entering=dice.choice([0, 1e-6]),
        leaving=dice.choice([0, 2e-6]),
        segment=Seconds(dice.choice([0, 0.002])),
        overhead=Seconds(dice.choice([0, 0.001])),
        send_message=Seconds(dice.choice([0, 0, 0.0005])),
        send_byte=dice.choice([0, 0, 3e-7]),
        receive_message=Seconds(dice.choice([0, 0, 0.0007])),
        receive_byte=dice.choice([0, 0, 5e-7]),
    )
    declared = dice.random() < 0.7
    lacks = frozenset(dice.sample(range(len(seconds)), 1) if dice.random() < 0.1 else [])
    alive = tuple(Bytes(dice.choice([0, 10, 30])) for _ in seconds) if dice.random() < 0.5 else ()
    watts, radio = (dice.choice([0, 2.5, 40]), dice.choice([0, 1.2])) if declared else (0, 0)
    return Device(name, costs, activations=alive, watts=Watts(watts), radio_watts=Watts(radio), lacks=lacks)


def _hops(dice: random.Random, devices: tuple[Device, ...]) -> dict[HopKey, Hop]:
    """Links of every pair; sometimes all of one kind, sometimes a pair cannot reach each other."""
    slowest = dice.choice([4.5, 4.5, 6.5])
    uniform = (_hop(dice, slowest), _hop(dice, slowest)) if dice.random() < 0.3 else None
    hops: dict[HopKey, Hop] = {}
    for a, b in itertools.combinations(devices, 2):
        if len(devices) > 2 and dice.random() < 0.08:
            continue
        hops[a.name, b.name], hops[b.name, a.name] = uniform or (_hop(dice, slowest), _hop(dice, slowest))
    for one, other in itertools.pairwise(devices):
        if one.costs is other.costs and dice.random() < 0.6:
            _alike(dice, hops, devices, (one.name, other.name))
    return hops


def _alike(
    dice: random.Random, hops: dict[HopKey, Hop], devices: tuple[Device, ...], pair: tuple[DeviceId, DeviceId]
) -> None:
    """Give two devices of a kind equal links, or all but one equal."""
    one, other = pair
    between = _hop(dice, 4.5)
    hops[one, other] = hops[other, one] = between
    for third in sorted({device.name for device in devices} - {one, other}):
        for a, b in (((one, third), (other, third)), ((third, one), (third, other))):
            hops.pop(b, None)
            if a in hops:
                hops[b] = hops[a]
    if dice.random() < 0.5:
        changed = dice.choice(sorted(key for key in hops if set(key) & set(pair)))
        rate = BytesPerSecond(hops[changed].rate * dice.choice([0.2, 5.0]))
        hops[changed] = dataclasses.replace(hops[changed], rate=rate)


def _hop(dice: random.Random, slowest: float) -> Hop:
    rate = BytesPerSecond(10 ** dice.uniform(slowest, 8))
    return Hop(rate, Seconds(dice.choice([0, 0, 0.005])), dice.choice([1.0, 1.046]))


def _weight_bytes(dice: random.Random, graph: CostGraph) -> dict[TensorName, Bytes]:
    if dice.random() < 0.4:
        return {}
    return {name: Bytes(dice.choice([0, 8, 40])) for layer in graph.layers for name in layer.weight_names}


def _with_order(dice: random.Random, problem: Problem, family: str) -> Problem:
    names = [device.name for device in problem.devices]
    if family == "any order" or (family != "order" and family != "recurring" and dice.random() < 0.5):
        return problem
    order = tuple(names)
    if family == "recurring" or (family != "order" and dice.random() < 0.5):
        order = dice.choice(
            [(*names[:2], names[0]), (*names[:3], names[0]), (*names[:2], names[0], names[1])]
        )
    return _linked(dataclasses.replace(problem, order=order))


def _linked(problem: Problem) -> Problem:
    """Fill in the links that a given order needs."""
    hops = dict(problem.hops)
    for a, b in itertools.pairwise(problem.order or ()):
        if a != b:
            hops.setdefault((a, b), Hop(BytesPerSecond(2e5)))
            hops.setdefault((b, a), Hop(BytesPerSecond(1e5)))
    return dataclasses.replace(problem, hops=hops)


def _with_codecs(dice: random.Random, problem: Problem, most: int) -> Problem:
    tensors = [one for one in problem.graph.tensors if dice.random() < 0.6]
    tensors = dice.sample(tensors, min(most, len(tensors)))
    options = {tensor.name: _options(dice, tensor) for tensor in tensors}
    kinds: dict[int, dict[CodecKey, CodecSeconds]] = {}  # devices of one kind share their codecs too
    devices = tuple(
        dataclasses.replace(one, codecs=kinds.setdefault(id(one.costs), _codec_times(dice, options)))
        for one in problem.devices
    )
    return dataclasses.replace(problem, options=options, devices=devices)


def _options(dice: random.Random, tensor: CostTensor) -> tuple[CodecOption, ...]:
    return (
        CodecOption(RAW, tensor.size, 0.0, allowed=dice.random() < 0.95),
        CodecOption(F16, Bytes(tensor.size // 2), 0.001, allowed=dice.random() < 0.8),
        CodecOption(U8, Bytes(tensor.size // 5), dice.choice([0.01, 0.03]), allowed=dice.random() < 0.7),
    )[: dice.choice([2, 3, 3])]


def _codec_times(
    dice: random.Random, options: dict[TensorName, tuple[CodecOption, ...]]
) -> dict[CodecKey, CodecSeconds]:
    slow = dice.choice([0.0, 0.0005, 0.003])
    keys = [(name, one.codec) for name, many in options.items() for one in many if one.codec != RAW]
    return {
        key: CodecSeconds(Seconds(slow * dice.random()), Seconds(slow * dice.random()))
        for key in keys
        if dice.random() < 0.8
    }


def _with_wishes(dice: random.Random, problem: Problem) -> Problem:
    layers = range(len(problem.graph.layers))
    names = [tensor.name for tensor in problem.graph.tensors]
    used = problem.order or tuple(device.name for device in problem.devices)
    pins = {dice.choice(layers): dice.choice(used) for _ in range(dice.choice([0, 0, 0, 1, 2]))}
    if dice.random() < 0.4:  # first here, last there: more plans with several stages
        pins |= {dice.choice(layers[:2]): problem.entry, layers[-1]: dice.choice(used[1:])}
    if dice.random() < 0.2 and len(layers) > 2:
        pins |= {layers[0]: problem.entry, layers[len(layers) // 2]: used[1], layers[-1]: used[-1]}
    return dataclasses.replace(
        problem,
        pins=pins,
        stay=frozenset([dice.choice(names)] if dice.random() < 0.1 else []),
        keep_input=dice.random() < 0.15,
        headroom=dice.choice([0.0, 0.25]),
    )


def _objective(dice: random.Random, family: str) -> Objective:
    if family in ("bottleneck", "everything") and dice.random() < 0.8:
        return dice.choice(
            [
                Objective(0.0, 1.0),
                Objective(0.0, 1.0),
                Objective(1.0, dice.choice([0.5, 3.0])),
                Objective(0.1, 1.0, 0.01, 1e-7),
            ]
        )
    return dice.choice(
        [
            *[Objective()] * 4,
            Objective(0.0, energy=1.0),
            Objective(0.0, egress=1.0),
            Objective(1.0, energy=0.2, egress=1e-6),
        ]
    )


def _with_memory(dice: random.Random, problem: Problem) -> Problem:
    kinds: dict[int, Bytes] = {}
    devices = tuple(
        dataclasses.replace(one, memory=kinds.setdefault(id(one.costs), _memory(dice)))
        for one in problem.devices
    )
    return dataclasses.replace(problem, devices=devices)


def _memory(dice: random.Random) -> Bytes:
    return Bytes(dice.choice([0, 1, 60, 90, 99, 130, 177, 250]))  # 0 is no limit, 1 is nearly nothing


def _with_tied_ends(dice: random.Random, problem: Problem) -> Problem:
    """The entry comes again and holds the first and the last layers, which share weights, and just that."""
    layers = problem.graph.layers
    first, last = dice.randint(1, len(layers) - 2), dice.randint(1, len(layers) - 1)
    ends = [*range(first), *range(max(first, last), len(layers))]
    names = {name for end in ends for name in layers[end].weight_names}
    weights = sum(problem.weight_bytes[name] for name in names)
    alive = max((problem.devices[0].activations[end] for end in ends), default=0)
    memory = Bytes(math.ceil((weights + alive) * (1 + problem.headroom)))
    entry = dataclasses.replace(problem.devices[0], memory=memory, lacks=frozenset())
    pins = {0: problem.entry, len(layers) - 1: problem.entry}
    return dataclasses.replace(problem, devices=(entry, *problem.devices[1:]), pins=pins)


def _with_variants(dice: random.Random, problem: Problem) -> Problem:
    """Some devices hold weights of their own: lighter or heavier, perhaps not all of them."""
    if dice.random() < 0.5:
        return problem
    names = sorted({name for layer in problem.graph.layers for name in layer.weight_names})
    devices = []
    for one in problem.devices:
        own = {name: Bytes(dice.choice([0, 2, 10, 80])) for name in names if dice.random() < 0.8}
        devices.append(dataclasses.replace(one, weight_bytes=own) if dice.random() < 0.5 else one)
    return dataclasses.replace(problem, devices=tuple(devices))


def _limits(dice: random.Random) -> Limits:
    def perhaps(value: float) -> float:
        return value if dice.random() < 0.35 else math.inf

    return Limits(
        Seconds(perhaps(dice.uniform(0.005, 0.15))),
        Seconds(perhaps(dice.uniform(0.004, 0.08))),
        Joules(perhaps(dice.uniform(0.0, 1.0))),
        perhaps(dice.uniform(0, 15000)),
        perhaps(dice.choice([0.0, 0.0015, 0.011, 0.031, 0.045])),
    )
