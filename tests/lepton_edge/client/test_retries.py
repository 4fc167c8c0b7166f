"""When a request is tried again: by what went wrong, how often, and how much time is left."""

from __future__ import annotations

import pytest

from lepton_edge.client.retries import pause_before
from lepton_edge.core import errors
from lepton_edge.core.errors import ComputeFailed, DeadlineExceeded, InvalidInput, Overloaded, Unavailable


def overloaded(retry_after: float) -> Overloaded:
    error = Overloaded("full")
    error.retry_after = retry_after
    return error


@pytest.mark.parametrize("error", [Unavailable("gone"), Overloaded("full"), errors.StaleEpoch("old")])
def test_what_a_moment_can_mend_is_tried_again(error: errors.LeptonError) -> None:
    assert pause_before(error, 0, left=10, chance=0.5) == pytest.approx(0.075)


@pytest.mark.parametrize(
    "error",
    [InvalidInput("wrong"), DeadlineExceeded("late"), ComputeFailed("broken"), errors.CorruptFrame("")],
)
def test_everything_else_stands(error: errors.LeptonError) -> None:
    assert pause_before(error, 0, left=10, chance=0.5) is None


def test_pauses_double_up_to_a_bound_and_are_spread() -> None:
    longest = [pause_before(Unavailable(""), tried, left=100, chance=0) for tried in range(7)]
    assert longest == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])
    shortest = [pause_before(Unavailable(""), tried, left=100, chance=1) for tried in range(7)]
    assert shortest == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_nobody_comes_back_before_they_were_told_to() -> None:
    pauses = [pause_before(overloaded(0.7), 0, left=10, chance=chance) for chance in (0.0, 0.5, 1.0)]
    assert pauses == pytest.approx([0.7, 0.875, 1.05])


def test_a_pause_that_leaves_no_time_is_not_begun() -> None:
    assert pause_before(overloaded(0.7), 0, left=0.7, chance=0) is None
    assert pause_before(overloaded(0.7), 0, left=0.8, chance=0) == pytest.approx(0.7)
