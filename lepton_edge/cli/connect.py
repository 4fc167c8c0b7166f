"""A client for one command.

Law: the one place where a command gets its client, so that tests can hand in another.
"""

from __future__ import annotations

from collections.abc import Callable

from lepton_edge.client import Client

make_client: Callable[[str | None], Client] = Client
"""Replaced in tests by one that returns a client on a mock transport."""


def client(address: str | None) -> Client:
    """Return a client for `address`; None searches (see `AsyncClient`)."""
    return make_client(address)
