"""Ports that are taken: by whom, and what a person is told of it.

Law: looks at sockets and processes of this machine, as far as this user may; changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import psutil

from lepton_edge.core.errors import PortInUse
from lepton_edge.wire.addresses import is_free, split_address

PORTS = {"port": "bind", "metrics_port": "metrics_bind"}
"""Settings that are ports, and those that say on which address."""


def refuse_taken(said: Mapping[str, Any], config: Any) -> None:
    """Raise PortInUse for a port that somebody asked for by name and that is taken; `said` has what was asked for.

    A port that nobody asked for is the usual one, of which the next free one does as well.
    """
    for setting, host in PORTS.items():
        port = getattr(config, setting)
        if setting in said and port > 0 and not is_free(getattr(config, host), port):
            flag = f"--{setting.replace('_', '-')}"
            raise PortInUse(
                f"{flag}: port {port} is taken{whose(port)}",
                f"choose another, or leave {flag} out: then a free one is taken, and said",
            )


def moved(wanted: int, bound: str) -> str:
    """Return what to say where "host:port" is not the port that was wanted; "" where it is."""
    got = split_address(bound)[1]
    return f"port {wanted} is taken{whose(wanted)}: listening on {got}" if wanted not in (0, got) else ""


def whose(port: int) -> str:
    """Return " by NAME (process 123)" of who listens on `port`; "" where this user may not know."""
    with contextlib.suppress(psutil.Error, OSError):
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
                return f" by {_name(psutil.Process(one.pid))} (process {one.pid})"
    return ""


def _name(process: psutil.Process) -> str:
    """Return what a person calls a process: ours are all called python."""
    words = " ".join(process.cmdline())
    if "device_agents" in words:
        return "an agent"
    return "a coordinator" if "coordinator start" in words else process.name()
