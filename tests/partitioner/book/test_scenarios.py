"""Scenarios scale what they say, and weigh most near what was measured."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.book import BookOptions
from partitioner.book.scenarios import REACH, plausible, with_loads, with_rate
from partitioner.book.setting import make_setting
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile, LinkProfile
from partitioner.errors import InvalidProblem
from partitioner.solve.costing import evaluate
from partitioner.solve.problem import Layout, Problem

CUT = frozenset(range(8))


@pytest.fixture
def problem(compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, lte: LinkProfile) -> Problem:
    noisy = dataclasses.replace(board, send_message=1e-3, send_byte=1e-9, receive_byte=2e-9)
    return make_setting(compiled, noisy, cloud, lte, BookOptions()).problem


def divided(problem: Problem) -> Layout:
    rest = frozenset(range(len(problem.graph.layers))) - CUT
    names = tuple(device.name for device in problem.devices)
    return dataclasses.replace(
        Layout(names, (CUT, rest)), codecs={(0, name): codec for name, codec in [("t4", "u8+zstd")]}
    )


def test_the_weights_sum_to_one_and_the_measured_point_is_the_heaviest() -> None:
    every = plausible()
    assert sum(one.weight for one in every) == pytest.approx(1.0)
    (measured,) = [one for one in every if one.is_measured]
    assert all(one.weight <= measured.weight for one in every)
    assert {min(one.rate for one in every), max(one.rate for one in every)} == {1 / REACH, REACH}
    near = [one.weight for one in every if one.board == one.cloud == 1.0 and one.rate >= 1.0]
    assert near == sorted(near, reverse=True)


def test_a_load_scales_every_second_of_its_device_and_none_of_the_other(problem: Problem) -> None:
    before = evaluate(problem, divided(problem))
    after = evaluate(with_loads(problem, (2.0, 1.0)), divided(problem))
    assert after.stages == pytest.approx((2 * before.stages[0], before.stages[1]))
    assert after.forward == before.forward
    after = evaluate(with_loads(problem, (1.0, 3.0)), divided(problem))
    assert after.stages == pytest.approx((before.stages[0], 3 * before.stages[1]))


def test_a_rate_scales_both_directions_and_no_delay(problem: Problem) -> None:
    before = evaluate(problem, divided(problem))
    after = evaluate(with_rate(problem, 4.0), divided(problem))
    for hop, seconds in before.hop_busy.items():
        assert after.hop_busy[hop] == pytest.approx(seconds / 4)
    saved = sum(before.hop_busy.values()) * 3 / 4
    assert before.latency - after.latency == pytest.approx(saved)


def test_what_cannot_be_is_refused(problem: Problem) -> None:
    for factor in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(InvalidProblem, match="a link cannot be"):
            with_rate(problem, factor)
        with pytest.raises(InvalidProblem, match="board cannot be"):
            with_loads(problem, (factor, 1.0))
