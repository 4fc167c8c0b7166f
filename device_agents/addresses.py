"""Where peers are told to dial this agent.

Law: asks the system for a route and sends nothing.
"""

from __future__ import annotations

import contextlib
import socket

from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.messages import MAX_DATA_ADDRESSES
from lepton_edge.wire import rpc


def reachable(bound: str, coordinator: str) -> str:
    """Return the address to tell peers: for "any interface", the one that faces the coordinator."""
    host, port = rpc.split_address(bound)
    if host not in ("0.0.0.0", "::"):
        return bound
    target = rpc.split_address(coordinator) if coordinator else ("192.0.2.1", 9)
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(target)  # sends nothing: asks the system for a route
        host = probe.getsockname()[0]
    return rpc.join_address(host, port)


def check_advertised(given: tuple[str, ...]) -> None:
    """Raise InvalidInput where more addresses are given than a coordinator takes of one device."""
    if len(given) > MAX_DATA_ADDRESSES:
        raise InvalidInput(
            f"{len(given)} addresses are advertised",
            f"a coordinator takes {MAX_DATA_ADDRESSES} of a device: give those that peers can dial",
        )
