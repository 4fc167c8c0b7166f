"""`lepton-edge coordinator start`.

Law: builds a `CoordinatorConfig` and hands it to the server; the coordinator is an extra, so that it is
imported only once that is known to be there.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lepton_edge.cli import extras
from lepton_edge.cli.options import DryRunOption, examples
from lepton_edge.core.config import CoordinatorConfig
from lepton_edge.core.listening import LOOPBACK, listening
from lepton_edge.security import private
from lepton_edge.settings.layers import Told, resolve
from lepton_edge.settings.rooms import COORDINATOR
from lepton_edge.settings.said import said
from lepton_edge.settings.usual import state_directory as usual_place
from lepton_edge.systemd import install, logs
from lepton_edge.systemd.service import Wanted, service, unit_name
from lepton_edge.wire import occupied

app = typer.Typer(
    help="The coordinator: registry, measurements, plans. Never on the path of a tensor.",
    add_completion=False,
)


@app.callback()
def group() -> None:
    """The coordinator: registry, measurements, plans. Never on the path of a tensor."""


Port = Annotated[
    int | None,
    typer.Option(metavar="PORT", help="Control port; 0: any. Without it: 8010, or the next free one."),
]
State = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where models, plans and keys are kept.")]
Bind = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Listen there, over TLS; 0.0.0.0: everywhere. Without it: on this machine only.",
    ),
]
InsecureBind = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Listen beyond loopback, without TLS or authentication.")
]
Announce = Annotated[bool | None, typer.Option("--announce/--no-announce", help="Announce by mDNS.")]
TomlFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A TOML file with a table called coordinator.")
]
MetricsPort = Annotated[
    str | None,
    typer.Option(
        metavar="PORT|off",
        help="Of /metrics, /livez, /readyz on loopback; 0: any. Without it: 8002, or the next free one.",
    ),
]
Secure = Annotated[
    bool | None,
    typer.Option(
        "--secure/--insecure", help="TLS, and everybody proves who they are; or in the open, for all to see."
    ),
]
Approve = Annotated[bool | None, typer.Option("--approve/--no-approve", help="A person lets each device in.")]
CustomOps = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-custom-ops",
        metavar="DOMAIN=LIBRARY",
        help="Load this machine's library of custom operators; may be repeated.",
    ),
]
LogLevel = Annotated[str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")]
LogFormat = Annotated[
    str | None,
    typer.Option(metavar="FORMAT", help="console, json, or auto: console, a journal's without times."),
]


@app.command(
    epilog=examples(
        "lepton-edge coordinator start   (it prints what to type on a device of this machine)",
        "lepton-edge coordinator start --bind 0.0.0.0   (for devices elsewhere; over TLS)",
        "lepton-edge coordinator start --insecure   (a trial on this machine, without keys)",
    )
)
def start(
    *,
    port: Port = None,
    state_directory: State = None,
    bind: Bind = None,
    insecure_bind: InsecureBind = None,
    announce: Announce = None,
    config: TomlFile = None,
    metrics_port: MetricsPort = None,
    secure: Secure = None,
    approve: Approve = None,
    allow_custom_ops: CustomOps = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Start the coordinator and stay in the foreground until it is interrupted."""
    extras.require("coordinator")
    flags: dict[str, Any] = {"port": port, "state_directory": state_directory, "announce": announce}
    flags |= listening(bind, insecure_bind, secure)
    flags |= {
        "approve": approve,
        "allow_custom_ops": tuple(allow_custom_ops) if allow_custom_ops else None,
        "metrics_port": metrics_port,
        "log_level": log_level,
        "log_format": log_format,
    }
    chosen = configuration(flags, config, dict(os.environ))
    occupied.refuse_taken(said(COORDINATOR, flags, config, os.environ), chosen)
    logs.configure(chosen.log_level, chosen.log_format)
    private.mask()
    private.keep(chosen.state_directory)
    _warn_if_open(chosen)
    from lepton_edge.coordinator import server  # the extra is there: require() said so

    asyncio.run(server.serve(chosen))


@app.command("install-service")
def install_service(
    *,
    bind: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Listen there, over TLS; 0.0.0.0: everywhere.")
    ] = None,
    insecure_bind: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Listen beyond loopback, without TLS or authentication."),
    ] = None,
    state_directory: Annotated[Path | None, typer.Option(help="Where its state is kept.")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A TOML file with a table called coordinator.")
    ] = None,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="The most it may take: 80%, 4G.")] = "80%",
    user: Annotated[
        bool, typer.Option("--user", help="Under this user's own systemd instead of the system's.")
    ] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Have systemd start the coordinator at boot, watch it, and start it anew should it end."""
    extras.require("coordinator")
    settings_of = listening(bind, insecure_bind, None)
    configuration(settings_of, config, dict(os.environ))
    wanted = Wanted("coordinator", "coordinator", settings_of, config, state_directory, memory, user)
    install.told(service(wanted).steps(), typer.echo, dry_run=dry_run)


@app.command("uninstall-service")
def uninstall_service(
    *,
    user: Annotated[bool, typer.Option("--user", help="From this user's own systemd.")] = False,
    dry_run: DryRunOption = False,
) -> None:
    """End the coordinator's service and take it out; its state and its settings stay."""
    steps = install.removing(unit_name("coordinator"), install.Places.of(user))
    install.told(steps, typer.echo, dry_run=dry_run)


def configuration(flags: dict[str, Any], file: Path | None, environment: dict[str, str]) -> CoordinatorConfig:
    """Return the coordinator's configuration: defaults, then the file, the environment, and flags.

    Raises:
        UsageError: an unknown or unreadable setting.
    """

    def usual(said: Mapping[str, Any]) -> dict[str, Any]:
        return (
            {}
            if said.get("state_directory")
            else {"state_directory": usual_place(environment, "coordinator")}
        )

    return resolve(COORDINATOR, Told(flags, file, environment), usual).config


def _warn_if_open(config: CoordinatorConfig) -> None:
    if config.secure:
        return
    whom = "every user of this machine" if config.bind in LOOPBACK else "whoever reaches this address"
    print(
        f"WARNING: listening on {config.bind} without TLS or authentication: {whom} controls every device."
        + ("" if config.bind in LOOPBACK else " Use it in a network that you trust only."),
        file=sys.stderr,
    )
