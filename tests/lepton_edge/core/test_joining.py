"""When a certificate is renewed: at two thirds of what it was given for, however long or short that is."""

from __future__ import annotations

import pytest

from lepton_edge.core.joining import EARLY, renew_at
from partitioner.units import Seconds

DAY = 86400.0


@pytest.mark.parametrize(("life", "after"), [(180 * DAY, 120 * DAY), (3600.0, 2400.0), (12.0, 8.0)])
def test_a_third_of_its_life_is_left(life: float, after: float) -> None:
    given = 1.8e9
    assert renew_at(Seconds(given - EARLY), Seconds(given + life)) == pytest.approx(given + after)


def test_one_of_which_nothing_is_known_is_over() -> None:
    assert renew_at(Seconds(0.0), Seconds(0.0)) == 0.0
