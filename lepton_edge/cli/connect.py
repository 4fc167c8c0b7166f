"""A client for one command.

Law: the one place where a command gets its client, so that tests can hand in another.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable

from lepton_edge.cli.as_whom import asking
from lepton_edge.client import Client
from lepton_edge.client.address import LOCAL_AGENT, LOCAL_COORDINATOR, check_address
from lepton_edge.core.errors import InvalidInput, Unauthenticated, Unavailable, UsageError

HERE = (LOCAL_COORDINATOR, LOCAL_AGENT)
PATIENCE = 2.0  # seconds for somebody to accept a connection


def _made(address: str | None) -> Client:
    try:
        return Client(address, key=asking.key, insecure=asking.insecure)
    except Unauthenticated as error:  # there is no key: of no use to hear where nobody is to be asked
        if not any(_listens(one) for one in ([address] if address else HERE)):
            raise _nobody(address) from error
        raise


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), PATIENCE):
        return True
    return False


def _nobody(address: str | None) -> Unavailable:
    a_key = "a key, --key FILE (there, `lepton-edge client key create NAME --admin` makes one)"
    if address:
        return Unavailable(
            f"nobody answers at {address}; and there is no key to ask with",
            f"is the address right, and `lepton-edge coordinator start` running there? Then give {a_key}",
        )
    return Unavailable(
        "no coordinator runs on this machine; and there is no key to ask another with",
        f"start one: lepton-edge coordinator start. Of one elsewhere give --coordinator HOST:PORT and {a_key}",
    )


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
