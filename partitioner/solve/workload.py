"""The question that published work asks of a partitioner: spread a graph so that the largest load is least.

Law: frozen nouns, their checks, and what a load is by definition; no search (`loads.py`) and no contraction
(`grouping.py`). This is the cost model of Tarnawski et al. (NeurIPS 2020), kept so that published optima can be
reproduced; it is not the space of `problem.py`: a tensor goes from its producer's device straight to each
consumer's ("direct"), there is no entry, no way home, and devices are known by their kind and number only.

**The space.** Nodes are given to devices; each device holds a *segment* J - I between two down-sets of the graph,
so that the devices can be put into an order in which every tensor flows forward. Of each kind at most `count`
devices are used, and it does not matter which. **Load** of a device: the times of its nodes there, plus, on a kind
that pays transfers, the time of every tensor that enters it or leaves it, once each, however many consumers a tensor
has there or elsewhere. The bottleneck is the largest load. In training, the order binds the forward nodes, and
backward nodes follow the forward nodes of their colour.

All times are in one unit, of the caller's choice; so are all sizes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Set
from dataclasses import dataclass

from partitioner.errors import InvalidProblem


@dataclass(frozen=True)
class Kind:
    """Devices that are alike: `count` of them.

    Attributes:
        times: what each node takes there.
        lacks: nodes that it cannot run.
        capacity: what the sizes of a device's nodes may sum to.
        pays: whether its load counts the tensors that enter and leave.
    """

    name: str
    count: int
    times: tuple[float, ...]
    lacks: frozenset[int] = frozenset()
    capacity: float = math.inf
    pays: bool = True


@dataclass(frozen=True)
class Tensor:
    """What `producer` makes for `consumers`; `time` is what each device pays that it enters or leaves."""

    producer: int
    consumers: tuple[int, ...]
    time: float


@dataclass(frozen=True)
class Workload:
    """Nodes 0, 1, ... in any order, their sizes, the tensors between them, and the devices.

    Nodes with the same number in `colours` go together (empty: each goes alone). `backward` nodes are those of the
    backward pass of training.
    """

    sizes: tuple[float, ...]
    tensors: tuple[Tensor, ...]
    kinds: tuple[Kind, ...]
    colours: tuple[int, ...] = ()
    backward: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Part:
    """What one device holds, and its load; parts are listed in the order in which tensors flow."""

    kind: str
    nodes: frozenset[int]
    load: float


@dataclass(frozen=True)
class Split:
    """An answer: the parts, their largest load, and what is proven.

    No split of the space has a bottleneck below `lower_bound`; `method` says what proved it: "down-sets" (all of
    them were looked at, the split is optimal) or "relaxation" (there were too many).
    """

    parts: tuple[Part, ...]
    bottleneck: float
    lower_bound: float
    method: str
    down_sets: int

    @property
    def gap(self) -> float:
        """Relative distance of the bottleneck from the bound; 0 means proven optimal."""
        return max(1 - self.lower_bound / self.bottleneck, 0.0) if self.bottleneck > 0 else 0.0


def load(workload: Workload, kind: Kind, nodes: Set[int]) -> float:
    """Return the load of a device of `kind` that holds `nodes`, straight from the definition."""
    computing = math.fsum(kind.times[node] for node in nodes)
    if not kind.pays:
        return computing
    return computing + math.fsum(one.time for one in workload.tensors if _crosses(one, nodes))


def check(workload: Workload) -> None:
    """Refuse a workload that contradicts itself.

    Raises:
        InvalidProblem: lengths differ, a node is unknown, a number is NaN, infinite or negative.
    """
    count = len(workload.sizes)
    if workload.colours and len(workload.colours) != count:
        raise InvalidProblem(f"{len(workload.colours)} colours for {count} nodes", "give one for each node")
    check_numbers("size", workload.sizes)
    check_numbers("transfer time", (one.time for one in workload.tensors))
    for kind in workload.kinds:
        _check_kind(kind, count)
    for tensor in workload.tensors:
        _check_nodes("a tensor", (tensor.producer, *tensor.consumers), count)
    _check_nodes("the backward pass", workload.backward, count)


def _crosses(tensor: Tensor, nodes: Set[int]) -> bool:
    inside = [node in nodes for node in (tensor.producer, *tensor.consumers)]
    return any(inside) and not all(inside)


def _check_kind(kind: Kind, count: int) -> None:
    if len(kind.times) != count:
        raise InvalidProblem(
            f"{kind.name} has {len(kind.times)} times for {count} nodes", "give one for each node"
        )
    if kind.count < 0:
        raise InvalidProblem(f"there are {kind.count} devices of kind {kind.name}", "give 0 or more")
    if not kind.capacity >= 0:
        raise InvalidProblem(f"the capacity of kind {kind.name} is {kind.capacity}", "give 0 or more")
    check_numbers(f"time on {kind.name}", kind.times)
    _check_nodes(f"what {kind.name} lacks", kind.lacks, count)


def check_numbers(what: str, numbers: Iterable[float]) -> None:
    """Refuse numbers that are NaN, infinite or negative (InvalidProblem)."""
    for number in numbers:
        if not (math.isfinite(number) and number >= 0):
            raise InvalidProblem(f"a {what} is {number}", "give a finite number that is not negative")


def _check_nodes(what: str, nodes: Iterable[int], count: int) -> None:
    unknown = [node for node in nodes if not 0 <= node < count]
    if unknown:
        raise InvalidProblem(f"{what} names node {unknown[0]}, and there are {count}", "number them from 0")
