"""Which sums a label carries: those that the objective or a limit asks about, and no others."""

from __future__ import annotations

import dataclasses
import math

import pytest

from partitioner.solve.metrics import ROUNDING, metrics_of
from partitioner.solve.problem import LATENCY, THROUGHPUT, Hop, Joules, Limits, Objective, Problem, Watts
from partitioner.units import BytesPerSecond, Seconds
from tests.partitioner.solve.small import BOARD, CLOUD, chain, device, problem

ALL = Objective(latency=2.0, bottleneck=3.0, energy=5.0, egress=7.0)


def asked(objective: Objective = LATENCY, **limits: float) -> Problem:
    near = dataclasses.replace(device(BOARD, 1.0, 1.0), watts=Watts(4.0), radio_watts=Watts(0.5))
    far = dataclasses.replace(device(CLOUD, 1.0, 1.0), watts=Watts(60.0), radio_watts=Watts(0.25))
    return problem(
        chain(10, 10, 10),
        near,
        far,
        objective=objective,
        limits=Limits(**limits),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("objective", "limits", "sums", "loads"),
    [
        (LATENCY, {}, ("value",), False),
        (THROUGHPUT, {}, (), True),
        (THROUGHPUT, {"loss": 0.1}, ("loss",), True),
        (LATENCY, {"bottleneck": 1.0}, ("value",), True),
        (LATENCY, {"energy": 1.0, "egress": 9.0}, ("value", "energy", "egress"), False),
        (ALL, {"latency": 1.0}, ("value", "latency"), True),
        (Objective(0.0), {}, ("value",), False),
    ],
)
def test_only_what_matters_is_carried(
    objective: Objective, limits: dict[str, float], sums: tuple[str, ...], loads: bool
) -> None:
    found = metrics_of(asked(objective, **limits))
    assert found.sums == sums
    assert found.loads is loads
    assert found.prices.shape == (len(sums), 4)


def test_a_limit_on_the_only_thing_that_is_priced_is_one_on_the_value() -> None:
    found = metrics_of(asked(Objective(latency=0.0, energy=2.0), energy=3.0))
    assert found.sums == ("value",)
    assert found.caps.tolist() == pytest.approx([6.0 * (1 + ROUNDING)], rel=1e-15)


def test_limits_allow_for_rounding_and_nothing_more() -> None:
    found = metrics_of(asked(ALL, latency=1.0, bottleneck=0.5))
    assert math.isinf(found.caps[0])
    assert 1.0 < found.caps[1] <= 1.0 + 2 * ROUNDING
    assert 0.5 < found.cap <= 0.5 * (1 + 2 * ROUNDING)


def test_what_a_second_a_delay_a_byte_and_a_loss_add() -> None:
    given = asked(ALL, latency=1.0, energy=Joules(1.0), egress=1.0, loss=1.0)
    near, far = given.devices
    found = metrics_of(given)
    assert found.sums == ("value", "latency", "energy", "egress", "loss")
    assert found.second(near).tolist() == [2.0 + 5.0 * 4.0, 1.0, 4.0, 0.0, 0.0]
    assert found.hop_second(near, far).tolist() == [2.0 + 5.0 * 0.75, 1.0, 0.75, 0.0, 0.0]
    waits = Hop(BytesPerSecond(1.0), Seconds(0.5))
    assert found.delay(waits).tolist() == [1.0, 0.5, 0.0, 0.0, 0.0], "waiting takes no power"
    assert found.byte().tolist() == [7.0, 0.0, 0.0, 1.0, 0.0]
    assert found.loss().tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
