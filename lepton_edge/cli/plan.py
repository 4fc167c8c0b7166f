"""`lepton-edge plan explain`.

Law: draws the planner's document by the planner's own renderer.
"""

from __future__ import annotations

import typer

from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption, ModelArgument
from lepton_edge.cli.output import print_document
from partitioner.report import terminal

app = typer.Typer(
    help="Explain why the active plan is what it is.", no_args_is_help=True, add_completion=False
)


@app.callback()
def group() -> None:
    """Explain why the active plan is what it is."""


@app.command()
def explain(
    name: ModelArgument, *, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE
) -> None:
    """Explain the active plan: candidates, predictions, what would change the choice."""
    with client(coordinator) as asked:
        print_document(asked.explain(name), form, terminal.render)
