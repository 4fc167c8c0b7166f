"""Who fails to join holds up itself, and nobody who shows a token's secret."""

from __future__ import annotations

import pytest

from lepton_edge.coordinator.tries import TOKEN_BURST, Tries
from lepton_edge.core.errors import Overloaded
from lepton_edge.security.rates import ALL_BURST, BURST


def fail(tries: Tries, host: str, token: str = "", times: int = 1) -> None:
    for _ in range(times):
        tries.failed(host, token, 0.0)  # type: ignore[arg-type]


def may(tries: Tries, host: str, token: str = "", now: float = 0.0) -> bool:
    try:
        tries.check(host, token, now)  # type: ignore[arg-type]
    except Overloaded as late:
        return not late.retry_after
    return True


@pytest.mark.parametrize("token", ["", "ab"])
def test_an_address_that_fails_waits_and_its_neighbour_does_not(token: str) -> None:
    tries = Tries()
    fail(tries, "10.0.0.1", times=BURST)
    assert not may(tries, "10.0.0.1", token)
    assert may(tries, "10.0.0.2", token)
    assert may(tries, "10.0.0.1", token, now=7.0)


def test_one_customers_ipv6_addresses_are_one() -> None:
    tries = Tries()
    for number in range(BURST):
        fail(tries, f"2001:db8::{number:x}")
    assert not may(tries, "2001:db8::ffff")
    assert may(tries, "2001:db8:0:1::1")


def test_what_all_fail_slows_those_alone_who_have_no_token() -> None:
    tries = Tries()
    for number in range(ALL_BURST):
        fail(tries, f"10.{number // 256}.{number % 256}.1")
    assert not may(tries, "192.0.2.1")
    assert may(tries, "192.0.2.1", "ab")


def test_a_token_that_got_about_slows_itself_alone() -> None:
    tries = Tries()
    for number in range(TOKEN_BURST):
        fail(tries, f"10.0.{number}.1", "ab")
    assert not may(tries, "192.0.2.1", "ab")
    assert may(tries, "192.0.2.1", "cd")
