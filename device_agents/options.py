"""The options of an agent's commands, said once.

Law: declarations only.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer


class Form(str, enum.Enum):
    """How a report is printed."""

    TABLE = "table"
    JSON = "json"


Address = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="The coordinator; else where it joined, else what mDNS finds."),
]
Addresses = Annotated[
    list[str] | None,
    typer.Option(metavar="HOST:PORT", help="What peers are told to dial instead; may be repeated."),
]
Bind = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Listen beyond loopback, without TLS or authentication."),
]
Folder = Annotated[Path | None, typer.Option(help="Where weights and active plans are kept.")]
Level = Annotated[str | None, typer.Option(help="debug, info, warning, error.")]
LogFormat = Annotated[
    str | None, typer.Option(help="console, json, or auto: console, a journal's without times.")
]
Name = Annotated[str | None, typer.Option(help="This device's name; the host's name by default.")]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Data port; 0: any. Without it: 8011, or the next free one."),
]
Role = Annotated[
    str | None, typer.Option(help="board or cloud; who has joined with it need not say it again.")
]
Slowdown = Annotated[
    float | None, typer.Option(min=1.0, metavar="K", help="Play a device that is K times slower.")
]
Threads = Annotated[int | None, typer.Option(min=0, help="To compute with; 0: one per physical core.")]
Workers = Annotated[
    int | None, typer.Option(min=0, help="Requests computed at once; 0: as many as the cores allow.")
]
Watts = Annotated[
    float | None, typer.Option(min=0.0, metavar="W", help="Power while busy, above idle; a declaration.")
]
RadioWatts = Annotated[
    float | None, typer.Option(min=0.0, metavar="W", help="Power of its radio while a link carries bytes.")
]
Relay = Annotated[
    bool | None,
    typer.Option(
        "--relay/--no-relay", help="Forward for agents that cannot reach each other; a cloud does by default."
    ),
]
Adopt = Annotated[
    bool | None,
    typer.Option(
        "--adopt", help="Let another coordinator have this agent, whatever it serves for the one before."
    ),
]
Transport = Annotated[
    str | None,
    typer.Option(help="auto: plain streams where the peer knows them (default); grpc: nothing but gRPC."),
]
Secure = Annotated[
    bool | None,
    typer.Option(
        "--secure/--insecure",
        help="TLS with everybody (needs to have joined), or in the open, for all to see.",
    ),
]
SecureBind = Annotated[
    str | None, typer.Option("--bind", metavar="ADDRESS", help="Listen there, over TLS; 0.0.0.0: everywhere.")
]
TokenText = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="LE1...|-",
        help="Join with this token; -: read it from standard input. Others on this machine see arguments.",
    ),
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="Join with the token in this file; or LEPTON_EDGE_TOKEN.")
]
Where = Annotated[str | None, typer.Argument(metavar="HOST:PORT", help="Where the coordinator is.")]
TomlFile = Annotated[Path | None, typer.Option(help="A TOML file with a table called agent.")]
FormOption = Annotated[Form, typer.Option("--format", help="Lines for people, or JSON for programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
ForUser = Annotated[
    bool, typer.Option("--user", help="Under this user's own systemd instead of the system's.")
]
MetricsPort = Annotated[
    str | None, typer.Option(metavar="PORT", help="Of /metrics, /livez, /readyz on loopback; 0: any; off.")
]
MemoryMax = Annotated[str, typer.Option("--memory", metavar="SIZE", help="The most it may take: 80%, 512M.")]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace", help="End an agent of this name that is connected: its certificate is revoked."
    ),
]
