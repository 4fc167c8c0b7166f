"""`lepton-edge deploy`.

Law: asks, shows progress, draws the explained plan by the planner's own renderer.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption, ModelArgument
from lepton_edge.cli.output import ProgressLine, print_document
from partitioner.report import terminal

app = typer.Typer(add_completion=False)


@app.command()
def deploy(
    name: ModelArgument,
    keep_input_on_board: Annotated[
        bool,
        typer.Option(
            "--keep-input-on-board", help="Neither the input nor what gives it away leaves the board."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan only.")] = False,
    page: Annotated[str, typer.Option(help="Pin this page instead of the best.")] = "",
    *,
    device: Annotated[
        list[str] | None,
        typer.Option(metavar="board=NAME|cloud=NAME", help="Choose the devices. Repeatable."),
    ] = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Measure what is missing, plan, prepare the devices and activate."""
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.deploy(
            name,
            keep_input_on_board=keep_input_on_board,
            dry_run=dry_run,
            page=page,
            devices=read_devices(device or []),
            progress=progress,
        )
    print_document(told, form, _render)


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


def _render(told: dict[str, Any], console: Console) -> None:
    plan = told.get("plan")
    if plan:
        terminal.render(plan, console)
    done = "planned only (--dry-run)" if not told.get("epoch") else f"active: epoch {told['epoch']}"
    console.print(f"{told.get('model', '')}: {done}, page {told.get('page', '')!r}")
