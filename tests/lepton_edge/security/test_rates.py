"""Who fails often must wait, others need not, and the table has a bound."""

from __future__ import annotations

from lepton_edge.security import rates
from lepton_edge.security.rates import Rates


def test_who_fails_often_waits_and_others_do_not() -> None:
    table = Rates()
    for _ in range(rates.BURST):
        assert table.wait("a", 0.0) == 0  # type: ignore[arg-type]
        table.failed("a", 0.0)  # type: ignore[arg-type]
    wait = table.wait("a", 0.0)  # type: ignore[arg-type]
    assert 0 < wait <= rates.EVERY
    assert table.wait("b", 0.0) == 0  # type: ignore[arg-type]
    assert table.wait("a", wait) == 0


def test_all_together_are_bounded_and_so_is_the_table() -> None:
    table = Rates()
    for number in range(rates.MOST_ADDRESSES + 50):
        table.failed(str(number), 0.0)  # type: ignore[arg-type]
    assert len(table._spent) == rates.MOST_ADDRESSES
    assert table.wait("new", 0.0) > 0  # type: ignore[arg-type]
    assert table.wait("new", 1e4) == 0  # type: ignore[arg-type]


def test_a_clock_that_goes_back_gives_nothing_back() -> None:
    table = Rates()
    for _ in range(rates.BURST):
        table.failed("a", 100.0)  # type: ignore[arg-type]
    assert table.wait("a", 0.0) > 0  # type: ignore[arg-type]
