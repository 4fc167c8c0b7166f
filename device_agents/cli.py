"""`lepton-edge agent`: configuration out of a TOML file, the environment and flags, then the server.

Law: the one place of an agent that reads argv, the environment and settings. Errors leave it typed; the
command line that loads this app turns them into one line and an exit status (0 ended as asked, 1
unexpected, 2 a wrong command line or setting, 3 refused by the coordinator or a name in use, 4 no free port,
5 the state directory cannot be written).
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from device_agents.enlisting import enlist, enlisted, refuse_misplaced
from device_agents.named import meant
from device_agents.options import (
    Address,
    Addresses,
    Adopt,
    Bind,
    CustomOps,
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
    Replace,
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
    examples,
)
from device_agents.settings import configuration
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import UsageError
from lepton_edge.core.listening import LOOPBACK, listening
from lepton_edge.security.arguments import read_token
from lepton_edge.settings.rooms import AGENT
from lepton_edge.settings.said import said
from lepton_edge.systemd import install
from lepton_edge.systemd.service import Wanted, environment_of, service, unit_name
from lepton_edge.wire import occupied
from partitioner.nouns_json import to_json

WARNING = "WARNING: listening on {} without TLS or authentication: {} controls this device."

UNWELL = 16
"""The exit status of a doctor that found something that does not work."""


app = typer.Typer(
    help="Run an agent on this device: join, start, doctor, install-service.", add_completion=False
)


@app.callback()
def group() -> None:
    """Run an agent on this device: join, start, doctor, install-service."""


@app.command(
    epilog=examples(
        "lepton-edge agent start   (it has joined: see `agent join`)",
        "lepton-edge agent start --bind 0.0.0.0   (others may send it tensors)",
        "lepton-edge agent start --insecure --role board   (a trial on one machine)",
    )
)
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
    allow_custom_ops: CustomOps = None,
    metrics_port: MetricsPort = None,
    config: TomlFile = None,
    log_level: Level = None,
    log_format: LogFormat = None,
) -> None:
    """Start an agent and stay in the foreground until it is interrupted."""
    flags: dict[str, Any] = {"role": role, "name": name, "coordinator": coordinator, "port": port}
    flags |= {"advertise": tuple(advertise) if advertise else None, "state_directory": state_directory}
    flags |= {"threads": threads, "workers": workers, "simulate_slow": simulate_slow}
    flags |= {"watts": watts, "radio_watts": radio_watts, "relay": relay, "transport": transport}
    flags |= {"adopt": adopt, "metrics_port": metrics_port}
    flags["allow_custom_ops"] = tuple(allow_custom_ops) if allow_custom_ops else None
    flags |= {"log_level": log_level, "log_format": log_format}
    flags |= listening(bind, insecure_bind, secure)
    text = read_token(token, token_file, os.environ)
    chosen = _to_start(flags, config, os.environ, joins=bool(text))
    enlisted(chosen, text)
    run(chosen)


@app.command(
    epilog=examples(
        "lepton-edge agent join 192.168.1.20:8010 --token LE1...   (as the coordinator printed it)",
        "lepton-edge agent join 192.168.1.20:8010 --role cloud --name server --token-file token.txt",
    )
)
def join(
    coordinator: Where = None,
    *,
    token: TokenText = None,
    token_file: TokenFile = None,
    role: Role = None,
    name: Name = None,
    state_directory: Folder = None,
    replace: Replace = False,
    config: TomlFile = None,
) -> None:
    """Become one of a coordinator's agents: get a certificate for a token; `agent start` then needs no more."""
    refuse_misplaced(coordinator)
    flags = {"role": role, "name": name, "coordinator": coordinator, "state_directory": state_directory}
    given = {field: value for field, value in flags.items() if value is not None}
    text = read_token(token, token_file, os.environ)
    found = meant("join", {**given, "secure": True}, config, os.environ, role="board", joins=True)
    chosen = configuration(found.flags, config, os.environ)
    enlist(chosen, text, replace=replace)
    typer.echo(found.next_step(chosen.role))


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
    found = meant("doctor", given, config, os.environ, role="board")
    report = examination.examine(configuration(found.flags, config, os.environ), unjoined=found.not_joined())
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
    at = {"state_directory": state_directory}
    given = {field: value for field, value in {**flags, **at}.items() if value is not None}
    environment = environment_of(os.environ, for_user=user)
    found = meant("install-service", given, config, environment)
    if waits := found.not_joined():
        where = f"which keeps its state in {found.directory}"
        typer.echo(f"NOTE: the service, {where}, waits until it has joined: {waits}", err=True)
    chosen = configuration(found.flags, config, environment)
    settings = {"role": chosen.role, "name": chosen.name, "coordinator": chosen.coordinator, **given}
    settings.pop("state_directory", None)  # the unit says it
    wanted = Wanted("agent", f"agent-{chosen.name}", settings, config, state_directory, memory, user)
    install.told(service(wanted).steps(), typer.echo, dry_run=dry_run)


@app.command("uninstall-service")
def uninstall_service(*, user: ForUser = False, dry_run: DryRun = False) -> None:
    """End the agent's service and take it out; its state and its settings stay."""
    steps = install.removing(unit_name("agent"), install.Places.of(user))
    install.told(steps, typer.echo, dry_run=dry_run)


def _to_start(
    flags: Mapping[str, Any], file: Path | None, environment: Mapping[str, str], *, joins: bool
) -> AgentConfig:
    """Return the configuration to start with; `joins` says that there is a token for who has not joined.

    Raises:
        UsageError: a setting that cannot be. Unauthenticated: it has not joined. PortInUse: its port is taken.
    """
    given = {field: value for field, value in flags.items() if value is not None}
    if joins:
        given.setdefault("secure", True)
    found = meant("start", given, file, environment, joins=joins)
    refused = None if joins else found.not_joined()
    if refused:  # what is wrong with the words is said first, but for a role, which joining gives
        found = meant("start", given, file, environment, role="board")
    chosen = configuration(found.flags, file, environment)
    if refused and not found.elsewhere:
        raise refused
    occupied.refuse_taken(said(AGENT, given, file, environment), chosen)
    return chosen


def run(config: AgentConfig) -> None:
    """Become the agent's process (see `__main__`): what read the settings does not stay in memory."""
    _refuse_32_bits(struct.calcsize("P") * 8)
    if not config.secure:
        near = config.bind in LOOPBACK
        whom = "every user of this machine" if near else "whoever reaches this address"
        print(WARNING.format(config.bind, whom), file=sys.stderr)
    plain = {**to_json(config), "state_directory": str(config.state_directory)}
    command = [sys.executable, "-m", "device_agents", json.dumps({"config": plain})]
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
