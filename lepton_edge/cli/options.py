"""Options that several commands share, said once.

Law: declarations only.
"""

from __future__ import annotations

import enum
from typing import Annotated

import typer


class Format(str, enum.Enum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


CoordinatorOption = Annotated[
    str | None,
    typer.Option(
        "--coordinator",
        envvar="LEPTON_EDGE_COORDINATOR",
        metavar="HOST:PORT",
        help="Where the coordinator is. Without it: 127.0.0.1:8010, else what mDNS finds.",
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
