"""The least important channels go, as many as are asked for, and what stays suits the kernels."""

from __future__ import annotations

import numpy as np

from lepton_edge.compress.channels.rank import weakest
from lepton_edge.compress.channels.ties import MADE, Place, Ties


def _group(size: int) -> Ties:
    ties = Ties()
    ties.put(Place("w", 0, MADE), ties.fresh(size))
    return ties


def test_the_weakest_go() -> None:
    ties = _group(16)
    scores = {one: abs(one - 7.3) for one in range(16)}
    assert weakest(ties, scores, 0.5, 8) == {4, 5, 6, 7, 8, 9, 10, 11}


def test_a_multiple_stays() -> None:
    ties = _group(20)
    gone = weakest(ties, dict.fromkeys(range(20), 1.0), 0.5, 8)
    assert 20 - len(gone) == 16


def test_a_group_is_never_emptied() -> None:
    assert weakest(_group(4), dict.fromkeys(range(4), 1.0), 0.9, 8) == set()
    assert len(weakest(_group(4), dict.fromkeys(range(4), 1.0), 0.9, 1)) == 3


def test_what_is_held_stays() -> None:
    ties = _group(16)
    ties.hold(np.arange(8).tolist())
    gone = weakest(ties, dict.fromkeys(range(16), 1.0), 0.5, 1)
    assert gone <= set(range(8, 16))
    assert len(gone) == 4
