"""What stays is undominated, and what was dropped is beaten; ideals are bounds."""

from __future__ import annotations

import numpy as np
import pytest

from partitioner.solve.labels import ideals, thinned, undominated


def naive(labels: np.ndarray) -> set[tuple[float, ...]]:
    rows = {tuple(row) for row in labels.tolist()}
    return {
        one
        for one in rows
        if not any(other != one and all(o <= v for o, v in zip(other, one, strict=True)) for other in rows)
    }


@pytest.mark.parametrize("metrics", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(10))
def test_the_front_is_the_naive_one(metrics: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 6, (40, metrics)).astype(float)
    kept = labels[undominated(labels)]
    assert {tuple(row) for row in kept.tolist()} == naive(labels)
    assert len(kept) == len(naive(labels))


def test_no_labels_leave_none() -> None:
    assert len(undominated(np.empty((0, 3)))) == 0


def test_a_difference_of_rounding_is_none() -> None:
    assert len(undominated(np.array([[1.0, 2.0], [1.0 + 1e-15, 2.0 - 1e-15]]))) == 1


def test_thinned_rows_are_bounded_by_the_ideals_of_their_run() -> None:
    labels = np.random.default_rng(3).random((100, 3))
    chosen, place = thinned(labels, 7)
    least = ideals(labels, place, len(chosen))
    assert len(chosen) == 7
    assert np.all(least[place] <= labels)
    assert np.all(least[:, 0] == labels[chosen, 0])
