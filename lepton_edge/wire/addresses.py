"""Addresses: "host:port", what they mean, and whether this machine can listen there.

Law: text and the system's own answers; opens no connection.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket

from lepton_edge.core.errors import InvalidInput


def is_free(host: str, port: int) -> bool:
    """Say whether `port` can be listened on; InvalidInput where `host` cannot; the rest is left to gRPC."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # elsewhere it would let two listen; here it skips what lingers
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise InvalidInput(f"{host!r} is no address of this machine", "listen on one that is") from error
        return error.errno != errno.EADDRINUSE
    return True


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of "host:port" or "[v6]:port"; InvalidInput when it is no address."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise InvalidInput(f"{address!r} is no address", "write HOST:PORT")
    return host.strip("[]"), int(port)


def join_address(host: str, port: int) -> str:
    """Return "host:port", with brackets where `host` is an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
