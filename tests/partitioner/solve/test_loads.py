"""The bottleneck solver: published optima, an oracle on small graphs, and what happens past the bounds."""

from __future__ import annotations

import itertools
import json
import math
import random
from pathlib import Path

import pytest

from bench.published import msr_workload
from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.solve import loads
from partitioner.solve.loads import least_bottleneck
from partitioner.solve.workload import Kind, Split, Tensor, Workload

PUBLISHED = Path(__file__).parent / "published"


@pytest.mark.parametrize(
    ("name", "optimum"),
    [
        ("msr_bert24_layers", 17.78990625),
        ("msr_resnet50_layers", 33.774666),
        ("msr_bert3_operators", 27.918568),
    ],
)
def test_published_optima(name: str, optimum: float) -> None:
    workload = published(name)
    split = least_bottleneck(workload)
    assert split.bottleneck == pytest.approx(optimum, abs=5e-7)
    assert split.lower_bound == split.bottleneck
    assert split.method == "down-sets"
    assert bottleneck_of(workload, split) == pytest.approx(optimum, abs=5e-7)


@pytest.mark.parametrize("first_seed", range(0, 240, 40))
def test_random_workloads_against_every_assignment(first_seed: int) -> None:
    feasible = 0
    for seed in range(first_seed, first_seed + 40):
        workload = random_workload(seed)
        least = least_of_all(workload)
        if math.isinf(least):
            with pytest.raises(NoFeasiblePlan):
                least_bottleneck(workload)
            continue
        split = least_bottleneck(workload)
        feasible += 1
        assert split.bottleneck == pytest.approx(least, rel=1e-9), seed
        assert bottleneck_of(workload, split) == pytest.approx(least, rel=1e-9), seed
    assert feasible > 20


@pytest.mark.parametrize("name", ["msr_bert24_layers", "msr_resnet50_layers", "msr_bert3_operators"])
def test_pieces_of_published_graphs_against_every_assignment(name: str) -> None:
    workload = published(name)
    for start in (0, 20):
        piece = restricted(workload, piece_of(workload, start, 7), devices=2)
        assert least_bottleneck(piece).bottleneck == pytest.approx(least_of_all(piece), rel=1e-9)


def test_a_tensor_is_paid_once_by_each_device_that_it_enters_or_leaves() -> None:
    tensors = (Tensor(0, (1, 2), 1.0),)
    apart = Workload((1.0,) * 3, tensors, (Kind("only", 2, (10.0, 5.0, 5.0), capacity=2.0),))
    split = least_bottleneck(apart)  # 0 | 1 2: 10 + 1 and 10 + 1; not 10 + 2, as if paid for each consumer
    assert split.bottleneck == 11.0


def test_a_kind_that_does_not_pay_counts_its_computing_only() -> None:
    kinds = (Kind("cpu", 1, (10.0, 10.0), pays=False), Kind("fast", 1, (1.0, 1.0), frozenset({0})))
    split = least_bottleneck(Workload((0.0, 0.0), (Tensor(0, (1,), 5.0),), kinds))
    assert split.bottleneck == 10.0
    assert [part.load for part in split.parts] == [10.0, 6.0]


def test_order_need_not_follow_the_kinds() -> None:
    """The middle must run on the cpu: accelerator, cpu, accelerator."""
    kinds = (Kind("fast", 2, (1.0,) * 3, frozenset({1})), Kind("cpu", 1, (9.0, 2.0, 9.0), pays=False))
    split = least_bottleneck(Workload((0.0,) * 3, (Tensor(0, (1,), 0.5), Tensor(1, (2,), 0.5)), kinds))
    assert [part.kind for part in split.parts] == ["fast", "cpu", "fast"]
    assert split.bottleneck == 2.0


