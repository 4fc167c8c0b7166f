"""What a crossing and a message cost, by hand; and that prices sum to the objective."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.errors import InvalidProblem
from partitioner.solve import prices
from partitioner.solve.costing import evaluate, objective_value
from partitioner.solve.prices import Boundary, boundary_of, cheapest, crossing
from partitioner.solve.problem import (
    ENERGY,
    LATENCY,
    CodecOption,
    CodecSeconds,
    Hop,
    Layout,
    Objective,
    Problem,
    Watts,
)
from partitioner.units import Bytes, BytesPerSecond, CodecName, Seconds, TensorName
from tests.partitioner.solve.small import BOARD, CLOUD, chain, device, problem

RAW, U8 = CodecName("raw"), CodecName("u8")
T0 = TensorName("t0")
EVERYTHING = Objective(latency=2.0, bottleneck=0.0, energy=0.5, egress=0.001)


@pytest.fixture
def asked() -> Problem:
    near = device(BOARD, 1.0, 4.0, leaving=1e-3, send_byte=1e-4, send_message=0.01, receive_message=0.02)
    far = device(CLOUD, 0.5, 0.25, entering=2e-3, receive_byte=3e-4, send_message=0.03, receive_message=0.04)
    near = dataclasses.replace(
        near,
        watts=Watts(4.0),
        radio_watts=Watts(1.0),
        codecs={(T0, U8): CodecSeconds(Seconds(0.1), Seconds(9.0))},
    )
    far = dataclasses.replace(
        far, watts=Watts(50.0), codecs={(T0, U8): CodecSeconds(Seconds(9.0), Seconds(0.2))}
    )
    hops = {
        (BOARD, CLOUD): Hop(BytesPerSecond(1000.0), Seconds(0.05), 2.0),
        (CLOUD, BOARD): Hop(BytesPerSecond(500.0), Seconds(0.07), 1.0),
    }
    options = {T0: (CodecOption(RAW, Bytes(100)), CodecOption(U8, Bytes(25), 0.01))}
    return problem(chain(40, 100, 8), near, far, hops=hops, options=options)


@pytest.fixture
def boundary(asked: Problem) -> Boundary:
    return boundary_of(asked, BOARD, CLOUD)


def test_a_crossing_costs_each_party_its_part(asked: Problem, boundary: Boundary) -> None:
    made = asked.graph.tensors[1]
    cost = crossing(asked, boundary, made, asked.options[T0][1])
    assert cost.near == pytest.approx(0.1 + 25 * 1e-4 + 100 * 1e-3)
    assert cost.hop == pytest.approx(25 * 2.0 / 1000.0)
    assert cost.far == pytest.approx(0.2 + 25 * 3e-4 + 100 * 2e-3)
    assert (cost.wire_bytes, cost.loss) == (25, 0.01)


def test_an_input_of_the_model_leaves_no_segment(asked: Problem, boundary: Boundary) -> None:
    given = asked.graph.tensors[0]
    cost = crossing(asked, boundary, given, CodecOption(RAW, Bytes(40)))
    assert cost.near == pytest.approx(40 * 1e-4)
    assert cost.far == pytest.approx(40 * 3e-4)


def test_between_a_device_and_itself_everything_is_free(asked: Problem) -> None:
    same = boundary_of(asked, CLOUD, CLOUD)
    assert crossing(asked, same, asked.graph.tensors[1], asked.options[T0][1]) == prices.NOTHING
    assert prices.message_price(LATENCY, same) == 0.0
    assert prices.message_price(LATENCY, same.back) == 0.0
    assert prices.byte_price(EVERYTHING, same) == 0.0


def test_a_message_costs_its_delay_and_the_work_of_both(boundary: Boundary) -> None:
    assert prices.message_price(LATENCY, boundary) == pytest.approx(0.05 + 0.01 + 0.04)
    assert prices.message_price(LATENCY, boundary.back) == pytest.approx(0.07 + 0.03 + 0.02)
    assert prices.message_price(ENERGY, boundary) == pytest.approx(4.0 * 0.01 + 50.0 * 0.04)


def test_a_byte_home_costs_the_hop_back_and_its_egress(boundary: Boundary) -> None:
    assert prices.byte_price(LATENCY, boundary.back) == pytest.approx(1 / 500.0)
    expected = (2.0 + 0.5 * 1.0) / 500.0 + 0.001
    assert prices.byte_price(EVERYTHING, boundary.back) == pytest.approx(expected)


def test_the_codec_follows_the_objective(asked: Problem, boundary: Boundary) -> None:
    made = asked.graph.tensors[1]

    def taken(objective: Objective, **changes: float) -> str:
        hops = {
            key: dataclasses.replace(hop, rate=BytesPerSecond(changes.get("rate", 1000.0)))
            for key, hop in asked.hops.items()
        }
        other = dataclasses.replace(asked, objective=objective, hops=hops)
        best = cheapest(other, boundary_of(other, BOARD, CLOUD), made)
        assert best is not None
        return best[0].codec

    assert taken(LATENCY, rate=1000.0) == RAW  # 0.2 s on the wire; u8 takes 0.05 s and 0.3 s of work
    assert taken(LATENCY, rate=100.0) == U8
    assert taken(Objective(latency=0.0, egress=1.0)) == U8
    assert taken(ENERGY) == RAW  # the cloud's decoding takes 10 J


def test_a_codec_that_is_not_allowed_is_not_taken_whatever_it_saves(
    asked: Problem, boundary: Boundary
) -> None:
    made, raw = asked.graph.tensors[1], CodecOption(RAW, Bytes(100))
    tiny = CodecOption(U8, Bytes(1), allowed=False)
    best = cheapest(dataclasses.replace(asked, options={T0: (raw, tiny)}), boundary, made)
    assert best is not None
    assert best[0] == raw
    assert cheapest(dataclasses.replace(asked, options={T0: (tiny,)}), boundary, made) is None


def test_prices_sum_to_what_a_layout_costs(asked: Problem) -> None:
    asked = dataclasses.replace(asked, objective=EVERYTHING)
    boundary = boundary_of(asked, BOARD, CLOUD)
    best = cheapest(asked, boundary, asked.graph.tensors[1])
    assert best is not None
    layers = [prices.layer_prices(EVERYTHING, one) for one in asked.devices]
    total = layers[0][0] + layers[1][1] + best[2] + prices.message_price(EVERYTHING, boundary)
    total += prices.message_price(EVERYTHING, boundary.back) + 8 * prices.byte_price(
        EVERYTHING, boundary.back
    )
    layout = Layout((BOARD, CLOUD), (frozenset({0}), frozenset({1})))
    assert objective_value(asked, evaluate(asked, layout)) == pytest.approx(total, rel=1e-12)


def test_a_link_that_is_missing_says_which_way(asked: Problem) -> None:
    there = dataclasses.replace(asked, hops={(BOARD, CLOUD): asked.hops[BOARD, CLOUD]})
    with pytest.raises(InvalidProblem, match=r"from cloud to board \(the way back is there\)"):
        boundary_of(there, BOARD, CLOUD)
    with pytest.raises(InvalidProblem, match=r"from board to cloud \(nor any way back\)"):
        boundary_of(dataclasses.replace(asked, hops={}), BOARD, CLOUD)
