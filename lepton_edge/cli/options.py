"""Options that several commands share, said once.

Law: declarations only.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer


class Format(str, enum.Enum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


def examples(*lines: str) -> str:
    """Return what stands below the options of a command: how it is written."""
    return "\n\n".join(["Examples:", *lines])


WHOM = "Whom to ask, and as whom"
"""The part of a command's help with the options that every command has which asks a coordinator."""
WHERE_HELP = "Where the coordinator is (or LEPTON_EDGE_COORDINATOR). Without it: here, else by mDNS."
CoordinatorOption = Annotated[
    str | None,
    typer.Option(
        "--coordinator",
        envvar="LEPTON_EDGE_COORDINATOR",
        show_envvar=False,
        metavar="HOST:PORT",
        help=WHERE_HELP,
        rich_help_panel=WHOM,
    ),
]
RootCoordinatorOption = Annotated[
    str | None, typer.Option("--coordinator", metavar="HOST:PORT", help=WHERE_HELP, rich_help_panel=WHOM)
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Proves who asks (or LEPTON_EDGE_KEY). Without it: ~/.config/lepton-edge/key.pem; on the "
        "coordinator's machine its administrator's.",
        rich_help_panel=WHOM,
    ),
]
InsecureOption = Annotated[
    bool | None,
    typer.Option(
        "--insecure",
        help="The coordinator runs with --insecure, in the open (or LEPTON_EDGE_INSECURE=1).",
        rich_help_panel=WHOM,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="A table for people, or JSON for programs.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would happen; what is active stays.")
]
NewModelArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The name to push the model under; the other commands use it.")
]
ModelArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The name that the model was pushed under.")
]
