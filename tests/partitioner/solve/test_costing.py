"""What a layout costs, against sums done by hand."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.errors import InvalidProblem
from partitioner.plan import CodecChoice
from partitioner.solve.costing import evaluate, memory_of, objective_value, violations
from partitioner.solve.layouts import layout_of
from partitioner.solve.problem import (
    CodecOption,
    CodecSeconds,
    Hop,
    Joules,
    Layout,
    Limits,
    Objective,
    Problem,
    Watts,
)
from partitioner.units import Bytes, BytesPerSecond, CodecName, Seconds, TensorName
from tests.partitioner.solve.small import (
    BOARD,
    CLOUD,
    GATE,
    chain,
    device,
    diamond,
    graph,
    links,
    problem,
    tensor,
)

RAW, U8 = CodecName("raw"), CodecName("u8")


def two() -> Problem:
    return problem(
        diamond(),
        device(
            BOARD, 1, 1, 1, 1, leaving=0.001, segment=0.5, overhead=0.2, send_message=0.03, send_byte=1e-4
        ),
        device(CLOUD, 0.1, 0.1, 0.1, 0.1, entering=0.002, segment=0.05, overhead=0.02, receive_message=0.004),
        hops=links(BOARD, CLOUD, delay=0.3),
    )


def test_a_cut_pays_every_part_once() -> None:
    costs = evaluate(two(), layout_of((BOARD, CLOUD), (0, 1, 1, 1)))
    board = 1 + 0.2 + 0.5 + 400 * 0.001 + 0.03 + 400 * 1e-4  # `a` leaves once, though it has two consumers
    cloud = 0.3 + 0.02 + 0.05 + 400 * 0.002 + 0.004
    assert costs.stages == pytest.approx((board, cloud))
    assert costs.forward == pytest.approx((0.3 + 0.4,))
    assert costs.home == pytest.approx((0.3 + 0.1,))
    assert costs.latency == pytest.approx(board + cloud + 0.7 + 0.4)
    assert (costs.bytes_forward, costs.bytes_home, costs.egress) == ((400,), (100,), 500)
    assert costs.hop_busy == pytest.approx({(BOARD, CLOUD): 0.4, (CLOUD, BOARD): 0.1})
    assert costs.bottleneck == pytest.approx(board)
    assert costs.throughput == pytest.approx(1 / board)
    assert costs.codecs == ((CodecChoice(TensorName("a"), RAW),),)


def test_the_entry_alone_pays_no_link_and_no_segment() -> None:
    costs = evaluate(two(), layout_of((BOARD, CLOUD), (0, 0, 0, 0)))
    assert costs.latency == pytest.approx(4.2)
    assert (costs.forward, costs.egress, costs.codecs) == ((), 0, ())


def test_all_on_the_cloud_pays_no_segment_and_the_door_no_border() -> None:
    costs = evaluate(two(), layout_of((BOARD, CLOUD), (1, 1, 1, 1)))
    assert costs.stages == pytest.approx((0.2 + 0.03 + 1000 * 1e-4, 0.4 + 0.02 + 0.004))
    assert costs.latency == pytest.approx(0.33 + 0.424 + 1.3 + 0.4)


def test_a_tensor_needed_later_travels_through_every_stage_between() -> None:
    skip = graph(3, tensor("x", -1, (0,), 1), tensor("s", 0, (1, 2), 50), tensor("t", 1, (2,), 7))
    three = problem(skip, device(BOARD, 0, 0, 0), device(GATE, 0, 0, 0), device(CLOUD, 0, 0, 0))
    costs = evaluate(three, layout_of((BOARD, GATE, CLOUD), (0, 1, 2)))
    assert costs.bytes_forward == (50, 57)
    relayed = evaluate(three, layout_of((BOARD, GATE, CLOUD), (0, 2, 2)))
    assert relayed.bytes_forward == (50, 50)


def test_outputs_go_home_to_the_latest_stage_of_the_entry() -> None:
    outputs = graph(
        3,
        tensor("x", -1, (0,), 1),
        tensor("t", 0, (1,), 2),
        tensor("u", 1, (2,), 3),
        tensor("y", 2, (), 5, True),
    )
    there_and_back = problem(
        outputs, device(BOARD, 0, 0, 0), device(CLOUD, 0, 0, 0), order=(BOARD, CLOUD, BOARD)
    )
    costs = evaluate(there_and_back, layout_of((BOARD, CLOUD, BOARD), (0, 1, 2)))
    assert (costs.bytes_forward, costs.bytes_home) == ((2, 3), (0, 0))
    assert costs.home == (0, 0)
    back = evaluate(there_and_back, layout_of((BOARD, CLOUD, BOARD), (0, 1, 1)))
    assert back.bytes_home == (5,)
    assert set(costs.busy) == {BOARD, CLOUD}


def test_energy_is_of_devices_and_of_both_radios() -> None:
    plain = problem(chain(10, 20, 30), device(BOARD, 1, 1), device(CLOUD, 0.5, 0.5))
    devices = (
        dataclasses.replace(plain.devices[0], watts=Watts(2), radio_watts=Watts(3)),
        dataclasses.replace(plain.devices[1], watts=Watts(10), radio_watts=Watts(1)),
    )
    costs = evaluate(dataclasses.replace(plain, devices=devices), layout_of((BOARD, CLOUD), (0, 1)))
    assert costs.energy == pytest.approx(2 * 1 + 10 * 0.5 + 4 * (0.02 + 0.03))


def coded() -> Problem:
    plain = problem(chain(10, 1000, 30), device(BOARD, 1, 1), device(CLOUD, 0.5, 0.5))
    options = (CodecOption(RAW, Bytes(1000)), CodecOption(U8, Bytes(200), 0.01))
    board = dataclasses.replace(
        plain.devices[0], codecs={(TensorName("t0"), U8): CodecSeconds(encode=Seconds(0.1))}
    )
    return dataclasses.replace(plain, options={TensorName("t0"): options}, devices=(board, plain.devices[1]))


def test_the_codec_is_the_cheapest_unless_the_layout_says() -> None:
    chosen = evaluate(coded(), layout_of((BOARD, CLOUD), (0, 1)))
    assert chosen.codecs == ((CodecChoice(TensorName("t0"), U8),),)
    assert chosen.loss == 0.01
    assert chosen.stages[0] == pytest.approx(1.1)
    raw = Layout((BOARD, CLOUD), (frozenset({0}), frozenset({1})), {(0, TensorName("t0")): RAW})
    assert evaluate(coded(), raw).bytes_forward == (1000,)


def test_a_codec_that_costs_more_than_it_saves_is_not_chosen() -> None:
    quick = dataclasses.replace(coded(), hops=links(BOARD, CLOUD, rate=1e5))
    assert evaluate(quick, layout_of((BOARD, CLOUD), (0, 1))).bytes_forward == (1000,)


def test_for_throughput_a_codec_is_judged_by_its_busiest_party() -> None:
    """Raw takes the link 0.25 s; packed takes 0.05 s of it, and 0.1 and 0.2 s of the devices: less at the worst."""
    seconds = {(TensorName("t0"), U8): CodecSeconds(Seconds(0.1), Seconds(0.2))}
    devices = tuple(dataclasses.replace(one, codecs=seconds) for one in coded().devices)
    asked = dataclasses.replace(coded(), devices=devices, hops=links(BOARD, CLOUD, rate=4000.0))
    cut = layout_of((BOARD, CLOUD), (0, 1))
    assert evaluate(asked, cut).bytes_forward == (1000,)
    pipelined = dataclasses.replace(asked, objective=Objective(latency=0.0, bottleneck=1.0))
    assert evaluate(pipelined, cut).bytes_forward == (200,)


def test_the_way_home_is_work_for_both_devices() -> None:
    board = device(BOARD, 0, receive_message=0.1, receive_byte=0.001, send_message=0.5)
    cloud = device(CLOUD, 0, send_message=0.2, send_byte=0.002, receive_message=0.7)
    costs = evaluate(problem(chain(0, 10), board, cloud), layout_of((BOARD, CLOUD), (1,)))
    assert costs.stages == pytest.approx((0.5 + 0.1 + 0.01, 0.7 + 0.2 + 0.02))


def test_the_objective_weighs_the_totals() -> None:
    weighed = dataclasses.replace(two(), objective=Objective(2.0, 3.0, 5.0, 0.01))
    costs = evaluate(weighed, layout_of((BOARD, CLOUD), (0, 1, 1, 1)))
    value = 2 * costs.latency + 3 * costs.bottleneck + 5 * costs.energy + 0.01 * costs.egress
    assert objective_value(weighed, costs) == pytest.approx(value)


def test_memory_counts_a_tied_weight_once_and_the_largest_activation() -> None:
    tied = graph(3, tensor("x", -1, (0,), 1), weight_names={0: ("a", "b"), 1: ("b",), 2: ("c",)})
    sizes = {TensorName("a"): Bytes(100), TensorName("b"): Bytes(30), TensorName("c"): Bytes(7)}
    board = dataclasses.replace(device(BOARD, 0, 0, 0), activations=(Bytes(5), Bytes(9), Bytes(50)))
    alone = problem(tied, board, weight_bytes=sizes, headroom=0.0)
    assert memory_of(alone, BOARD, {0, 1}) == 139
    assert memory_of(dataclasses.replace(alone, headroom=0.2), BOARD, {0, 1}) == 167  # 166.8, rounded up
    assert memory_of(dataclasses.replace(alone, headroom=0.2), BOARD, ()) == 0


def test_a_device_that_comes_twice_needs_memory_for_both_stages() -> None:
    back = problem(
        chain(1, 1, 1, 1), device(BOARD, 0, 0, 0), device(CLOUD, 0, 0, 0), order=(BOARD, CLOUD, BOARD)
    )
    costs = evaluate(dataclasses.replace(back, headroom=0.0), layout_of((BOARD, CLOUD, BOARD), (0, 1, 2)))
    assert costs.memory == {BOARD: 20, CLOUD: 10}


def test_violations_say_by_how_much() -> None:
    tight = dataclasses.replace(
        two(),
        limits=Limits(latency=Seconds(1.0), energy=Joules(1.0), loss=0.1),
        devices=(dataclasses.replace(two().devices[0], memory=Bytes(40_000_000)), two().devices[1]),
        weight_bytes={TensorName(f"w{index}"): Bytes(10_000_000) for index in range(4)},
    )
    broken = violations(tight, evaluate(tight, layout_of((BOARD, CLOUD), (0, 0, 0, 0))))
    assert list(broken) == ["memory of board", "latency"]
    assert broken["memory of board"].words == "board needs 48.0 MB and has 40.0 MB"
    assert broken["latency"].words == "the latency is 4.2 s and may be 1 s"
    assert broken["latency"].needs == pytest.approx(4.2)
    assert not violations(two(), evaluate(two(), layout_of((BOARD, CLOUD), (0, 0, 0, 0))))


def test_a_boundary_between_a_device_and_itself_costs_nothing() -> None:
    split = problem(chain(5, 6, 7), device(BOARD, 1, 1, overhead=0.1), order=(BOARD, BOARD))
    costs = evaluate(split, layout_of((BOARD, BOARD), (0, 1)))
    assert costs.latency == pytest.approx(2.2)
    assert (costs.egress, costs.hop_busy) == (0, {})


@pytest.mark.parametrize(
    ("layout", "changes", "words"),
    [
        (layout_of((BOARD, CLOUD), (1, 0, 0, 0)), {}, "layer1 would run in an earlier stage than layer0"),
        (Layout((BOARD,), (frozenset({0, 1, 2}),)), {}, "layer3 is in no stage"),
        (Layout((BOARD, CLOUD), (frozenset({0, 1, 2}), frozenset({2, 3}))), {}, "layer2 is in two stages"),
        (Layout((BOARD,), (frozenset({0, 1, 2, 3, 4}),)), {}, "does not have"),
        (Layout((BOARD, CLOUD), (frozenset(range(4)), frozenset())), {}, "trailing"),
        (Layout((CLOUD,), (frozenset(range(4)),)), {}, "the entry board"),
        (layout_of((BOARD, GATE), (0, 1, 1, 1)), {}, "no device is called gate"),
        (
            Layout((BOARD, CLOUD), (frozenset({0}), frozenset({1, 2, 3})), {(0, TensorName("a")): U8}),
            {},
            "no allowed codec called u8",
        ),
        (
            layout_of((BOARD, CLOUD), (0, 1, 1, 1)),
            {"stay": frozenset({"a"})},
            "a must not leave device board",
        ),
        (layout_of((BOARD, CLOUD), (1, 1, 1, 1)), {"keep_input": True}, "x must not leave"),
        (layout_of((BOARD, CLOUD), (0, 1, 1, 1)), {"pins": {3: BOARD}}, "layer3 is pinned to device board"),
        (
            layout_of((BOARD, CLOUD), (0, 1, 1, 1)),
            {"hops": {(BOARD, CLOUD): Hop(BytesPerSecond(1.0))}},
            "no link leads from cloud to board",
        ),
        (
            layout_of((BOARD, CLOUD), (0, 1, 1, 1)),
            {"hops": {(CLOUD, BOARD): Hop(BytesPerSecond(1.0))}},
            "no link leads from board to cloud",
        ),
        (layout_of((BOARD, CLOUD), (0, 1, 1, 1)), {"order": (BOARD, BOARD)}, "asked for was"),
        (layout_of((BOARD, CLOUD, BOARD), (0, 1, 1, 2)), {"order": None}, "one stage at most"),
    ],
)
def test_what_is_no_plan_is_refused(layout: Layout, changes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidProblem, match=words):
        evaluate(dataclasses.replace(two(), **changes), layout)  # type: ignore[arg-type]


def test_a_device_without_the_operator_is_refused() -> None:
    lacking = dataclasses.replace(two().devices[1], lacks=frozenset({2}))
    with pytest.raises(InvalidProblem, match="cloud lacks an operator of layer layer2"):
        evaluate(
            dataclasses.replace(two(), devices=(two().devices[0], lacking)),
            layout_of((BOARD, CLOUD), (0, 1, 1, 1)),
        )
