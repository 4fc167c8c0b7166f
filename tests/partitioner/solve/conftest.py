"""Random problems: small graphs with every feature of the space of plans, from one seed each."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

import pytest

from partitioner.costs import LinkProfile
from partitioner.graph import CostGraph, CostTensor, Layer
from partitioner.predict import StageCosts
from partitioner.solve import CodecOption, Problem
from partitioner.units import Bytes, BytesPerSecond, CodecName, NodeName, Seconds, TensorName


@pytest.fixture(scope="session")
def make_problem() -> Callable[[int], Problem]:
    return random_problem


def random_problem(seed: int) -> Problem:
    """A DAG of 1 to 9 layers: skips, several consumers, several inputs and outputs, codecs, pins."""
    dice = random.Random(seed)
    count = dice.randint(1, 9)
    graph = CostGraph(_layers(dice, count), _tensors(dice, count))
    plain = Problem(
        graph=graph,
        board=_stage(dice, count, slow=dice.choice([0.5, 1.0, 4.0])),
        cloud=_stage(dice, count, slow=1.0),
        link=_link(dice),
        options={t.name: _options(dice, t) for t in graph.tensors if dice.random() < 0.6},
    )
    return _with_pins(dice, plain)


def _layers(dice: random.Random, count: int) -> tuple[Layer, ...]:
    names = [TensorName(f"w{index}") for index in range(count)]
    return tuple(
        Layer(
            index,
            NodeName(f"layer{index}"),
            (NodeName(f"node{index}"),),
            Bytes(dice.randint(0, 50)),
            tuple({names[index], dice.choice(names)}),
            pseudo="decode_picture" if index == 0 and dice.random() < 0.2 else "",
            from_input=index < 2 and dice.random() < 0.2,
        )
        for index in range(count)
    )


def _tensors(dice: random.Random, count: int) -> tuple[CostTensor, ...]:
    tensors = [_tensor(dice, "x", -1, _later(dice, -1, count) or (0,))]
    if dice.random() < 0.3:
        tensors.append(_tensor(dice, "mask", -1, _later(dice, -1, count)))
    for index in range(count):
        for extra in range(dice.choice([1, 1, 1, 2])):
            consumers = _later(dice, index, count)
            tensor = _tensor(dice, f"t{index}.{extra}", index, consumers)
            tensors.append(
                dataclasses.replace(tensor, is_output=dice.random() < (0.15 if consumers else 0.8))
            )
    return tuple(tensors)


def _tensor(dice: random.Random, name: str, producer: int, consumers: tuple[int, ...]) -> CostTensor:
    size = Bytes(dice.choice([0, 10, 100, 1000, 10000]))
    return CostTensor(TensorName(name), "float32", (1,), size, producer, consumers)


def _later(dice: random.Random, index: int, count: int) -> tuple[int, ...]:
    later = range(index + 1, count)
    return tuple(sorted(dice.sample(later, min(len(later), dice.choice([0, 1, 1, 1, 2, 3])))))


def _stage(dice: random.Random, count: int, slow: float) -> StageCosts:
    return StageCosts(
        tuple(Seconds(slow * dice.choice([0, 0.001, dice.random() * 0.02])) for _ in range(count)),
        entering=dice.choice([0, 1e-6]),
        leaving=dice.choice([0, 1e-6]),
        segment=Seconds(dice.choice([0, 0.002])),
        overhead=Seconds(dice.choice([0, 0.001])),
    )


def _link(dice: random.Random) -> LinkProfile:
    return LinkProfile(
        up=BytesPerSecond(10 ** dice.uniform(4, 7)),
        down=BytesPerSecond(10 ** dice.uniform(4, 7)),
        delay_up=Seconds(dice.choice([0, 0.005])),
        delay_down=Seconds(dice.choice([0, 0.005])),
    )


def _options(dice: random.Random, tensor: CostTensor) -> tuple[CodecOption, ...]:
    raw = CodecOption(CodecName("raw"), tensor.size, allowed=dice.random() < 0.9)
    packed = CodecOption(
        CodecName("u8+zstd"),
        Bytes(tensor.size // 5),
        Seconds(dice.choice([0.0, 0.0005])),
        Seconds(dice.choice([0.0, 0.0005])),
        allowed=dice.random() < 0.7,
    )
    return raw, packed


def _with_pins(dice: random.Random, problem: Problem) -> Problem:
    layers = range(len(problem.graph.layers))
    names = [tensor.name for tensor in problem.graph.tensors]
    return dataclasses.replace(
        problem,
        on_board=frozenset([dice.choice(layers)] if dice.random() < 0.2 else []),
        on_cloud=frozenset([dice.choice(layers)] if dice.random() < 0.2 else []),
        stay=frozenset([dice.choice(names)] if dice.random() < 0.2 else []),
        keep_input=dice.random() < 0.2,
    )


@pytest.fixture(scope="session")
def diamond() -> Callable[..., Problem]:
    return make_diamond


def make_diamond(**changes: object) -> Problem:
    """x -> 0 -> {1, 2} -> 3 -> y; tensor `a` has two consumers."""
    layers = tuple(Layer(i, NodeName(f"l{i}"), (NodeName(f"n{i}"),), Bytes(10), ()) for i in range(4))
    tensors = (
        plain_tensor("x", -1, (0,), 100_000),
        plain_tensor("a", 0, (1, 2), 10_000),
        plain_tensor("b", 1, (3,), 8_000),
        plain_tensor("c", 2, (3,), 8_000),
        dataclasses.replace(plain_tensor("y", 3, (), 100), is_output=True),
    )
    problem = Problem(
        CostGraph(layers, tensors),
        board=plain_stage(0.001, 0.03, 0.03, 0.03),
        cloud=plain_stage(0.001, 0.001, 0.001, 0.001),
        link=LinkProfile(BytesPerSecond(1e6), BytesPerSecond(1e6), Seconds(0), Seconds(0), overhead=1.0),
    )
    return dataclasses.replace(problem, **changes)  # type: ignore[arg-type]


def plain_tensor(name: str, producer: int, consumers: tuple[int, ...], size: int) -> CostTensor:
    return CostTensor(TensorName(name), "float32", (1,), Bytes(size), producer, consumers)


def plain_stage(*seconds: float) -> StageCosts:
    return StageCosts(tuple(Seconds(one) for one in seconds))
