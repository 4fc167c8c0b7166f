"""The minimum cut against the oracle, and the laws that any right answer keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from partitioner.costs import LinkProfile
from partitioner.errors import NoFeasiblePlan
from partitioner.graph import is_down_set
from partitioner.predict import StageCosts
from partitioner.solve import CodecOption, Problem, Solution, solve
from partitioner.solve.two_stage_oracle import best_of_all
from partitioner.units import Bytes, BytesPerSecond, CodecName, Seconds, TensorName

PROBLEMS = 2400
Maker = Callable[[int], Problem]
Diamond = Callable[..., Problem]


def answer(problem: Problem) -> Solution | None:
    try:
        return solve(problem)
    except NoFeasiblePlan:
        return None


def truth(problem: Problem) -> float | None:
    try:
        return best_of_all(problem)[0]
    except NoFeasiblePlan:
        return None


@pytest.mark.parametrize("part", range(8))
def test_no_mismatch_with_the_oracle(make_problem: Maker, part: int) -> None:
    for seed in range(part * PROBLEMS // 8, (part + 1) * PROBLEMS // 8):
        problem = make_problem(seed)
        found, expected = answer(problem), truth(problem)
        assert (found is None) == (expected is None), seed
        if found is not None and expected is not None:
            assert found.parts.latency == pytest.approx(expected, rel=1e-6, abs=1e-12), seed
            assert found.lower_bound <= expected + 1e-12, seed
            assert found.gap < 1e-6, seed
            assert is_down_set(problem.graph, found.down_set), seed


def test_the_instances_reach_every_feature(make_problem: Maker) -> None:
    solutions = [one for one in map(answer, map(make_problem, range(400))) if one]
    sizes = [len(make_problem(seed).graph.layers) for seed in range(400)]
    assert max(sizes) == 9
    assert sum(bool(one.parts.codecs) for one in solutions) > 50  # something crosses
    assert any(choice.codec == "u8+zstd" for one in solutions for choice in one.parts.codecs)
    assert any(one.parts.bytes_down for one in solutions)
    assert len(solutions) < 400  # and some are infeasible


def test_more_bandwidth_never_hurts(make_problem: Maker) -> None:
    for seed in range(150):
        problem = make_problem(seed)
        slow = answer(problem)
        link = dataclasses.replace(
            problem.link, up=BytesPerSecond(problem.link.up * 3), down=BytesPerSecond(problem.link.down * 3)
        )
        fast = answer(dataclasses.replace(problem, link=link))
        assert (slow is None) == (fast is None)
        if slow and fast:
            assert fast.parts.latency <= slow.parts.latency * (1 + 1e-6), seed


def test_scaling_every_cost_scales_the_answer(make_problem: Maker) -> None:
    for seed in range(100):
        problem = make_problem(seed)
        once, thrice = answer(problem), answer(scaled(problem, 3.0))
        if once and thrice:
            assert thrice.parts.latency == pytest.approx(3.0 * once.parts.latency, rel=1e-6, abs=1e-12), seed


def scaled(problem: Problem, by: float) -> Problem:
    link = problem.link
    return dataclasses.replace(
        problem,
        board=scaled_stage(problem.board, by),
        cloud=scaled_stage(problem.cloud, by),
        link=LinkProfile(
            BytesPerSecond(link.up / by), BytesPerSecond(link.down / by),
            Seconds(link.delay_up * by), Seconds(link.delay_down * by),
        ),
        options={
            name: tuple(
                dataclasses.replace(one, encode=Seconds(one.encode * by), decode=Seconds(one.decode * by))
                for one in options
            )
            for name, options in problem.options.items()
        },
    )  # fmt: skip


def stage(*seconds: float) -> StageCosts:
    return StageCosts(tuple(Seconds(one) for one in seconds))


def scaled_stage(costs: StageCosts, by: float) -> StageCosts:
    return StageCosts(
        tuple(Seconds(cost * by) for cost in costs.layers),
        costs.entering * by, costs.leaving * by, Seconds(costs.segment * by), Seconds(costs.overhead * by),
    )  # fmt: skip


# --- hand-made: each fails when one edge of the construction is left out ------------------------


def test_a_tensor_with_two_consumers_is_paid_once(diamond: Diamond) -> None:
    solution = solve(diamond())
    assert solution.down_set == {0}
    assert solution.parts.uplink == pytest.approx(0.010)
    assert solution.parts.latency == pytest.approx(0.001 + 0.003 + 0.010 + 0.0001)
    assert solution.method == "min-cut"


def test_nothing_returns_for_free(diamond: Diamond) -> None:
    """A cut without reverse edges would run layer 1 on the cloud and layer 3 on the board."""
    problem = diamond(board=stage(0.001, 0.05, 0.001, 0.0), cloud=stage(0.001, 0.0, 0.001, 0.05))
    solution = solve(problem)
    assert is_down_set(problem.graph, solution.down_set)
    assert solution.parts.latency == pytest.approx(best_of_all(problem)[0])


def test_the_cheapest_allowed_codec_is_chosen_per_tensor(diamond: Diamond) -> None:
    small = CodecOption(CodecName("u8+zstd"), Bytes(2_000), Seconds(0.001), Seconds(0.001))
    options = {TensorName("a"): (CodecOption(CodecName("raw"), Bytes(10_000)), small)}
    assert solve(diamond(options=options)).parts.codecs[0].codec == "u8+zstd"
    forbidden = {TensorName("a"): (options[TensorName("a")][0], dataclasses.replace(small, allowed=False))}
    assert solve(diamond(options=forbidden)).parts.codecs[0].codec == "raw"


def test_the_delay_is_paid_once_and_can_keep_everything_here(diamond: Diamond) -> None:
    far = LinkProfile(BytesPerSecond(1e6), BytesPerSecond(1e6), Seconds(0.05), Seconds(0.05), overhead=1.0)
    solution = solve(diamond(link=far))
    assert len(solution.down_set) == 4
    assert solution.parts.uplink == solution.parts.downlink == 0


def test_a_kept_input_does_not_cross(diamond: Diamond) -> None:
    cheap_input = CodecOption(CodecName("raw"), Bytes(1))
    free = diamond(options={TensorName("x"): (cheap_input,)})
    assert solve(free).down_set == frozenset()
    assert 0 in solve(dataclasses.replace(free, keep_input=True)).down_set
