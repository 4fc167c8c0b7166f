"""Where peers are told to dial this agent.

Law: asks the system for a route and sends nothing.
"""

from __future__ import annotations

import contextlib
import socket

import psutil

from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.messages import MAX_DATA_ADDRESSES
from lepton_edge.wire import rpc

OUTSIDE = ("192.0.2.1", 9)
"""Nobody's address (RFC 5737): what the way to it begins with, the way to the world begins with."""
OF_CONTAINERS = ("docker", "br-", "veth", "virbr", "podman", "cni")
"""How interfaces are called that lead to this machine's own containers."""


def reachable(bound: str, coordinator: str) -> str:
    """Return the address to tell peers: for "any interface", the one that faces the coordinator.

    A coordinator on this very machine faces loopback, where peers elsewhere would dial themselves: then it is the one
    that faces the world, or the next machine.
    """
    host, port = rpc.split_address(bound)
    if host not in ("0.0.0.0", "::"):
        return bound
    found = _facing(rpc.split_address(coordinator) if coordinator else OUTSIDE)
    if found in ("", "::1") or found.startswith("127."):
        found = _facing(OUTSIDE) or _neighbouring() or found
    return rpc.join_address(found or host, port)


def _facing(target: tuple[str, int]) -> str:
    """Return this machine's address on the way to the target; "" where there is none."""
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(target)  # sends nothing: asks the system for a route
        found: str = probe.getsockname()[0]
        return found
    return ""


def _neighbouring() -> str:
    """Return this machine's first address in a network without a way out of it; "" where it is in none."""
    state = psutil.net_if_stats()
    for name, known in sorted(psutil.net_if_addrs().items()):
        if name.startswith(OF_CONTAINERS) or name not in state or not state[name].isup:
            continue
        for one in known:
            if one.family == socket.AF_INET and not one.address.startswith("127."):
                return str(one.address)
    return ""


def check_advertised(given: tuple[str, ...]) -> None:
    """Raise InvalidInput where more addresses are given than a coordinator takes of one device."""
    if len(given) > MAX_DATA_ADDRESSES:
        raise InvalidInput(
            f"{len(given)} addresses are advertised",
            f"a coordinator takes {MAX_DATA_ADDRESSES} of a device: give those that peers can dial",
        )
