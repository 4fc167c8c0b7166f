"""A chain over linked devices: PipeEdge's own example, and every schedule of small ones."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
from pathlib import Path

import pytest

from bench.published import pipeedge_chain
from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.solve.linked import Chain, LinkedKind, least_chain_bottleneck
from partitioner.solve.workload import Split

PUBLISHED = Path(__file__).parent / "published" / "pipeedge_vit_base.json"
PUBLISHED_SCHEDULE = 1.72625


def test_pipeedges_own_example_can_be_done_a_tenth_faster() -> None:
    chain = pipeedge_chain(json.loads(PUBLISHED.read_text()))
    split = least_chain_bottleneck(chain)
    assert split.bottleneck == pytest.approx(1.5487600088, abs=5e-10)
    assert split.bottleneck < PUBLISHED_SCHEDULE / 1.11
    assert cost(chain, split) == pytest.approx(split.bottleneck, rel=1e-12)


def test_random_chains_against_every_schedule() -> None:
    feasible = 0
    for seed in range(150):
        chain = random_chain(seed)
        least = least_of_all(chain)
        if math.isinf(least):
            with pytest.raises(NoFeasiblePlan):
                least_chain_bottleneck(chain)
            continue
        feasible += 1
        split = least_chain_bottleneck(chain)
        assert split.bottleneck == pytest.approx(least, rel=1e-9), seed
        assert cost(chain, split) == pytest.approx(least, rel=1e-9), seed
    assert feasible > 75


def test_a_link_has_the_smaller_rate_of_its_ends() -> None:
    kinds = (LinkedKind("near", 1, (1.0, 9.0), rate=100.0), LinkedKind("far", 1, (9.0, 1.0), rate=50.0))
    assert least_chain_bottleneck(Chain((0.0, 200.0, 0.0), (0.0, 0.0), kinds)).bottleneck == 4.0


def test_memory_counts_weights_and_copies_of_tensors() -> None:
    """First stage: weights + 1 x input + 3 x output; a later one: weights + 3 x input + 3 x output."""
    chain = Chain((10.0, 1.0, 2.0), (5.0, 5.0), (LinkedKind("one", 2, (1.0, 1.0), memory=18.0),))
    assert (
        least_chain_bottleneck(chain).bottleneck == 1.0
    )  # 5 + 10 + 3 = 18; 5 + 3 + 6 = 14; both: 10 + 10 + 6
    with pytest.raises(NoFeasiblePlan, match="no split fits in memory"):
        least_chain_bottleneck(
            dataclasses.replace(chain, kinds=(LinkedKind("one", 2, (1.0, 1.0), memory=17.0),))
        )


def test_nothing_to_do() -> None:
    assert least_chain_bottleneck(Chain((7.0,), (), ())).bottleneck == 0.0


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (LinkedKind("bad", 1, (1.0, math.nan)), "a time on bad is nan"),
        (LinkedKind("bad", 1, (1.0,)), "1 times for 2 layers"),
        (LinkedKind("bad", 1, (1.0, 1.0), rate=0.0), "no bandwidth"),
        (LinkedKind("bad", -1, (1.0, 1.0)), "negative count"),
    ],
)
def test_bad_kinds_are_refused(kind: LinkedKind, message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        least_chain_bottleneck(Chain((1.0, 1.0, 1.0), (0.0, 0.0), (kind,)))


def test_too_many_different_devices_are_refused() -> None:
    kinds = tuple(LinkedKind(f"k{index}", 1, (1.0,) * 12) for index in range(12))
    with pytest.raises(InvalidProblem, match="4096 ways"):
        least_chain_bottleneck(Chain((0.0,) * 13, (0.0,) * 12, kinds))


def random_chain(seed: int) -> Chain:
    dice = random.Random(seed)
    layers = dice.randint(1, 5)
    kinds = tuple(
        LinkedKind(
            f"k{index}",
            dice.randint(0 if index else 1, 2),
            tuple(dice.random() for _ in range(layers)),
            dice.choice([math.inf, 60.0, 35.0]),
            dice.choice([5.0, 20.0, 100.0]),
        )
        for index in range(dice.randint(1, 3))
    )
    tensors = tuple(float(dice.randint(0, 6)) for _ in range(layers + 1))
    return Chain(tensors, tuple(float(dice.randint(0, 9)) for _ in range(layers)), kinds)


def least_of_all(chain: Chain) -> float:
    devices = [kind for kind in chain.kinds for _ in range(kind.count)]
    layers = len(chain.weights)
    return min(
        (
            schedule_cost(chain, [0, *cuts, layers], list(order))
            for stages in range(1, min(layers, len(devices)) + 1)
            for cuts in itertools.combinations(range(1, layers), stages - 1)
            for order in itertools.permutations(devices, stages)
        ),
        default=math.inf,
    )


def schedule_cost(chain: Chain, ends: list[int], order: list[LinkedKind]) -> float:
    worst = 0.0
    for stage, kind in enumerate(order):
        first, last = ends[stage], ends[stage + 1]
        into, out = chain.tensors[first], chain.tensors[last]
        if sum(chain.weights[first:last]) + into * (3 if stage else 1) + 3 * out > kind.memory:
            return math.inf
        worst = max(worst, sum(kind.times[first:last]))
        if stage:
            worst = max(worst, into / min(kind.rate, order[stage - 1].rate))
    return worst


def cost(chain: Chain, split: Split) -> float:
    ends = [0, *itertools.accumulate(len(part.nodes) for part in split.parts)]
    for part, first, last in zip(split.parts, ends, ends[1:], strict=False):
        assert part.nodes == frozenset(range(first, last))
    kinds = {kind.name: kind for kind in chain.kinds}
    for name, kind in kinds.items():
        assert sum(part.kind == name for part in split.parts) <= kind.count
    return schedule_cost(chain, ends, [kinds[part.kind] for part in split.parts])
