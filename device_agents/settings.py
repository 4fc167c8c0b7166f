"""The configuration of an agent: a TOML file, the environment and flags, each over the one before.

Law: what an agent's settings may be and how wrong ones are told; read by the command line alone, never by the
process that serves.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import socket
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_agents.membership import membership
from lepton_edge.core.config import NO_METRICS, AgentConfig
from lepton_edge.core.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PREFIX = "LEPTON_EDGE_"
ROLES = ("board", "cloud")
TRANSPORTS = ("auto", "grpc")
SIGNATURES = ("", "enforce", "warn", "off")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
LEAST = {
    "simulate_slow": 1.0,
    "threads": 0,
    "workers": 0,
    "queue_limit": 1,
    "queue_bytes": 0,
    "memory_limit": 0,
    "cache_limit": 0,
    "watts": 0.0,
    "radio_watts": 0.0,
    "metrics_port": NO_METRICS,
}


def configuration(flags: Mapping[str, Any], file: Path | None, environment: Mapping[str, str]) -> AgentConfig:
    """Return the configuration: defaults, then the file, then LEPTON_EDGE_* variables, then flags.

    Raises:
        UsageError: an unknown or unreadable setting, no role, a name that cannot be one.
    """
    kinds = typing.get_type_hints(AgentConfig)
    chosen: dict[str, Any] = {}
    written: dict[str, str] = {}
    layers = {"file": _file_layer(file), "variable": _environment_layer(environment), "flag": flags}
    for layer, values in layers.items():
        for field, value in values.items():
            written[field] = _where(layer, field)
            if field not in kinds:
                near = difflib.get_close_matches(field, kinds, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(kinds)}"
                raise UsageError(f"there is no setting {field!r}", hint)
            off = field == "metrics_port" and value == "off"
            chosen[field] = NO_METRICS if off else _read(written[field], kinds[field], value)
    chosen.setdefault("name", _host_name())
    chosen.setdefault("state_directory", _state_directory(environment, chosen["name"]))
    joined = membership(chosen["state_directory"])
    if joined is not None:
        chosen = {"coordinator": joined.coordinator, "role": joined.role, "secure": True, **chosen}
    return _checked(AgentConfig(**{"role": "", **chosen}), written)


def says_role(file: Path | None, environment: Mapping[str, str]) -> bool:
    """Say whether the file or the environment has a role; raise UsageError for a file that cannot be read."""
    return bool(_file_layer(file).get("role") or environment.get(f"{PREFIX}ROLE"))


def _where(layer: str, field: str) -> str:
    """Return where a person wrote the setting, as a message names it."""
    if layer == "file":
        return f"{field} in the file of --config"
    flag = {"bind": "insecure-bind"}.get(field, field.replace("_", "-"))
    return f"--{flag}" if layer == "flag" else f"the variable {PREFIX}{field.upper()}"


def _file_layer(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("agent", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read the settings in {file}: {error}", "check the file") from error
    if not isinstance(table, dict):
        raise UsageError(f"{file}: 'agent' is not a table", "write [agent] on a line of its own")
    return table


def _environment_layer(environment: Mapping[str, str]) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(AgentConfig)]
    return {
        name: environment[PREFIX + name.upper()] for name in names if PREFIX + name.upper() in environment
    }


_YES_OR_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_KINDS = {int: "write a whole number", float: "write a number"}


def _read(where: str, kind: Any, value: Any) -> Any:
    """Return `value` (text from the environment, anything from a file) as the field's type."""
    kind = getattr(kind, "__supertype__", kind)
    try:
        if kind is bool or bool in typing.get_args(kind):
            return _YES_OR_NO[str(value).strip().lower()]
        if typing.get_origin(kind) is tuple:
            items = value.split(",") if isinstance(value, str) else value
            return tuple(str(item).strip() for item in items)
        return kind(value)
    except KeyError:
        raise UsageError(f"{where} cannot be {value!r}", "write true or false") from None
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where} cannot be {value!r}", _KINDS.get(kind, "correct it")) from error


def _checked(config: AgentConfig, written: Mapping[str, str]) -> AgentConfig:
    choose = "give --role board, where data arises, or --role cloud, which helps it; or set LEPTON_EDGE_ROLE"
    if not config.role:
        raise UsageError("--role is missing", choose)
    if config.role not in ROLES:
        raise UsageError(f"{written['role']}: there is no role {config.role!r}", choose)
    if not NAME.fullmatch(config.name):
        raise UsageError(
            f"{written.get('name', '--name')}: a device cannot be called {config.name!r}",
            "use letters, digits, '.', '_' and '-', 63 at most",
        )
    if config.transport not in TRANSPORTS:
        raise UsageError(
            f"{written['transport']}: there is no transport {config.transport!r}", "write auto or grpc"
        )
    if config.signatures not in SIGNATURES:
        raise UsageError(f"{written['signatures']}: no {config.signatures!r}", "write enforce, warn or off")
    for field, least in LEAST.items():
        if not getattr(config, field) >= least:
            raise UsageError(f"{written[field]} cannot be {getattr(config, field)}", f"it is {least} or more")
    for field in ("coordinator", "advertise"):
        given = getattr(config, field)
        for address in given if isinstance(given, tuple) else (given,):
            _check_address(address, written.get(field, ""))
    return config


def _check_address(address: str, where: str) -> None:
    host, _, port = address.rpartition(":")
    if address and not (host and port.isdigit() and int(port) < 65536):
        raise UsageError(
            f"{where}: {address!r} is not an address", "write HOST:PORT, such as 192.168.1.20:8010"
        )


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()).strip("-._")[:63] or "device"


def _state_directory(environment: Mapping[str, str], name: str) -> Path:
    base = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "lepton-edge" / f"agent-{name}"
