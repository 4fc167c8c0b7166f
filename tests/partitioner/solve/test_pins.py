"""Problems that contradict themselves are refused, and pins drag along what must follow them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import CostGraph
from partitioner.predict import StageCosts
from partitioner.solve import CodecOption, Problem, solve
from partitioner.solve.pins import forced
from partitioner.units import Bytes, CodecName, Seconds, TensorName

Diamond = Callable[..., Problem]


def stage(*seconds: float) -> StageCosts:
    return StageCosts(tuple(Seconds(one) for one in seconds))


def test_a_pin_drags_its_ancestors_along(diamond: Diamond) -> None:
    assert forced(diamond(on_board=frozenset({1}))) == ({0, 1}, frozenset())
    assert forced(diamond(on_cloud=frozenset({1}))) == (frozenset(), {1, 3})


def test_a_tensor_that_stays_holds_maker_and_consumers_together(diamond: Diamond) -> None:
    held = diamond(stay=frozenset({"a"}), on_board=frozenset({0}))
    assert forced(held)[0] == {0, 1, 2}
    assert forced(dataclasses.replace(held, on_board=frozenset(), on_cloud=frozenset({2})))[1] == {0, 1, 2, 3}


def test_a_tensor_without_an_allowed_codec_stays(diamond: Diamond) -> None:
    nothing = {TensorName("a"): (CodecOption(CodecName("f16"), Bytes(1), allowed=False),)}
    assert forced(diamond(options=nothing, on_board=frozenset({0})))[0] == {0, 1, 2}


def test_contradicting_pins_are_named(diamond: Diamond) -> None:
    with pytest.raises(NoFeasiblePlan, match="l0 would have to run on the board and on the cloud"):
        solve(diamond(on_board=frozenset({3}), on_cloud=frozenset({0})))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"board": stage(0.1, float("nan"), 0.1, 0.1)}, "NaN"),
        ({"cloud": stage(0.1, -1.0, 0.1, 0.1)}, "negative"),
        ({"cloud": stage(0.1, float("inf"), 0.1, 0.1)}, "infinite"),
        ({"cloud": stage(0.1)}, "1 layer costs"),
        ({"on_board": frozenset({9})}, "not in the graph"),
        ({"stay": frozenset({"nobody"})}, "nobody"),
        ({"options": {"a": (CodecOption(CodecName("raw"), Bytes(-1)),)}}, "tensor a costs"),
    ],
)
def test_a_senseless_problem_is_refused(diamond: Diamond, changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidProblem, match=complaint):
        solve(diamond(**changes))


def test_a_cycle_is_refused(diamond: Diamond) -> None:
    problem = diamond()
    back = dataclasses.replace(problem.graph.tensors[1], name=TensorName("back"), producer=3, consumers=(0,))
    with pytest.raises(InvalidProblem, match="cyclic"):
        solve(
            dataclasses.replace(
                problem, graph=CostGraph(problem.graph.layers, (*problem.graph.tensors, back))
            )
        )
