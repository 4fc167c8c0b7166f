"""Bad questions at the planner's door: each is refused, says what is wrong, and whose it is; odd ones are solved."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from partitioner.errors import InvalidProblem, NoFeasiblePlan
from partitioner.graph import CostGraph, CostTensor
from partitioner.solve.exhaustive import best_of_all
from partitioner.solve.planner import solve
from partitioner.solve.problem import (
    THROUGHPUT,
    CodecOption,
    CodecSeconds,
    Device,
    Hop,
    Joules,
    Limits,
    Objective,
    Problem,
)
from partitioner.units import Bytes, BytesPerSecond, CodecName, DeviceId, Seconds, TensorName
from tests.partitioner.solve.instances import random_problem
from tests.partitioner.solve.test_published_failures import chain, device, links

BOARD, CLOUD = DeviceId("board"), DeviceId("cloud")


def good() -> Problem:
    """Three layers, a board with 10 s of work and a cloud with 1 s behind a fast link."""
    return Problem(
        chain(100, 100, 100, weights=100_000_000),
        (device("board", 2.0, 4.0, 4.0), device("cloud", 0.5, 0.3, 0.2)),
        links(("board", "cloud", 1e3)),
        order=(BOARD, CLOUD),
    )


def with_costs(problem: Problem, **changes: object) -> Problem:
    board = dataclasses.replace(
        problem.devices[0], costs=dataclasses.replace(problem.devices[0].costs, **changes)
    )
    return dataclasses.replace(problem, devices=(board, *problem.devices[1:]))


def with_hop(problem: Problem, **changes: object) -> Problem:
    hop = dataclasses.replace(problem.hops[CLOUD, BOARD], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(problem, hops={**problem.hops, (CLOUD, BOARD): hop})


def with_board(problem: Problem, **changes: object) -> Problem:
    board = dataclasses.replace(problem.devices[0], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(problem, devices=(board, *problem.devices[1:]))


def with_tensor(problem: Problem, tensor: CostTensor) -> Problem:
    graph = CostGraph(problem.graph.layers, (*problem.graph.tensors, tensor))
    return dataclasses.replace(problem, graph=graph)


def test_a_good_question_has_an_answer() -> None:
    assert solve(good()).value == pytest.approx(1.1)


# --- Contradictions ---


@pytest.mark.parametrize("number", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("field", ["overhead", "segment", "entering", "send_byte", "receive_message"])
def test_absurd_costs_of_a_profile_name_the_device(field: str, number: float) -> None:
    with pytest.raises(InvalidProblem, match="board"):
        solve(with_costs(good(), **{field: number}))


@pytest.mark.parametrize("number", [math.nan, math.inf, -1.0])
def test_an_absurd_layer_time_names_the_device(number: float) -> None:
    with pytest.raises(InvalidProblem, match="board"):
        solve(with_costs(good(), layers=(Seconds(1.0), Seconds(number), Seconds(1.0))))


@pytest.mark.parametrize("rate", [math.nan, 0.0, -5.0])
def test_an_absurd_rate_names_the_direction(rate: float) -> None:
    with pytest.raises(InvalidProblem, match="cloud to board"):
        solve(with_hop(good(), rate=BytesPerSecond(rate)))


@pytest.mark.parametrize("delay", [math.nan, math.inf, -0.1])
def test_an_absurd_delay_names_the_direction(delay: float) -> None:
    with pytest.raises(InvalidProblem, match="cloud to board"):
        solve(with_hop(good(), delay=Seconds(delay)))


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -0.1])
def test_an_absurd_codec_time_names_the_codec(seconds: float) -> None:
    key = (TensorName("t1"), CodecName("f16"))
    with pytest.raises(InvalidProblem, match="f16"):
        solve(with_board(good(), codecs={key: CodecSeconds(encode=Seconds(seconds))}))


@pytest.mark.parametrize("field", ["watts", "radio_watts", "memory"])
def test_absurd_declarations_name_the_device(field: str) -> None:
    for number in (math.nan, -1.0):
        with pytest.raises(InvalidProblem, match="board"):
            solve(with_board(good(), **{field: number}))


@pytest.mark.parametrize("limits", [Limits(latency=Seconds(math.nan)), Limits(energy=Joules(-1.0))])
def test_absurd_limits_are_refused(limits: Limits) -> None:
    with pytest.raises(InvalidProblem):
        solve(dataclasses.replace(good(), limits=limits))


@pytest.mark.parametrize("weight", [math.nan, math.inf, -1.0])
def test_absurd_weights_of_an_objective_are_refused(weight: float) -> None:
    for objective in (Objective(weight), Objective(1.0, weight), Objective(energy=weight)):
        with pytest.raises(InvalidProblem):
            solve(dataclasses.replace(good(), objective=objective))


def test_a_cyclic_graph_names_the_tensor() -> None:
    back = CostTensor(TensorName("back"), "uint8", (1,), Bytes(1), 2, (0,))
    with pytest.raises(InvalidProblem, match=r"cyclic.*back"):
        solve(with_tensor(good(), back))


def test_a_layer_that_is_not_there_is_named_by_its_tensor() -> None:
    for lost in (
        CostTensor(TensorName("lost"), "uint8", (1,), Bytes(1), 0, (7,)),
        CostTensor(TensorName("lost"), "uint8", (1,), Bytes(1), 9, ()),
    ):
        with pytest.raises(InvalidProblem, match="lost"):
            solve(with_tensor(good(), lost))


def test_costs_for_another_graph_are_refused() -> None:
    with pytest.raises(InvalidProblem, match="2 layer costs of board"):
        solve(with_costs(good(), layers=(Seconds(1.0), Seconds(1.0))))


def test_a_pin_to_a_device_that_is_gone_names_it() -> None:
    with pytest.raises(InvalidProblem, match="jetson"):
        solve(dataclasses.replace(good(), pins={1: DeviceId("jetson")}))


def test_a_pin_of_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="3"):
        solve(dataclasses.replace(good(), pins={3: BOARD}))


@pytest.mark.parametrize(
    ("kept", "missing"), [((BOARD, CLOUD), "cloud to board"), ((CLOUD, BOARD), "board to cloud")]
)
@pytest.mark.parametrize("ordered", [True, False])
def test_a_link_that_is_missing_one_way_says_which(
    kept: tuple[DeviceId, DeviceId], missing: str, ordered: bool
) -> None:
    problem = dataclasses.replace(
        good(), hops={kept: good().hops[kept]}, order=(BOARD, CLOUD) if ordered else None
    )
    with pytest.raises(InvalidProblem, match=missing):
        solve(problem)


def test_an_order_that_does_not_begin_at_the_entry_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="board"):
        solve(dataclasses.replace(good(), order=(CLOUD, BOARD)))
    with pytest.raises(InvalidProblem, match="jetson"):
        solve(dataclasses.replace(good(), order=(BOARD, DeviceId("jetson"))))


def test_two_devices_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidProblem, match="one name"):
        solve(dataclasses.replace(good(), devices=(*good().devices, good().devices[1])))


def test_no_device_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="no device"):
        solve(dataclasses.replace(good(), devices=(), order=None))


def test_options_and_wishes_for_tensors_that_are_not_there_are_refused() -> None:
    ghost = TensorName("ghost")
    with pytest.raises(InvalidProblem, match="ghost"):
        solve(dataclasses.replace(good(), stay=frozenset({ghost})))
    with pytest.raises(InvalidProblem, match="ghost"):
        solve(dataclasses.replace(good(), options={ghost: (CodecOption(CodecName("raw"), Bytes(1)),)}))


# --- Nothing is feasible: which constraint, and by how much ---


def blame(problem: Problem) -> str:
    with pytest.raises(NoFeasiblePlan) as caught:
        solve(problem)
    return str(caught.value)


def test_too_little_memory_is_told_in_megabytes() -> None:
    problem = with_board(good(), memory=Bytes(256_000_000))
    told = blame(dataclasses.replace(problem, pins={0: BOARD, 1: BOARD, 2: BOARD}))
    assert "board needs 360.0 MB and has 256.0 MB" in told


@pytest.mark.parametrize("order", [(BOARD, CLOUD), None])
def test_too_little_memory_everywhere_is_told(order: tuple[DeviceId, ...] | None) -> None:
    small = tuple(dataclasses.replace(one, memory=Bytes(110_000_000)) for one in good().devices)
    told = blame(dataclasses.replace(good(), devices=small, order=order))
    assert "MB" in told
    assert "110.0" in told


def test_a_latency_that_nothing_reaches_is_told() -> None:
    told = blame(dataclasses.replace(good(), limits=Limits(latency=Seconds(0.8))))
    assert "1.1" in told
    assert "0.8" in told


def test_a_floor_on_throughput_that_nothing_reaches_is_told() -> None:
    told = blame(dataclasses.replace(good(), limits=Limits(bottleneck=Seconds(0.01))))
    assert "100" in told  # asked, a second
    assert best_of_all(dataclasses.replace(good(), objective=THROUGHPUT)).value == pytest.approx(1.0)
    assert "1/s" in told or "1.0/s" in told or "1.000/s" in told  # the best there is


def test_an_accuracy_budget_that_nothing_keeps_is_told() -> None:
    t1 = TensorName("t1")
    options = {t1: (CodecOption(CodecName("u8"), Bytes(25), 0.02),)}
    pins = {0: BOARD, 1: CLOUD}
    told = blame(dataclasses.replace(good(), options=options, pins=pins, limits=Limits(loss=0.01)))
    assert "loss" in told
    assert "2 %" in told
    assert "1 %" in told


def test_pins_that_contradict_the_edges_are_told() -> None:
    told = blame(dataclasses.replace(good(), pins={0: CLOUD, 1: BOARD}))
    assert "pin" in told


def test_an_operator_that_nobody_has_is_told() -> None:
    nobody = tuple(dataclasses.replace(one, lacks=frozenset({1})) for one in good().devices)
    told = blame(dataclasses.replace(good(), devices=nobody))
    assert "l1" in told


def test_the_constraint_to_blame_is_the_one_that_binds() -> None:
    """A loose memory limit beside an impossible latency is not blamed."""
    problem = with_board(good(), memory=Bytes(10**9))
    told = blame(dataclasses.replace(problem, limits=Limits(latency=Seconds(0.8), energy=Joules(1e9))))
    assert "MB" not in told
    assert "J" not in told.replace("Jetson", "")


# --- Odd, but no contradiction ---


@pytest.mark.parametrize("objective", [Objective(), THROUGHPUT, Objective(0.0, energy=1.0)])
def test_all_costs_zero(objective: Objective) -> None:
    free = tuple(device(one.name, 0.0, 0.0, 0.0) for one in good().devices)
    tensors = tuple(dataclasses.replace(tensor, size=Bytes(0)) for tensor in good().graph.tensors)
    graph = CostGraph(good().graph.layers, tensors)
    plan = solve(dataclasses.replace(good(), graph=graph, devices=free, objective=objective))
    assert plan.value == 0
    assert plan.lower_bound == 0
    assert plan.gap == 0


@pytest.mark.parametrize("order", [(BOARD, CLOUD), None])
@pytest.mark.parametrize("objective", [Objective(), THROUGHPUT])
def test_a_graph_in_parts_that_do_not_touch(objective: Objective, order: tuple[DeviceId, ...] | None) -> None:
    graph = CostGraph(good().graph.layers, good().graph.tensors[:1])
    problem = dataclasses.replace(good(), graph=graph, objective=objective, order=order)
    assert solve(problem).value == pytest.approx(best_of_all(problem).value)


@pytest.mark.parametrize("objective", [Objective(), THROUGHPUT])
def test_a_model_without_layers(objective: Objective) -> None:
    nothing = tuple(
        Device(one.name, dataclasses.replace(one.costs, layers=(), overhead=Seconds(0.25)))
        for one in good().devices
    )
    plan = solve(dataclasses.replace(good(), graph=CostGraph((), ()), devices=nothing, objective=objective))
    assert plan.value == pytest.approx(0.25)
    assert plan.layout.order == (BOARD,)


def test_one_device_and_no_link() -> None:
    problem = dataclasses.replace(good(), devices=good().devices[:1], hops={}, order=None)
    assert solve(problem).value == pytest.approx(10.0)


def test_a_device_that_nobody_can_reach_is_not_used() -> None:
    problem = dataclasses.replace(good(), hops={}, order=None)
    assert solve(problem).value == pytest.approx(10.0)


def test_a_link_as_fast_as_memory() -> None:
    endless = {key: Hop(BytesPerSecond(math.inf)) for key in good().hops}
    assert solve(dataclasses.replace(good(), hops=endless)).value == pytest.approx(1.0)


@pytest.mark.parametrize("objective", [Objective(), THROUGHPUT])
@pytest.mark.parametrize(
    ("producer", "consumers", "is_output"),
    [
        (-1, (), True),  # given, and handed back as it is
        (-1, (2,), True),
        (0, (), False),  # nobody wants it
        (1, (1,), False),  # inside one layer
        (0, (1, 2), True),  # an output that is used on the way
        (0, (2, 1, 1), False),  # not sorted, and one of them twice
    ],
)
def test_odd_tensors(
    objective: Objective, producer: int, consumers: tuple[int, ...], is_output: bool
) -> None:
    odd = CostTensor(TensorName("odd"), "uint8", (1,), Bytes(70), producer, consumers, is_output)
    problem = dataclasses.replace(with_tensor(good(), odd), objective=objective)
    assert solve(problem).value == pytest.approx(best_of_all(problem).value)


@pytest.mark.parametrize("seconds", [1e-15, 1e12])
def test_times_of_any_size(seconds: float) -> None:
    problem = with_costs(good(), layers=(Seconds(seconds), Seconds(1.0), Seconds(seconds / 1e3)))
    assert solve(problem).value == pytest.approx(best_of_all(problem).value)


# --- Every number of a problem -----------------------------------------------------------------------------------

UNUSED = {"error", "noise", "error_floor"}  # a predictor's, not a cost
STRUCTURE = {"index", "producer", "consumers", "shape"}


def every_number(noun: Any, path: str = "") -> Iterator[tuple[str, Callable[[float], Any]]]:
    """Yield each number in `noun`: where it is, and how to make the same noun with another number there."""
    if dataclasses.is_dataclass(noun):
        parts = [(field.name, getattr(noun, field.name)) for field in dataclasses.fields(noun)]
    elif isinstance(noun, dict):
        parts = list(noun.items())
    elif isinstance(noun, tuple):
        parts = list(enumerate(noun))
    else:
        if isinstance(noun, (int, float)) and not isinstance(noun, bool):
            yield path, lambda number: number
        return
    for key, part in parts:
        if key not in UNUSED | STRUCTURE and not (isinstance(part, CodecOption) and not part.allowed):
            for inner, build in every_number(part, f"{path}.{key}"):
                yield inner, partial(_with_part, noun, key, build)


def _with_part(noun: Any, key: Any, build: Callable[[float], Any], number: float) -> Any:
    part = build(number)
    if dataclasses.is_dataclass(noun):
        return dataclasses.replace(noun, **{key: part})  # type: ignore[type-var]
    return {**noun, key: part} if isinstance(noun, dict) else (*noun[:key], part, *noun[key + 1 :])


@pytest.mark.parametrize("number", [math.nan, -1.0])
@pytest.mark.parametrize("seed", [3, 5])
def test_no_number_may_be_absurd(seed: int, number: float) -> None:
    problem = random_problem(seed, "everything")
    numbers = list(every_number(problem))
    assert [path for path, build in numbers if not refused(build(number))] == []
    assert len(numbers) > 60
    assert any("hops" in path for path, _ in numbers)


def refused(problem: Problem) -> bool:
    try:
        solve(problem)
    except InvalidProblem:
        return True
    except NoFeasiblePlan:
        return False
    return False
