"""The share that is asked for is dropped, where it costs least."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.compress import masks


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=60), st.floats(0, 0.999))
def test_the_smallest_are_dropped_and_what_is_zero_always(values: list[int], share: float) -> None:
    array = np.array(values, np.float32)
    dropped = masks.smallest(array, share)
    assert dropped.sum() == max(int(round(share * len(values))), np.count_nonzero(array == 0))
    if dropped.any() and not dropped.all():
        assert np.abs(array[dropped]).max() <= np.abs(array[~dropped]).min()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_lamp_drops_the_share_and_keeps_a_weight_of_each_layer(share: float) -> None:
    random = np.random.default_rng(0)
    weights = {"big": random.standard_normal(9000), "small": random.standard_normal(100) * 1e-3}
    found = masks.lamp(weights, share)
    dropped = sum(masks.smallest(weights[name], one).sum() for name, one in found.items())
    assert dropped == pytest.approx(share * 9100, abs=2)
    assert all(one < 1 for one in found.values())
    assert found["small"] < found["big"]  # a few weights count for more than many, whatever their size


def test_lamp_drops_nothing_and_never_everything() -> None:
    weights = {"a": np.arange(1.0, 9.0)}
    assert masks.lamp(weights, 0.0) == {"a": 0.0}
    assert masks.lamp({}, 0.5) == {}


def test_by_tolerance_drops_where_the_outputs_change_least() -> None:
    sizes = {"deaf": 100, "touchy": 100}
    errors = {"deaf": (0.0, 0.01), "touchy": (0.5, 0.6)}
    assert masks.by_tolerance(sizes, errors, (0.5, 0.9), 0.4) == pytest.approx({"deaf": 0.8, "touchy": 0.0})
    both = masks.by_tolerance(sizes, errors, (0.5, 0.9), 0.8)
    assert both["deaf"] == pytest.approx(0.9)
    assert sum(both.values()) == pytest.approx(1.6)


def test_by_tolerance_steps_over_a_hump() -> None:
    errors = {"humped": (0.9, 0.9), "even": (0.4, 1.0)}
    found = masks.by_tolerance({"humped": 100, "even": 100}, errors, (0.1, 0.9), 0.45)
    assert found == pytest.approx({"humped": 0.9, "even": 0.0})
