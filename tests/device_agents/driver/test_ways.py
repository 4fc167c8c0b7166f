"""What is known of a way, whichever link it goes by."""

from __future__ import annotations

from types import SimpleNamespace

from device_agents.driver.ways import Figures, Way
from lepton_edge.core.links import LinkEstimate


def test_rates_that_a_link_forgot_are_kept_with_their_age() -> None:
    estimates = [
        LinkEstimate(up=1e6, down=2e6, rtt_least=0.1, rates=4, rate_age=1.0),
        LinkEstimate(rtt_least=0.2, rates=4, rate_age=31.0),
    ]
    way = Way(SimpleNamespace(peer=SimpleNamespace(name="cloud"), estimate=lambda: estimates.pop(0)))
    first, later = way.look(100.0), way.look(130.0)
    assert (first.up, first.down, first.age, first.round_trip) == (1e6, 2e6, 1.0, 0.1)
    assert (later.up, later.down, later.age, later.round_trip) == (1e6, 2e6, 31.0, 0.2)


def test_a_new_link_begins_with_what_the_last_one_showed() -> None:
    kept = Figures()
    old = SimpleNamespace(
        peer=SimpleNamespace(name="cloud"), estimate=lambda: LinkEstimate(1e6, 2e6, 0.1, p99=0.03)
    )
    new = SimpleNamespace(peer=SimpleNamespace(name="cloud"), estimate=lambda: LinkEstimate(under_way=77))
    Way(old, figures=kept).look(100.0)
    seen = Way(new, figures=kept).look(105.0)
    assert (seen.up, seen.down, seen.round_trip, seen.p99) == (1e6, 2e6, 0.1, 0.03)
    assert (seen.age, seen.under_way, seen.connected) == (5.0, 77, True)


def test_what_an_overdue_transfer_proves_is_told_and_not_remembered() -> None:
    kept = Figures()
    seen = [
        LinkEstimate(1e6, 2e6, 0.1, rates=3),
        LinkEstimate(7e3, 2e6, 0.1, rates=3, rate_age=2.0, late=True),
        LinkEstimate(),
    ]
    link = SimpleNamespace(peer=SimpleNamespace(name="cloud"), estimate=lambda: seen.pop(0))
    first, late = Way(link, figures=kept).look(100.0), Way(link, figures=kept).look(102.0)
    assert (first.up, late.up, late.round_trip, late.age) == (1e6, 7e3, 0.1, 2.0)
    assert Way(link, figures=kept).look(103.0).up == 1e6, "on a new link"


def test_what_was_stuck_in_a_gap_does_not_speak_against_what_is_quick_now() -> None:
    kept = Figures(up=7e3, measured_at=100.0)
    seen = [LinkEstimate(rates=3, proven=1.5e6), LinkEstimate(rates=4, proven=1.2e6)]
    link = SimpleNamespace(peer=SimpleNamespace(name="cloud"), estimate=lambda: seen.pop(0))
    assert [Way(link, figures=kept).look(102.0).up for _ in range(2)] == [1.5e6, 1.5e6]
    seen = [LinkEstimate(rates=3, proven=1.5e6)]
    assert Way(link).look(102.0).up == 0, "where nothing is known the plan knows better"
