"""The configuration of an agent: flags, the environment and a TOML file over what it joined as, and what is usual.

Law: what an agent's name and addresses may be, and what it joined; how layers become one value is
`lepton_edge/settings`'. Read by the command line alone, never by the process that serves: it would keep pydantic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_agents.membership import membership
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import UsageError
from lepton_edge.settings.layers import Resolved, Told, resolve, written
from lepton_edge.settings.rooms import AGENT
from lepton_edge.settings.usual import host_name, state_directory

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def configuration(flags: Mapping[str, Any], file: Path | None, environment: Mapping[str, str]) -> AgentConfig:
    """Return the configuration: what is usual, then the file, then LEPTON_EDGE_* variables, then flags.

    Raises:
        UsageError: an unknown or unreadable setting, no role, a name that cannot be one.
    """
    resolved = resolve(AGENT, Told(flags, file, environment), lambda said: _usual(said, environment))
    _check_name(resolved)
    for field in ("coordinator", "advertise"):
        given = getattr(resolved.config, field)
        for address in given if isinstance(given, tuple) else (given,):
            _check_address(address, _where(resolved, field))
    return resolved.config


def _usual(said: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what holds where nobody says it: this machine's name, its place, and what it joined there."""
    name = str(said.get("name") or host_name())
    place = said.get("state_directory") or state_directory(environment, f"agent-{name}")
    found: dict[str, Any] = {"name": name, "state_directory": place}
    joined = membership(Path(str(place)))
    if joined is not None:
        found |= {"coordinator": joined.coordinator, "secure": True}
        found |= {"role": joined.role} if joined.role else {}
    return found


def _where(resolved: Resolved[AgentConfig], field: str) -> str:
    return written(AGENT, field, resolved.origins.get(field, ""))


def _check_name(resolved: Resolved[AgentConfig]) -> None:
    if not NAME.fullmatch(resolved.config.name):
        raise UsageError(
            f"{_where(resolved, 'name')}: a device cannot be called {resolved.config.name!r}",
            "use letters, digits, '.', '_' and '-', 63 at most",
        )


def _check_address(address: str, where: str) -> None:
    host, _, port = address.rpartition(":")
    if address and not (host and "/" not in host and port.isdigit() and int(port) < 65536):
        raise UsageError(
            f"{where}: {address!r} is not an address", "write HOST:PORT, such as 192.168.1.20:8010"
        )
