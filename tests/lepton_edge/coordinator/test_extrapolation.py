"""A profile of a model's beginning, completed by another device's shares."""

from __future__ import annotations

import pytest

from lepton_edge.coordinator.extrapolation import completed, is_partial, whole
from partitioner.costs import DeviceProfile, LayerShare, Measurement
from partitioner.graph import CostGraph, Layer
from partitioner.predict import stage_costs

GRAPH = CostGraph(tuple(Layer(i, f"l{i}", (f"n{i}a", f"n{i}b"), 0, ()) for i in range(4)), ())  # type: ignore[arg-type]


def _profile(median: float, shares: dict[str, float]) -> DeviceProfile:
    layers = tuple(LayerShare(node, share) for node, share in shares.items())  # type: ignore[arg-type]
    return DeviceProfile("d", Measurement(median, median / 100, 5), layers)  # type: ignore[arg-type]


CLOUD = _profile(0.010, {"n0a": 0.1, "n1b": 0.3, "n2a": 0.2, "n3a": 0.4})
BOARD = _profile(0.040, {"n0b": 0.25, "n1a": 0.75})  # the first two layers, fused otherwise


def test_the_rest_costs_the_same_share_as_on_the_other_device() -> None:
    assert is_partial(BOARD, CLOUD, GRAPH)
    made_whole = completed(BOARD, CLOUD, GRAPH)
    assert made_whole.whole.median == pytest.approx(0.100)
    seconds = stage_costs(made_whole, GRAPH).layers
    assert seconds == pytest.approx((0.010, 0.030, 0.020, 0.040))


def test_what_was_not_measured_makes_it_less_certain() -> None:
    made_whole = completed(BOARD, CLOUD, GRAPH)
    assert made_whole.whole.spread / made_whole.whole.median > 10 * BOARD.whole.spread / BOARD.whole.median


def test_a_whole_profile_stays_as_it_is() -> None:
    other = _profile(0.2, {"n0b": 0.2, "n1a": 0.3, "n2b": 0.3, "n3b": 0.2})
    assert not is_partial(other, CLOUD, GRAPH)
    assert completed(other, CLOUD, GRAPH) is other


def test_a_beginning_is_whole_only_by_another_device_that_has_it_whole() -> None:
    assert whole(CLOUD, None, GRAPH) is CLOUD
    assert whole(None, CLOUD, GRAPH) is None
    assert whole(BOARD, None, GRAPH) is whole(BOARD, BOARD, GRAPH) is None
    made = whole(BOARD, CLOUD, GRAPH)
    assert made is not None
    assert made.whole.median == pytest.approx(0.100)
