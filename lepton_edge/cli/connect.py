"""A client for one command.

Law: the one place where a command gets its client, so that tests can hand in another.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from lepton_edge.cli.as_whom import asking
from lepton_edge.client import Client
from lepton_edge.client.address import check_address
from lepton_edge.core.errors import InvalidInput, UsageError


def _made(address: str | None) -> Client:
    return Client(address, key=asking.key, insecure=asking.insecure)


make_client: Callable[[str | None], Client] = _made
"""Replaced in tests by one that returns a client on a mock transport."""


def chosen(address: str | None) -> str | None:
    """Return the address that counts: what follows the command, what stands before it, the variable."""
    by_variable = address == os.environ.get("LEPTON_EDGE_COORDINATOR")
    return asking.coordinator if asking.coordinator and (not address or by_variable) else address


def client(address: str | None) -> Client:
    """Return a client for `address`; None searches (see `AsyncClient`).

    Raises:
        UsageError: it is no address.
    """
    address = chosen(address)
    if address:
        try:
            check_address(address)
        except InvalidInput as error:
            where = "--coordinator (or the variable LEPTON_EDGE_COORDINATOR)"
            raise UsageError(f"{where}: {error.message}", error.hint) from error
    return make_client(address)