def test_backward_nodes_follow_their_colour_and_do_not_bind_the_order() -> None:
    """Training: forward 0 -> 1, backward 2 (of 1) -> 3 (of 0); two devices hold {0, 3} and {1, 2}."""
    tensors = (Tensor(0, (1,), 0.1), Tensor(1, (2,), 0.1), Tensor(2, (3,), 0.2))
    workload = Workload(
        (0.0,) * 4, tensors, (Kind("fast", 2, (1.0,) * 4),), (0, 1, 1, 0), backward=frozenset({2, 3})
    )
    split = least_bottleneck(workload)
    assert split.bottleneck == pytest.approx(2.3)
    assert {part.nodes for part in split.parts} == {frozenset({0, 3}), frozenset({1, 2})}


def test_past_the_bound_of_down_sets_the_gap_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(40):
        workload = random_workload(seed)
        least = least_of_all(workload)
        monkeypatch.setattr(loads, "MOST_DOWN_SETS", 1)
        if math.isfinite(least):
            split = least_bottleneck(workload)
            assert split.method == "relaxation"
            assert split.lower_bound <= least * (1 + 1e-9)
            assert split.bottleneck >= least * (1 - 1e-9)
            assert bottleneck_of(workload, split) == pytest.approx(split.bottleneck)


def test_past_the_bound_of_work_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "MOST_WORK", 10)
    split = least_bottleneck(published("msr_bert24_layers"))
    assert split.method == "relaxation"
    assert 0 < split.gap < 0.5


def test_wide_graphs_end_with_a_gap() -> None:
    width = 30  # 2^30 down-sets
    workload = Workload((0.0,) * width, (), (Kind("only", 3, (1.0,) * width),))
    split = least_bottleneck(workload)
    assert split.method == "relaxation"
    assert split.bottleneck == 10.0
    assert split.gap == pytest.approx(0.0, abs=1e-6)


def test_tables_in_many_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "CELLS", 50)
    assert least_bottleneck(published("msr_bert24_layers")).bottleneck == pytest.approx(17.78990625)


def test_nothing_to_do() -> None:
    split = least_bottleneck(Workload((), (), (Kind("only", 1, ()),)))
    assert (split.bottleneck, split.parts, split.gap) == (0.0, (), 0.0)


def test_more_devices_than_nodes() -> None:
    assert least_bottleneck(Workload((0.0,), (), (Kind("only", 10_000, (1.0,)),))).bottleneck == 1.0


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ((Kind("only", 0, (1.0, 1.0)),), "no devices"),
        ((Kind("only", 3, (1.0, 1.0), frozenset({1})),), "no device runs node 1"),
        ((Kind("only", 3, (1.0, 1.0), capacity=4.0),), "need 6, and the largest device that runs them has 4"),
        ((Kind("only", 1, (1.0, 1.0), capacity=8.0),), "all nodes need 12, the devices have 8"),
    ],
)
def test_no_split_says_why(kinds: tuple[Kind, ...], message: str) -> None:
    with pytest.raises(NoFeasiblePlan, match=message):
        least_bottleneck(Workload((6.0, 6.0), (Tensor(0, (1,), 1.0),), kinds))


def test_too_many_kinds_are_refused() -> None:
    kinds = tuple(Kind(f"k{index}", 1, (1.0,) * 12) for index in range(12))
    with pytest.raises(InvalidProblem, match="4096 ways"):
        least_bottleneck(Workload((0.0,) * 12, (), kinds))


def published(name: str) -> Workload:
    return msr_workload(json.loads((PUBLISHED / f"{name}.json").read_text()))


def random_workload(seed: int) -> Workload:
    dice = random.Random(seed)
    count = dice.randint(1, 6)
    tensors = []
    for node in range(count):
        later = range(node + 1, count)
        consumers = tuple(sorted(dice.sample(later, min(len(later), dice.choice([0, 1, 1, 2, 3])))))
        tensors.append(Tensor(node, consumers, dice.choice([0.0, 0.1, dice.random() * 3])))
    devices = dice.choice([(1, 1), (2, 0), (2, 1), (1, 2), (3, 0)])
    colours = tuple(dice.randrange(count) for _ in range(count)) if dice.random() < 0.4 else ()
    kinds = (
        Kind(
            "fast",
            devices[0],
            tuple(dice.choice([0.0, 0.0, 1.0, dice.random()]) for _ in range(count)),
            frozenset(node for node in range(count) if dice.random() < 0.15),
            dice.choice([math.inf, math.inf, 10.0, 6.0]),
        ),
        Kind("cpu", devices[1], tuple(dice.random() * 4 for _ in range(count)), pays=dice.random() < 0.3),
    )
    sizes = tuple(dice.choice([0.0, 1.0, 2.0, 5.0]) for _ in range(count))
    relabel = dice.sample(range(count), count)
    moved = tuple(
        Tensor(relabel[one.producer], tuple(sorted(relabel[node] for node in one.consumers)), one.time)
        for one in tensors
    )
    return Workload(sizes, moved, kinds, colours)


