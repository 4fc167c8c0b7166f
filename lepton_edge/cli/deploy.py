"""`lepton-edge deploy`.

Law: asks, shows progress, draws the explained plan by the planner's own renderer.
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Annotated, Any

import typer
from rich.console import Console

from lepton_edge.cli import wish_options as w
from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, DryRunOption, Format, FormatOption, ModelArgument
from lepton_edge.cli.output import ProgressLine, print_document
from lepton_edge.core.calls import Wishes
from lepton_edge.core.errors import UsageError
from partitioner.report import terminal

app = typer.Typer(add_completion=False)

_Page = Annotated[str | None, typer.Option(help="Pin this page instead of the best.")]
_Devices = Annotated[
    list[str] | None,
    typer.Option(metavar="board=NAME|cloud=NAME", help="Choose the devices. Repeatable."),
]


class Policy(str, Enum):
    """How one caller's requests wait."""

    BLOCK = "block"
    NEWEST = "newest"
    OLDEST = "oldest"


_Queue = Annotated[
    Policy | None,
    typer.Option(help="How one caller's requests wait, whatever the model's manifest says."),
]
_Refresh = Annotated[bool, typer.Option("--refresh", help="Measure again what is measured.")]


@app.command()
@w.with_wishes
def deploy(
    name: ModelArgument,
    *,
    wishes: Wishes,
    keep_input_on_board: w.KeepInput = False,
    no_measure: w.NoMeasure = False,
    refresh: _Refresh = False,
    dry_run: DryRunOption = False,
    page: _Page = None,
    queue: _Queue = None,
    device: _Devices = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Measure what is missing, plan, prepare the devices and activate."""
    wished: dict[str, Any] = {
        "wishes": dataclasses.replace(wishes, measure=not no_measure),
        "devices": read_devices(device or []),
    }
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.deploy(
            name,
            keep_input_on_board=keep_input_on_board,
            dry_run=dry_run,
            page=_named(page),
            **wished,
            refresh=refresh,
            queue=queue.value if queue else "",
            progress=progress,
        )
    print_document(told, form, render)


def read_devices(given: list[str]) -> tuple[str, str]:
    """Return (board, cloud) of ["board=NAME", "cloud=NAME"], "" where the coordinator may choose.

    Raises:
        typer.BadParameter: another role, or no name.
    """
    chosen = {"board": "", "cloud": ""}
    for one in given:
        role, _, name = one.partition("=")
        if role not in chosen or not name:
            raise typer.BadParameter(f"{one!r} is not board=NAME or cloud=NAME")
        chosen[role] = name
    return chosen["board"], chosen["cloud"]


def _named(page: str | None) -> str:
    if page is not None and not page.strip():
        raise UsageError("--page: which page?", "name one of `plan explain NAME`, such as --page local")
    return page or ""


def render(told: dict[str, Any], console: Console) -> None:
    """Draw how a deployment ended: the plan, and what became of it."""
    plan = told.get("plan")
    if plan:
        terminal.render(plan, console)
        if plan.get("estimated"):
            console.print(
                f"ESTIMATED, not measured as it is now: {', '.join(plan['estimated'])}", style="bold yellow"
            )
    done = "planned only (--dry-run)" if not told.get("epoch") else f"active: epoch {told['epoch']}"
    console.print(f"{told.get('model', '')}: {done}, page {told.get('page', '')!r}")
