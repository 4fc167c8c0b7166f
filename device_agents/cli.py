"""`lepton-edge agent`: configuration out of a TOML file, the environment and flags, then the server.

Law: the one place of an agent that reads argv, the environment and settings. Errors leave it typed; the
command line that loads this app turns them into one line and an exit status (0 ended as asked, 1
unexpected, 2 a wrong command line or setting, 3 refused by the coordinator or a name in use, 4 no free port,
5 the state directory cannot be written).
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from device_agents.enlisting import enlist, enlisted, read_token
from device_agents.membership import membership
from device_agents.options import (
    Address,
    Addresses,
    Adopt,
    Bind,
    DryRun,
    Folder,
    Form,
    FormOption,
    ForUser,
    Level,
    LogFormat,
    MemoryMax,
    MetricsPort,
    Name,
    Port,
    RadioWatts,
    Relay,
    Role,
    Secure,
    SecureBind,
    Slowdown,
    Threads,
    TokenFile,
    TokenText,
    TomlFile,
    Transport,
    Watts,
    Where,
    Workers,
)
from lepton_edge.core.config import NO_METRICS, AgentConfig
from lepton_edge.core.errors import UsageError
from lepton_edge.core.listening import LOOPBACK, listening
from lepton_edge.systemd import install, logs
from lepton_edge.systemd.service import Wanted, environment_of, service, unit_name
from partitioner.nouns_json import to_json

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
WARNING = "WARNING: listening on {} without TLS or authentication: {} controls this device."

UNWELL = 16
"""The exit status of a doctor that found something that does not work."""


app = typer.Typer(
    help="Run an agent on this device: join, start, doctor, install-service.", add_completion=False
)


@app.callback()
def group() -> None:
    """Run an agent on this device: join, start, doctor, install-service."""


@app.command()
def start(
    *,
    role: Role = None,
    name: Name = None,
    coordinator: Address = None,
    port: Port = None,
    advertise: Addresses = None,
    state_directory: Folder = None,
    threads: Threads = None,
    workers: Workers = None,
    simulate_slow: Slowdown = None,
    bind: SecureBind = None,
    insecure_bind: Bind = None,
    secure: Secure = None,
    token: TokenText = None,
    token_file: TokenFile = None,
    watts: Watts = None,
    radio_watts: RadioWatts = None,
    relay: Relay = None,
    transport: Transport = None,
    adopt: Adopt = None,
    metrics_port: MetricsPort = None,
    config: TomlFile = None,
    log_level: Level = "info",
    log_format: LogFormat = "auto",
) -> None:
    """Start an agent and stay in the foreground until it is interrupted."""
    flags: dict[str, Any] = {"role": role, "name": name, "coordinator": coordinator, "port": port}
    flags |= {"advertise": tuple(advertise) if advertise else None, "state_directory": state_directory}
    flags |= {"threads": threads, "workers": workers, "simulate_slow": simulate_slow}
    flags |= {"watts": watts, "radio_watts": radio_watts, "relay": relay, "transport": transport}
    flags |= {"adopt": adopt, "metrics_port": metrics_port}
    flags |= listening(bind, insecure_bind, secure)
    given = {field: value for field, value in flags.items() if value is not None}
    text = read_token(token, token_file, os.environ)
    if text and secure is None:
        given.setdefault("secure", True)
    chosen = configuration(given, config, os.environ)
    enlisted(chosen, text)
    run(chosen, log_level, log_format)


@app.command()
def join(
    coordinator: Where = None,
    *,
    token: TokenText = None,
    token_file: TokenFile = None,
    role: Role = None,
    name: Name = None,
    state_directory: Folder = None,
    config: TomlFile = None,
) -> None:
    """Become one of a coordinator's agents: get a certificate for a token; `agent start` then needs no more."""
    flags = {"role": role, "name": name, "coordinator": coordinator, "state_directory": state_directory}
    given = {field: value for field, value in flags.items() if value is not None}
    chosen = configuration({**_role(config), **given, "secure": True}, config, os.environ)
    enlist(chosen, read_token(token, token_file, os.environ))


