"""What the bench draws and how it compares, without measuring anything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.predict import Measured, _ratio, random_segments, repeat_noise, rows_of, sibling_row, sum_of_parts
from partitioner.costs import DeviceProfile, LayerShare, Measurement, SegmentTime
from partitioner.graph import CostGraph, CostTensor, Layer, is_down_set
from partitioner.units import Bytes, DeviceId, NodeName, Seconds, TensorName

COUNT = 10


def tensor(name: str, producer: int, *consumers: int) -> CostTensor:
    return CostTensor(TensorName(name), "float32", (1,), Bytes(1000), producer, consumers, not consumers)


def graph() -> CostGraph:
    """Two branches of four layers between a first and a last one."""
    layers = tuple(Layer(i, NodeName(f"l{i}"), (NodeName(f"n{i}"),), Bytes(0), ()) for i in range(COUNT))
    feeds = {0: (1, 5), 1: (2,), 2: (3,), 3: (4,), 4: (9,), 5: (6,), 6: (7,), 7: (8,), 8: (9,), 9: ()}
    made = [tensor(f"t{i}", i, *after) for i, after in feeds.items()]
    return CostGraph(layers, (tensor("x", -1, 0), *made))


def time(seconds: float) -> Measurement:
    return Measurement(Seconds(seconds), Seconds(0.0), 20)


def measured(scale: float = 1.0) -> Measured:
    segments = tuple(random_segments(graph(), 40))
    ratios = tuple(len(outer - inner) / COUNT * scale for inner, outer in segments)
    shares = tuple(LayerShare(NodeName(f"n{i}"), 1 / COUNT) for i in range(COUNT))
    parts = ((0, 5), (5, 10), (0, 8), (8, 10))
    profile = DeviceProfile(
        DeviceId("it"), time(1.0), shares, tuple(SegmentTime(a, b, time((b - a) / COUNT)) for a, b in parts)
    )
    return Measured(graph(), profile, segments, ratios, (ratios, ratios), 3.0, Seconds(0.01))


def test_segments_lie_between_nested_down_sets_on_the_chain_and_off_it() -> None:
    found = random_segments(graph(), 40)
    assert len(set(found)) == 40
    for inner, outer in found:
        assert inner < outer
        assert is_down_set(graph(), inner)
        assert is_down_set(graph(), outer)
    assert any(sorted(outer) != list(range(len(outer))) for _, outer in found), (
        "the chain takes 1..4 before 5"
    )


def test_a_ratio_is_to_the_whole_in_the_same_round() -> None:
    moods = [1.0, 1.0, 7.0, 1.0, 1.5]
    run = {"times": [0.3 * mood for mood in moods], "whole": [[mood, mood, 9 * mood] for mood in moods]}
    assert _ratio([run, run]) == pytest.approx(0.3)


def test_repeat_noise_is_that_of_one_pass() -> None:
    found = measured()
    apart = tuple(one * 1.02 for one in found.ratios)
    assert repeat_noise(replace(found, passes=(found.ratios, apart))) == pytest.approx(0.02 / np.sqrt(2))


def test_what_comes_true_meets_the_goals_and_what_does_not_does_not() -> None:
    median, tail, inside, *_ = list(rows_of("m", measured()))
    assert (median.met, tail.met) == (True, True)
    assert inside.value == 100.0
    assert not inside.met, "intervals too wide are no honest ones"
    assert [row.met for row in rows_of("m", measured(1.3))][:3] == [False, False, False]


def test_parts_add_up_layer_by_layer() -> None:
    found = measured()
    assert sum_of_parts(found) == pytest.approx(found.ratios)
    slow = [replace(one, time=time(2 * one.time.median)) for one in found.profile.segments]
    twice = replace(found, profile=replace(found.profile, segments=tuple(slow)))
    assert sum_of_parts(twice) == pytest.approx(2 * np.array(found.ratios))


def test_an_estimate_by_probes_is_compared_with_the_truth() -> None:
    slow = replace(measured(), probe=Seconds(0.03))
    slow = replace(slow, profile=replace(slow.profile, whole=time(4.0)))
    row = sibling_row("m, slow", measured(), slow, "full")
    assert row.value == pytest.approx(-25.0)
    assert "4.00" in row.compared_with