def least_of_all(workload: Workload) -> float:
    """Every assignment of nodes to single devices, straight from the README of the published instances."""
    devices = [kind for kind in workload.kinds for _ in range(kind.count)]
    if not devices:
        return math.inf
    count = len(workload.sizes)
    return min(
        (
            worst_load(workload, devices, assigned)
            for assigned in itertools.product(range(len(devices)), repeat=count)
        ),
        default=math.inf,
    )


def worst_load(workload: Workload, devices: list[Kind], assigned: tuple[int, ...]) -> float:
    colour: dict[int, int] = {}
    for node, one in enumerate(workload.colours):
        if colour.setdefault(one, assigned[node]) != assigned[node]:
            return math.inf
    between = {(assigned[t.producer], assigned[c]) for t in workload.tensors for c in t.consumers}
    if circular({(a, b) for a, b in between if a != b}, len(devices)):
        return math.inf
    totals = [0.0] * len(devices)
    room = [kind.capacity for kind in devices]
    for node, device in enumerate(assigned):
        if node in devices[device].lacks:
            return math.inf
        totals[device] += devices[device].times[node]
        room[device] -= workload.sizes[node]
    for tensor in workload.tensors:
        ends = {assigned[one] for one in (tensor.producer, *tensor.consumers)}
        for device in ends if len(ends) > 1 else ():
            totals[device] += tensor.time if devices[device].pays else 0.0
    return math.inf if min(room) < 0 else max(totals)


def circular(edges: set[tuple[int, int]], count: int) -> bool:
    left = set(range(count))
    while left:
        free = {one for one in left if not any(b == one and a in left for a, b in edges)}
        if not free:
            return True
        left -= free
    return False


def bottleneck_of(workload: Workload, split: Split) -> float:
    """Check that a split is one, and return its worst load."""
    assigned = {node: index for index, part in enumerate(split.parts) for node in part.nodes}
    assert sum(len(part.nodes) for part in split.parts) == len(assigned) == len(workload.sizes)
    kinds = {kind.name: kind for kind in workload.kinds}
    for name, kind in kinds.items():
        assert sum(part.kind == name for part in split.parts) <= kind.count
    devices = [kinds[part.kind] for part in split.parts]
    return worst_load(workload, devices, tuple(assigned[node] for node in range(len(assigned))))


def piece_of(workload: Workload, start: int, count: int) -> list[int]:
    """Some nodes that hang together: breadth first from the consumers of node `start`'s producer on."""
    after = {one.producer: one.consumers for one in workload.tensors}
    found = [start]
    for node in found:
        found += [one for one in after.get(node, ()) if one not in found]
        if len(found) >= count:
            break
    rest = [node for node in range(len(workload.sizes)) if node not in found]
    return (found + rest)[:count]


def restricted(workload: Workload, nodes: list[int], devices: int) -> Workload:
    number = {node: index for index, node in enumerate(nodes)}
    tensors = tuple(
        Tensor(
            number[one.producer], tuple(number[node] for node in one.consumers if node in number), one.time
        )
        for one in workload.tensors
        if one.producer in number
    )
    kinds = tuple(
        Kind(
            kind.name,
            min(kind.count, devices),
            tuple(kind.times[node] for node in nodes),
            frozenset(number[node] for node in kind.lacks if node in number),
            kind.capacity,
            kind.pays,
        )
        for kind in workload.kinds
    )
    sizes = tuple(workload.sizes[node] for node in nodes)
    return Workload(sizes, tensors, kinds, tuple(workload.colours[node] for node in nodes))
