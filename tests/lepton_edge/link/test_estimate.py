"""What a link knows of itself, as a noun: rates have an age of their own, which signs of life do not renew."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lepton_edge.link.estimate import estimate
from lepton_edge.link.pacing import Pacing


def test_nothing_is_known_at_first() -> None:
    seen = estimate(SimpleNamespace(pacing=Pacing(512 << 10), down=0, pinged_at=0.0), 5.0)  # type: ignore[arg-type]
    assert (seen.up, seen.samples, seen.rates, seen.rate_age) == (0.0, 0, 0, 0.0)


def test_a_sign_of_life_renews_the_round_trip_and_not_the_rate() -> None:
    pacing = Pacing(512 << 10)
    pacing.begin()
    now = 100.0
    for _ in range(12):  # 200 kB in 100 ms, each after 20 ms there and back
        pacing.handed(200_000, now, True)
        now += 0.12
        pacing.acknowledged(pacing.sent, now)
        pacing.paused()
    state = SimpleNamespace(pacing=pacing, down=0, pinged_at=0.0)
    fresh = estimate(state, now)  # type: ignore[arg-type]
    assert fresh.rates > 0
    assert fresh.rate_age == 0.0
    pacing.handed(60, now + 30.0, True)
    pacing.acknowledged(pacing.sent, now + 30.02)
    later = estimate(state, now + 30.02)  # type: ignore[arg-type]
    assert later.age == 0.0
    assert later.rate_age == pytest.approx(30.02)
    assert later.rates == fresh.rates
