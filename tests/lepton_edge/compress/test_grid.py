"""Few levels, well placed; zero where it must be; and what a store finds again."""

from __future__ import annotations

import numpy as np

from lepton_edge.compress.grid import Grid, codebook


def test_values_go_to_the_nearest_level_or_to_zero() -> None:
    grid = Grid(
        np.array([True, True, True, False]), np.full(4, 2, np.float32), np.array([-1, 1, 3], np.float32)
    )
    assert grid.nearest(np.array([-9, 3.9, 4.1, 6])).tolist() == [-2, 2, 6, 0]
    assert not np.signbit(grid.nearest(np.array([-9, 3.9, 4.1, -6])))[3]


def test_a_codebook_finds_the_clusters_that_are_there() -> None:
    random = np.random.default_rng(0)
    middles = np.array([-5.0, -1.0, 0.5, 4.0])
    values = (middles[:, None] + 0.01 * random.standard_normal((4, 500))).reshape(-1)
    assert np.allclose(codebook(values, np.ones(values.size), 4), middles, atol=0.01)


def test_a_codebook_errs_less_than_even_steps() -> None:
    values = np.random.default_rng(0).standard_normal(20_000)
    levels = codebook(values, np.ones(values.size), 16)
    even = np.linspace(values.min(), values.max(), 16)
    errors = [np.mean((values - one[np.abs(values[:, None] - one).argmin(1)]) ** 2) for one in (levels, even)]
    assert errors[0] < 0.0096  # the best scalar quantizer of a Gaussian with 16 levels: 0.0095
    assert errors[0] < errors[1] / 2


def test_important_values_are_met_better() -> None:
    values = np.concatenate([np.linspace(0, 1, 500), np.linspace(10, 11, 500)])
    levels = codebook(values, np.where(values > 5, 100.0, 1.0), 8)
    assert np.count_nonzero(levels > 5) > np.count_nonzero(levels < 5)


def test_fewer_values_than_entries_are_all_there() -> None:
    assert codebook(np.array([1.0, 1.0, 2.0]), np.ones(3), 8).tolist() == [1.0, 2.0]
