"""What passing a boundary adds to a label: sums, loads of either side, and the way home, by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from partitioner.solve.boundaries import Passage, passage_of
from partitioner.solve.columns import columns_of
from partitioner.solve.crossings import crossings_of, flow_of
from partitioner.solve.lattice import lattice
from partitioner.solve.metrics import metrics_of
from partitioner.solve.prices import boundary_of
from partitioner.solve.problem import LATENCY, THROUGHPUT, Hop, Objective, Problem
from partitioner.solve.segments import weights_of
from partitioner.units import BytesPerSecond, DeviceId, Seconds
from tests.partitioner.solve.small import BOARD, CLOUD, chain, device, problem

NOWHERE, HERE = np.zeros(1), np.ones(1)
EIGHT = np.array([8.0])


@pytest.fixture
def asked() -> Problem:
    near = device(BOARD, 1.0, 4.0, send_byte=1e-3, send_message=0.01, receive_byte=2e-3, receive_message=0.02)
    far = device(CLOUD, 0.5, 0.25, send_byte=3e-3, receive_byte=4e-3, send_message=0.03, receive_message=0.04)
    hops = {
        (BOARD, CLOUD): Hop(BytesPerSecond(1000.0), Seconds(0.05), 2.0),
        (CLOUD, BOARD): Hop(BytesPerSecond(500.0), Seconds(0.07), 1.0),
    }
    return problem(chain(40, 100, 8), near, far, hops=hops)


def passage(
    asked: Problem, near: DeviceId, far: DeviceId, again: bool = False, **changes: object
) -> tuple[Passage, int]:
    """The passage between two devices, and the combination by which t0 (100 bytes, raw) crosses."""
    asked = dataclasses.replace(asked, **changes)  # type: ignore[arg-type]
    downs = lattice(asked.graph, ((0,), (1,)), 10)
    assert downs is not None
    metrics = metrics_of(asked)
    crossings = crossings_of(asked, flow_of(asked, downs), boundary_of(asked, near, far), metrics)
    columns = columns_of(asked, metrics, weights_of(asked))
    behind_first = [len(np.flatnonzero(one)) for one in downs.sets].index(1)
    return passage_of(crossings, metrics, columns, again), int(crossings.start[behind_first])


NEAR = 100 * 1e-3 + 0.01
WIRE = 100 * 2.0 / 1000.0
FAR = 100 * 4e-3 + 0.04


def test_latency_pays_both_sides_the_wire_and_the_delay(asked: Problem) -> None:
    one, row = passage(asked, BOARD, CLOUD, objective=LATENCY)
    labels = np.array([[1.0], [2.0]])
    ahead, worst = one.apply(labels, row, NOWHERE, NOWHERE)
    assert ahead[:, 0].tolist() == pytest.approx(
        [1.0 + NEAR + WIRE + FAR + 0.05, 2.0 + NEAR + WIRE + FAR + 0.05]
    )
    assert worst is None
    assert labels.tolist() == [[1.0], [2.0]], "what arrived stays as it was"


def test_outputs_on_their_way_home_pay_the_hop_back_and_one_message(asked: Problem) -> None:
    one, row = passage(asked, BOARD, CLOUD, objective=LATENCY)
    without = one.apply(np.zeros((1, 1)), row, NOWHERE, NOWHERE)[0]
    home = one.apply(np.zeros((1, 1)), row, EIGHT, HERE)[0] - without
    assert home[0, 0] == pytest.approx(8 * (1 / 500.0 + 2e-3 + 3e-3) + 0.07 + 0.02 + 0.03)


def test_egress_counts_both_directions(asked: Problem) -> None:
    one, row = passage(asked, BOARD, CLOUD, objective=Objective(latency=0.0, egress=1.0))
    assert one.apply(np.zeros((1, 1)), row, EIGHT, HERE)[0][0, 0] == pytest.approx(108.0)


def test_the_load_of_the_near_side_is_completed_and_that_of_the_far_side_begins(asked: Problem) -> None:
    one, row = passage(asked, BOARD, CLOUD, objective=THROUGHPUT)
    at = one.columns
    label = np.zeros((1, at.count))
    label[0, at.load] = 1.0
    ahead, worst = one.apply(label, row, EIGHT, HERE)
    near = 1.0 + NEAR + 8 * 2e-3 + 0.02
    assert worst is not None
    assert worst[0] == ahead[0, at.peak] == pytest.approx(near)
    assert ahead[0, at.load] == pytest.approx(FAR + 8 * 3e-3 + 0.03)


def test_a_slow_wire_is_the_worst(asked: Problem) -> None:
    slow = {key: dataclasses.replace(hop, rate=BytesPerSecond(10.0)) for key, hop in asked.hops.items()}
    one, row = passage(asked, BOARD, CLOUD, objective=THROUGHPUT, hops=slow)
    ahead, worst = one.apply(np.zeros((1, one.columns.count)), row, NOWHERE, NOWHERE)
    assert worst is not None
    assert worst[0] == ahead[0, one.columns.peak] == pytest.approx(100 * 2.0 / 10.0)


def test_what_is_used_again_adds_up(asked: Problem) -> None:
    """board, cloud, board: the board's seconds and the hops' are kept until they come again."""
    again = {"objective": THROUGHPUT, "order": (BOARD, CLOUD, BOARD)}
    there, row = passage(asked, BOARD, CLOUD, True, **again)
    at = there.columns
    label = np.zeros((1, at.count))
    label[0, at.load] = 1.0
    label = there.apply(label, row, NOWHERE, NOWHERE)[0]
    assert label[0, at.busy[BOARD]] == pytest.approx(1.0 + NEAR)
    assert label[0, at.hops[BOARD, CLOUD]] == pytest.approx(WIRE)
    back, row = passage(asked, CLOUD, BOARD, **again)
    label = back.apply(label, row, EIGHT, HERE)[0]
    received = 100 * 2e-3 + 0.02 + 8 * 1e-3 + 0.01
    assert label[0, at.load] == pytest.approx(1.0 + NEAR + received)
    assert label[0, at.busy[BOARD]] == 0.0, "it is the present load now"
    assert label[0, at.hops[BOARD, CLOUD]] == pytest.approx(WIRE + 8 * 2.0 / 1000.0)


def test_between_a_device_and_itself_only_the_load_begins_anew(asked: Problem) -> None:
    one, row = passage(asked, BOARD, BOARD, True, objective=THROUGHPUT, order=(BOARD, BOARD))
    at = one.columns
    label = np.zeros((1, at.count))
    label[0, at.load] = 1.5
    ahead, worst = one.apply(label, row, EIGHT, HERE)
    assert worst is not None
    assert worst[0] == ahead[0, at.load] == pytest.approx(1.5), "one device, one load"
