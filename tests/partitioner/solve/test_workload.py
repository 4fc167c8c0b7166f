"""What a load is, and which workloads are refused."""

from __future__ import annotations

import dataclasses
import math

import pytest

from partitioner.errors import InvalidProblem
from partitioner.solve.workload import Kind, Split, Tensor, Workload, check, load

PLAIN = Workload(
    (1.0, 1.0, 1.0), (Tensor(0, (1, 2), 0.5), Tensor(1, (2,), 0.25)), (Kind("k", 1, (1.0, 2.0, 4.0)),)
)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [({0}, 1.5), ({1}, 2.75), ({2}, 4.75), ({0, 1}, 3.75), ({1, 2}, 6.5), ({0, 1, 2}, 7.0), (set(), 0.0)],
)
def test_load_is_computing_and_what_enters_and_leaves(nodes: set[int], expected: float) -> None:
    assert load(PLAIN, PLAIN.kinds[0], nodes) == expected
    free = dataclasses.replace(PLAIN.kinds[0], pays=False)
    assert load(PLAIN, free, nodes) == sum(free.times[node] for node in nodes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": (1.0, -1.0, 1.0)}, "a size is -1.0"),
        ({"tensors": (Tensor(0, (3,), 1.0),)}, "a tensor names node 3, and there are 3"),
        ({"tensors": (Tensor(0, (1,), math.inf),)}, "a transfer time is inf"),
        ({"kinds": (Kind("k", 1, (1.0, math.nan, 1.0)),)}, "a time on k is nan"),
        ({"kinds": (Kind("k", 1, (1.0,)),)}, "k has 1 times for 3 nodes"),
        ({"kinds": (Kind("k", -1, (1.0,) * 3),)}, "-1 devices"),
        ({"kinds": (Kind("k", 1, (1.0,) * 3, capacity=math.nan),)}, "capacity of kind k is nan"),
        ({"kinds": (Kind("k", 1, (1.0,) * 3, frozenset({9})),)}, "lacks names node 9"),
        ({"colours": (1,)}, "1 colours for 3 nodes"),
        ({"backward": frozenset({-1})}, "backward pass names node -1"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        check(dataclasses.replace(PLAIN, **changes))  # type: ignore[arg-type]


def test_gap_is_relative() -> None:
    assert Split((), 4.0, 3.0, "relaxation", 9).gap == 0.25
    assert Split((), 0.0, 0.0, "down-sets", 1).gap == 0.0
