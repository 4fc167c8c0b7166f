"""What a label remembers of devices and hops that come twice, and that it remembers nothing else."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.solve.columns import NONE, Columns, columns_of
from partitioner.solve.metrics import metrics_of
from partitioner.solve.problem import LATENCY, THROUGHPUT, Limits, Objective
from partitioner.solve.segments import weights_of
from partitioner.units import Bytes, DeviceId
from tests.partitioner.solve.small import BOARD, CLOUD, GATE, chain, device, links, problem

THERE_AND_BACK = (BOARD, CLOUD, BOARD)


def columns(
    order: tuple[DeviceId, ...] | None, objective: Objective = LATENCY, memory: int = 0, **limits: float
) -> Columns:
    devices = [device(name, 1.0, 1.0, 1.0) for name in (BOARD, GATE, CLOUD)]
    devices[0] = dataclasses.replace(devices[0], memory=Bytes(memory))
    asked = problem(chain(10, 10, 10, 10), *devices, order=order, hops=links(BOARD, GATE, CLOUD))
    asked = dataclasses.replace(asked, objective=objective, limits=Limits(**limits))  # type: ignore[arg-type]
    return columns_of(asked, metrics_of(asked), weights_of(asked))


def test_a_sum_alone_is_one_number() -> None:
    found = columns((BOARD, GATE, CLOUD))
    assert (found.sums, found.count) == (1, 1)
    assert (found.peak, found.load, found.promise) == (NONE, NONE, NONE)
    assert not found.busy
    assert not found.hops
    assert not found.held


@pytest.mark.parametrize("order", [None, (BOARD, GATE, CLOUD)])
def test_throughput_remembers_the_worst_and_the_present_load(order: tuple[DeviceId, ...] | None) -> None:
    found = columns(order, THROUGHPUT)
    assert (found.sums, found.peak, found.load, found.count) == (0, 0, 1, 2)


def test_a_limit_on_the_bottleneck_needs_the_present_load_alone() -> None:
    found = columns((BOARD, GATE, CLOUD), LATENCY, bottleneck=1.0)
    assert (found.peak, found.load, found.count) == (NONE, 1, 2)


def test_a_device_and_its_hops_that_come_again_are_remembered() -> None:
    found = columns(THERE_AND_BACK, THROUGHPUT)
    assert set(found.busy) == {BOARD}
    assert set(found.hops) == {(BOARD, CLOUD), (CLOUD, BOARD)}, "outputs go home over the second boundary's"
    assert found.promise != NONE
    assert found.equal == (found.promise,)
    used = [found.peak, found.load, *found.busy.values(), *found.hops.values(), found.promise]
    assert sorted(used) == list(range(found.count)), "every column is somebody's, and nobody's twice"


def test_a_device_that_comes_again_and_may_be_too_small_is_remembered_with_what_it_holds() -> None:
    roomy, small = columns(THERE_AND_BACK, memory=10_000), columns(THERE_AND_BACK, memory=20)
    assert not roomy.held
    assert set(small.held) == {BOARD}
    assert small.count == roomy.count + 3
    assert small.held[BOARD].shared in small.equal, "what is shared is compared for equality, it is no cost"


def test_outputs_are_promised_only_where_the_entry_comes_again() -> None:
    assert columns((BOARD, CLOUD, GATE, CLOUD), THROUGHPUT).promise == NONE
    assert columns((BOARD, CLOUD, GATE, CLOUD), THROUGHPUT).busy.keys() == {CLOUD}