@app.command()
def doctor(
    *,
    role: Role = None,
    name: Name = None,
    coordinator: Address = None,
    state_directory: Folder = None,
    secure: Secure = None,
    config: TomlFile = None,
    form: FormOption = Form.TABLE,
) -> None:
    """Look for what is wrong on this device, and between it and its coordinator; each finding says what to do."""
    from device_agents import doctor as examination  # it may load the engine: `start` does not

    flags = {"role": role, "name": name, "coordinator": coordinator, "secure": secure}
    at = {"state_directory": state_directory}
    given = {field: value for field, value in {**flags, **at}.items() if value is not None}
    report = examination.examine(configuration({**_role(config), **given}, config, os.environ))
    told = json.dumps(report.document(), indent=2) if form is Form.JSON else "\n".join(report.lines())
    typer.echo(told)
    if not report.healthy:
        raise typer.Exit(UNWELL)


@app.command("install-service")
def install_service(
    *,
    role: Role = None,
    name: Name = None,
    coordinator: Address = None,
    bind: SecureBind = None,
    insecure_bind: Bind = None,
    state_directory: Folder = None,
    config: TomlFile = None,
    memory: MemoryMax = "80%",
    user: ForUser = False,
    dry_run: DryRun = False,
) -> None:
    """Have systemd start this agent at boot, watch it, and start it anew should it end."""
    flags = {"role": role, "name": name, "coordinator": coordinator, **listening(bind, insecure_bind, None)}
    given = {field: value for field, value in flags.items() if value is not None}
    at = {} if state_directory is None else {"state_directory": state_directory}
    chosen = configuration({**given, **at}, config, environment_of(os.environ, for_user=user))
    settings = {"role": chosen.role, "name": chosen.name, "coordinator": chosen.coordinator, **given}
    wanted = Wanted("agent", f"agent-{chosen.name}", settings, config, state_directory, memory, user)
    install.told(service(wanted).steps(), typer.echo, dry_run=dry_run)


@app.command("uninstall-service")
def uninstall_service(*, user: ForUser = False, dry_run: DryRun = False) -> None:
    """End the agent's service and take it out; its state and its settings stay."""
    steps = install.removing(unit_name("agent"), install.Places.of(user))
    install.told(steps, typer.echo, dry_run=dry_run)


def _role(file: Path | None) -> dict[str, str]:
    """Return the role for a command that does well without one: a board's, where nobody said."""
    said = _file_layer(file).get("role") or os.environ.get(f"{PREFIX}ROLE")
    return {} if said else {"role": "board"}


def run(config: AgentConfig, log_level: str = "info", log_format: str = "auto") -> None:
    """Become the agent's process (see `__main__`): what read the settings does not stay in memory."""
    _refuse_32_bits(struct.calcsize("P") * 8)
    logs.check(log_level, log_format)
    if not config.secure:
        near = config.bind in LOOPBACK
        whom = "every user of this machine" if near else "whoever reaches this address"
        print(WARNING.format(config.bind, whom), file=sys.stderr)
    plain = {**to_json(config), "state_directory": str(config.state_directory)}
    given = {"config": plain, "log_level": log_level, "log_format": log_format}
    command = [sys.executable, "-m", "device_agents", json.dumps(given)]
    sys.stderr.flush()
    if os.name == "posix":
        os.execv(sys.executable, command)
    raise typer.Exit(subprocess.run(command, check=False).returncode)


def _refuse_32_bits(bits: int) -> None:
    """Say at once what otherwise shows as a failed import of onnxruntime.

    Raises:
        UsageError: this Python has no 64 bits.
    """
    if bits < 64:
        raise UsageError(
            f"this is a {bits}-bit Python, for which there is no onnxruntime",
            "install a 64-bit system (Raspberry Pi OS 64-bit runs from a Pi 3 on); see lepton-edge agent doctor",
        )


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
