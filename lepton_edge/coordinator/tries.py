"""How often somebody may fail to join, so that whoever fails holds up nobody else.

Law: pure; times are handed in. Only failures are counted: of an address (an IPv6 one with its /64), of a token whose
secret was shown, and of all. Who shows a token's secret is no guesser: what others fail, from however many addresses,
is not held against it.
"""

from __future__ import annotations

from lepton_edge.core.errors import Overloaded
from lepton_edge.security.rates import Rates
from lepton_edge.wire.strangers import network
from partitioner.units import Seconds

TOKEN_BURST, TOKEN_EVERY = 100, Seconds(0.1)
"""Failures of one token, whoever shows it: so many at once, then one every so many seconds."""


class Tries:
    """See the module."""

    def __init__(self) -> None:
        self._addresses = Rates()
        self._tokens = Rates(TOKEN_BURST, TOKEN_EVERY)

    def check(self, host: str, token: str, now: Seconds) -> None:
        """Raise Overloaded where `host` must wait; `token` is the id of the one whose secret it showed, or ""."""
        address = network(host)
        if token:
            wait = max(self._addresses.own(address, now), self._tokens.own(token, now))
        else:
            wait = self._addresses.wait(address, now)
        if wait > 0:
            late = Overloaded("too many have failed to join from there", f"try again in {wait:.0f} s")
            late.retry_after = Seconds(wait)
            raise late

    def failed(self, host: str, token: str, now: Seconds) -> None:
        """Count a failure."""
        self._addresses.failed(network(host), now)
        if token:
            self._tokens.failed(token, now)
