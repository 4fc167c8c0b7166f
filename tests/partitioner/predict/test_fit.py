"""Kriging of layers and cuts: what is recovered, what stays sane when there is little or absurd to go by."""

from __future__ import annotations

import numpy as np
import pytest

from partitioner.predict.fit import REACH, Fit, Floats, Table, _common, fit

LAYERS = 24
CUT, ENTERING, LEAVING = 0.01, 0.4, 0.6


def spans(count: int, draw: np.random.Generator) -> Floats:
    rows = np.zeros((count, LAYERS))
    for row in rows:
        first, last = sorted(draw.choice(LAYERS + 1, 2, replace=False))
        row[first:last] = 1.0
    return rows


def made(count: int, noise: float, seed: int = 0) -> tuple[Table, Table, Floats]:
    """Return a table of `count` segments, one of 60 others, and the layers that both were made from."""
    draw = np.random.default_rng(seed)
    told = draw.dirichlet(np.full(LAYERS, 3.0))
    true = told * np.exp(0.1 * np.convolve(draw.standard_normal(LAYERS), np.ones(3) / 3, "same"))
    true /= true.sum()

    def table(rows: Floats) -> Table:
        sizes = draw.uniform(0.0, 0.06, (len(rows), 2))
        times = rows @ true + CUT + sizes @ [ENTERING, LEAVING]
        return Table(told, rows, sizes, times * np.exp(noise * draw.standard_normal(len(rows))))

    return table(spans(count, draw)), table(spans(60, draw)), true


def predicted(found: Fit, table: Table) -> tuple[Floats, Floats]:
    means = table.layers @ found.layers + found.cut + table.bytes @ [found.entering, found.leaving]
    return means, np.hypot(found.floor, found.error * means)


def test_segments_correct_what_the_shares_have_wrong() -> None:
    table, others, true = made(25, noise=0.01)
    found = fit(table)
    assert np.abs(found.layers - true).sum() < 0.8 * np.abs(table.shares - true).sum()
    means, _ = predicted(found, others)
    assert np.median(np.abs(means / others.times - 1)) < 0.02
    assert found.layers.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("noise", [0.01, 0.05])
def test_ninety_percent_intervals_hold_about_that_many(noise: float) -> None:
    inside: list[bool] = []
    for seed in range(16):
        table, others, _ = made(18, noise, seed)
        means, sigmas = predicted(fit(table), others)
        inside += list(np.abs(means - others.times) <= 1.645 * sigmas)
    assert 0.82 <= np.mean(inside) <= 0.97


def test_a_term_that_would_be_negative_is_none_and_the_others_are_fitted_without_it() -> None:
    table, _, _ = made(25, noise=0.0)
    free = Table(table.shares, table.layers, table.bytes, table.layers @ table.shares * 0.97)
    found = fit(free)
    assert (found.cut, found.entering, found.leaving) == (0.0, 0.0, 0.0)
    assert (found.layers >= 0).all()


def test_one_segment_and_one_layer_are_enough() -> None:
    one = Table(np.ones(1), np.ones((1, 1)), np.zeros((1, 2)), np.array([1.1]))
    found = fit(one)
    assert found.layers == pytest.approx([1.0])
    assert np.isfinite([found.cut, found.error, found.floor]).all()


def test_layers_without_any_share_get_none() -> None:
    table, _, _ = made(10, noise=0.01)
    shares = table.shares.copy()
    shares[3] = 0.0
    found = fit(Table(shares / shares.sum(), table.layers, table.bytes, table.times))
    assert found.layers[3] == pytest.approx(0.0, abs=1e-12)


def test_the_scans_do_what_the_square_matrix_would() -> None:
    shares = np.random.default_rng(1).dirichlet(np.full(7, 2.0))
    middle = np.cumsum(shares) - shares / 2
    square = np.exp(-np.abs(np.subtract.outer(middle, middle)) / REACH) + np.eye(7)
    square *= np.outer(shares, shares)
    columns = np.random.default_rng(2).random((7, 3))
    assert _common(shares, columns) == pytest.approx(square @ columns)
