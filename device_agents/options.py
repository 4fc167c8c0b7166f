"""The options of an agent's commands, said once.

Law: declarations only.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

WHO, WHERE, WHAT = "Who it is, and whose", "Where it listens", "What it may take"
KEPT = "State, settings, logs"
"""The parts of the help."""


def examples(*lines: str) -> str:
    """Return what stands below the options of a command."""
    return "\n\n".join(["Examples:", *lines])


class Form(str, enum.Enum):
    """How a report is printed."""

    TABLE = "table"
    JSON = "json"


Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="The coordinator; else where it joined, else what mDNS finds.",
        rich_help_panel=WHO,
    ),
]
Addresses = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST:PORT",
        help="What peers are told to dial instead; may be repeated.",
        rich_help_panel=WHERE,
    ),
]
Bind = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Listen beyond loopback, without TLS or authentication.",
        rich_help_panel=WHERE,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Where keys, weights and active plans are kept.", rich_help_panel=KEPT
    ),
]
Level = Annotated[
    str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.", rich_help_panel=KEPT)
]
LogFormat = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="console, json, or auto: console, a journal's without times.",
        rich_help_panel=KEPT,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="This device's name; else the one that joined here, else the host's.",
        rich_help_panel=WHO,
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        metavar="PORT",
        help="Data port; 0: any. Without it: 8011, or the next free one.",
        rich_help_panel=WHERE,
    ),
]
Role = Annotated[
    str | None,
    typer.Option(
        metavar="board|cloud",
        help="board: where data arises; cloud: what helps boards. Who has joined need not say it.",
        rich_help_panel=WHO,
    ),
]
Slowdown = Annotated[
    float | None,
    typer.Option(metavar="K", help="Play a device that is K times slower.", rich_help_panel=WHAT),
]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", help="To compute with; 0: one per physical core.", rich_help_panel=WHAT),
]
Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Requests computed at once; 0: as many as the cores allow.", rich_help_panel=WHAT
    ),
]
Watts = Annotated[
    float | None,
    typer.Option(metavar="W", help="Power while busy, above idle; a declaration.", rich_help_panel=WHAT),
]
RadioWatts = Annotated[
    float | None,
    typer.Option(metavar="W", help="Power of its radio while a link carries bytes.", rich_help_panel=WHAT),
]
Relay = Annotated[
    bool | None,
    typer.Option(
        "--relay/--no-relay",
        help="Forward for agents that cannot reach each other; a cloud does by default.",
        rich_help_panel=WHERE,
    ),
]
Adopt = Annotated[
    bool | None,
    typer.Option(
        "--adopt",
        help="Let another coordinator have this agent, whatever it serves for the one before.",
        rich_help_panel=WHO,
    ),
]
Transport = Annotated[
    str | None,
    typer.Option(
        metavar="auto|grpc",
        help="auto: plain streams where the peer knows them (default); grpc: nothing but gRPC.",
        rich_help_panel=WHERE,
    ),
]
Secure = Annotated[
    bool | None,
    typer.Option(
        "--secure/--insecure",
        help="TLS with everybody (needs to have joined), or in the open, for all to see.",
        rich_help_panel=WHERE,
    ),
]
SecureBind = Annotated[
    str | None,
    typer.Option(
        "--bind",
        metavar="ADDRESS",
        help="Listen there, over TLS; 0.0.0.0: everywhere. Without it: on this machine only.",
        rich_help_panel=WHERE,
    ),
]
TokenText = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="LE1...|-",
        help="Join with this token; -: read it from standard input. Others on this machine see arguments.",
        rich_help_panel=WHO,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="Join with the token in this file; or LEPTON_EDGE_TOKEN.",
        rich_help_panel=WHO,
    ),
]
Where = Annotated[str | None, typer.Argument(metavar="HOST:PORT", help="Where the coordinator is.")]
TomlFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A TOML file with a table called agent.", rich_help_panel=KEPT),
]
FormOption = Annotated[Form, typer.Option("--format", help="Lines for people, or JSON for programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
ForUser = Annotated[
    bool, typer.Option("--user", help="Under this user's own systemd instead of the system's.")
]
MetricsPort = Annotated[
    str | None,
    typer.Option(
        metavar="PORT|off",
        help="Of /metrics, /livez, /readyz on loopback; 0: any. Without it: 8002, or the next free one.",
        rich_help_panel=WHERE,
    ),
]
MemoryMax = Annotated[str, typer.Option("--memory", metavar="SIZE", help="The most it may take: 80%, 512M.")]
CustomOps = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-custom-ops",
        metavar="DOMAIN=LIBRARY",
        help="Load this machine's library of custom operators; may be repeated.",
    ),
]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="End an agent of this name that is connected: its certificate is revoked.",
        rich_help_panel=WHO,
    ),
]
