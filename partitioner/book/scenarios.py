"""Other circumstances than those that were measured: the links at another rate, the devices under load.

Law: arithmetic over a problem's nouns. A load of 2 doubles every second that a device spends, its codecs and
messages too; rates are scaled up and down alike, delays stay.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from partitioner.errors import InvalidProblem
from partitioner.predict import StageCosts
from partitioner.solve.problem import CodecSeconds, Device, Problem
from partitioner.units import BytesPerSecond, Seconds

STEPS = 9  # rates, log-spaced
REACH = 16.0  # times the measured rate, either way
FALLOFF = math.log(4.0)  # a rate four times off counts exp(-1/2) of the measured one
BOARD_LOADS = (1.0, 1.5, 2.0)
CLOUD_LOADS = (1.0, 2.0, 4.0)
LOADED = 0.5  # each further step of load counts half


@dataclass(frozen=True)
class Scenario:
    """What may come: `rate` times the links' rates, `board` and `cloud` times the seconds; `weight` of all 1."""

    rate: float
    board: float
    cloud: float
    weight: float

    @property
    def is_measured(self) -> bool:
        """Whether it is what was measured."""
        return self.rate == self.board == self.cloud == 1.0


def plausible(
    board_loads: Sequence[float] = BOARD_LOADS,
    cloud_loads: Sequence[float] = CLOUD_LOADS,
    steps: int = STEPS,
) -> tuple[Scenario, ...]:
    """Return rates around the measured one by loads of either side; most weight near what was measured.

    Those with the same loads follow each other, the slowest link first; `steps` rates (an odd number) each.
    """
    half = steps // 2
    rates = [1.0 if step == 0 else REACH ** (step / half) for step in range(-half, half + 1)]
    found = [
        Scenario(rate, board, cloud, _nearness(rate) * LOADED ** (first + second))
        for first, board in enumerate(board_loads)
        for second, cloud in enumerate(cloud_loads)
        for rate in rates
    ]
    total = sum(one.weight for one in found)
    return tuple(dataclasses.replace(one, weight=one.weight / total) for one in found)


def with_rate(problem: Problem, factor: float) -> Problem:
    """Return the problem with every link `factor` times as fast, in both directions.

    Raises:
        InvalidProblem: the factor is no positive number.
    """
    _check(factor, "a link")
    if factor == 1.0:
        return problem
    hops = {
        ends: dataclasses.replace(hop, rate=BytesPerSecond(hop.rate * factor))
        for ends, hop in problem.hops.items()
    }
    return dataclasses.replace(problem, hops=hops)


def with_loads(problem: Problem, loads: Sequence[float]) -> Problem:
    """Return the problem with each device's seconds times its load, in the order of `problem.devices`.

    Raises:
        InvalidProblem: a load is no positive number, or there are not as many as devices.
    """
    if len(loads) != len(problem.devices):
        raise InvalidProblem(f"{len(loads)} loads for {len(problem.devices)} devices")
    pairs = zip(problem.devices, loads, strict=True)
    return dataclasses.replace(problem, devices=tuple(loaded(device, load) for device, load in pairs))


def loaded(device: Device, load: float) -> Device:
    """Return the device with every second times `load`."""
    _check(load, device.name)
    if load == 1.0:
        return device
    codecs = {
        key: CodecSeconds(Seconds(one.encode * load), Seconds(one.decode * load))
        for key, one in device.codecs.items()
    }
    return dataclasses.replace(device, costs=_slower(device.costs, load), codecs=codecs)


def _slower(costs: StageCosts, load: float) -> StageCosts:
    return dataclasses.replace(
        costs,
        layers=tuple(Seconds(one * load) for one in costs.layers),
        entering=costs.entering * load,
        leaving=costs.leaving * load,
        segment=Seconds(costs.segment * load),
        overhead=Seconds(costs.overhead * load),
        send_message=Seconds(costs.send_message * load),
        send_byte=costs.send_byte * load,
        receive_message=Seconds(costs.receive_message * load),
        receive_byte=costs.receive_byte * load,
    )


def _nearness(rate: float) -> float:
    return math.exp(-0.5 * (math.log(rate) / FALLOFF) ** 2)


def _check(factor: float, what: str) -> None:
    if not (math.isfinite(factor) and factor > 0):
        raise InvalidProblem(f"{what} cannot be {factor} times as fast", "give a positive number")
