"""How a weight is held is told from the weight itself."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: run `make test-torch`")

from lepton_edge.compress.torch.forms import Free, Gridded, Pruned, Shared, form  # noqa: E402

pytestmark = pytest.mark.torch
RANDOM = np.random.default_rng(0)


def _floats(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    "value",
    [np.ones(64, np.float32), np.zeros(64, np.float32), np.zeros((8, 8), np.float32), _floats(8, 8)],
    ids=["scale of a new net", "shift of a new net", "a branch that begins with nothing", "weights"],
)
def test_what_a_net_begins_with_is_free(value: np.ndarray) -> None:
    assert type(form(value)) is Free


def test_zeros_are_pruned_and_few_values_are_shared() -> None:
    thin = _floats(20, 20)
    thin[np.abs(thin) < 0.5] = 0
    assert type(form(thin)) is Pruned
    assert type(form(np.round(_floats(20, 20)))) is Shared


@pytest.mark.parametrize("value", [np.round(_floats(20, 20)), np.where(_floats(9, 9) > 0, _floats(9, 9), 0)])
def test_untouched_they_are_written_as_they_came(value: np.ndarray) -> None:
    value = value.astype(np.float32)
    np.testing.assert_array_equal(form(value).written(), value)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32])
@pytest.mark.parametrize("channels", [1, 6])
def test_untouched_quantized_values_are_written_as_they_came(dtype: type, channels: int) -> None:
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -100_000), min(limits.max, 100_000)
    whole = RANDOM.integers(low, high, (6, 5), endpoint=True).astype(dtype)
    scale = torch.from_numpy(RANDOM.uniform(1e-3, 1e-1, channels).astype(np.float32))
    zero = torch.full((channels,), 128 if dtype is np.uint8 else 0, dtype=torch.int32)
    held = Gridded(whole, scale, zero, 0)
    np.testing.assert_array_equal(held.written(), whole)
    expected = (whole.astype(np.float64) - zero.numpy()[:, None]) * scale.numpy()[:, None]
    np.testing.assert_allclose(held().detach().numpy(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("largest", "most"), [(63, 63), (64, 127), (127, 127)])
def test_weights_of_seven_bits_learn_no_eighth(largest: int, most: int) -> None:
    whole = np.array([[largest, -largest], [1, 2]], np.int8)
    held = Gridded(whole, torch.ones(2), torch.zeros(2), 0)
    with torch.no_grad():
        held.weight += torch.tensor([[1000.0, -1000.0], [0.0, 0.0]])
    assert held.written().tolist() == [[most, -most], [1, 2]]
