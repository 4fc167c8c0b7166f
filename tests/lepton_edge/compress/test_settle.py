"""Weights make up for each other: the output errs less than with the nearest values, on inputs never seen."""

from __future__ import annotations

import numpy as np
import pytest

from lepton_edge.compress.grid import Grid
from lepton_edge.compress.settle import settle


def inputs(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    mixed = random.standard_normal((count, 6)) @ np.random.default_rng(9).standard_normal((6, 24))
    return np.concatenate(
        [mixed + 0.1 * random.standard_normal(mixed.shape) + 1.0, np.ones((count, 1))], axis=1
    )


def outputs_error(made: np.ndarray, rows: np.ndarray) -> float:
    seen = inputs(500, 2)
    wanted = seen @ rows.T
    return float(np.sum((seen @ made.T - wanted) ** 2) / np.sum(wanted**2))


@pytest.mark.parametrize("levels", [None, np.linspace(-3, 3, 8, dtype=np.float32)])
def test_the_outputs_err_far_less_than_with_the_nearest_values(levels: np.ndarray | None) -> None:
    rows = np.random.default_rng(0).standard_normal((10, 25))
    kept = np.abs(rows[:, :24]) > (0.7 if levels is None else 0.0)
    grid = Grid(kept, np.ones((10, 24), np.float32), levels)
    seen = inputs(2000, 1)
    made = settle(rows, seen.T @ seen / len(seen), grid)
    plain = np.concatenate([grid.nearest(rows[:, :24]), rows[:, 24:]], axis=1)
    assert np.array_equal(made[:, :24], grid.nearest(made[:, :24]))  # on the grid
    assert not made[:, :24][~kept].any()
    assert outputs_error(made, rows) < outputs_error(plain, rows) / 3


def test_where_nothing_enters_nothing_changes() -> None:
    rows = np.random.default_rng(0).standard_normal((4, 5))
    grid = Grid(np.ones((4, 5), bool), np.ones((4, 5), np.float32), None)
    assert np.allclose(settle(rows, np.zeros((5, 5)), grid), rows, atol=1e-6)
