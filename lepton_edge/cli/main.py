"""`lepton-edge`: which commands there are.

Law: a table and nothing else. What a command does is in the module that the table names.
"""

from __future__ import annotations

from typing import Annotated

import typer

from lepton_edge.cli import exit_codes
from lepton_edge.cli.as_whom import asking
from lepton_edge.cli.lazy import LazyCommand, LazyGroup
from lepton_edge.cli.options import InsecureOption, KeyOption, RootCoordinatorOption
from lepton_edge.core.version import __version__

_ROOM = "lepton_edge.cli"


SET_UP, MODELS, USE, CARE = "Set up", "Models", "Use and watch", "Care"
_FIRST_STEPS = (
    "First steps: `lepton-edge coordinator start` prints what to type on a device; then `model push`, `deploy` and "
    "`infer`, or `lepton-edge COMMAND --help`."
)


class _Commands(LazyGroup):
    plugins_panel = SET_UP
    table = {
        "coordinator": LazyCommand(f"{_ROOM}.coordinator:app", "Start the coordinator.", SET_UP),
        "device": LazyCommand(
            f"{_ROOM}.device:app", "List, drain, approve, revoke and remove devices.", SET_UP
        ),
        "token": LazyCommand(f"{_ROOM}.token:app", "Create, list and revoke tokens to join with.", SET_UP),
        "client": LazyCommand(f"{_ROOM}.client:app", "Keys of clients: create, list, revoke.", SET_UP),
        "model": LazyCommand(
            f"{_ROOM}.model:app", "Push, list, show, move, roll back, remove and check models.", MODELS
        ),
        "deploy": LazyCommand(
            f"{_ROOM}.deploy:app", "Measure, plan, prepare the devices and activate a model.", MODELS
        ),
        "plan": LazyCommand(f"{_ROOM}.plan:app", "Explain, compare, pin, and ask what if.", MODELS),
        "profile": LazyCommand(
            f"{_ROOM}.profile:app", "Show what was measured of a model on each device.", MODELS
        ),
        "compress": LazyCommand(
            f"{_ROOM}.compress:app", "Make a model smaller or faster within an accuracy budget.", MODELS
        ),
        "adapt": LazyCommand(
            f"{_ROOM}.adapt:app", "Make a model ready for a platform, and say what was verified.", MODELS
        ),
        "infer": LazyCommand(f"{_ROOM}.infer:app", "Run a model on a picture or on arrays.", USE),
        "status": LazyCommand(f"{_ROOM}.status:app", "Show everything on one screen.", USE),
        "events": LazyCommand(f"{_ROOM}.events:app", "Show what changed, why, and whether it paid.", USE),
        "doctor": LazyCommand(
            f"{_ROOM}.doctor:app", "Look for what is wrong here, with the coordinator and its devices.", CARE
        ),
        "config": LazyCommand(
            f"{_ROOM}.config:app", "Show which settings hold, and where each comes from.", CARE
        ),
        "backup": LazyCommand(f"{_ROOM}.backup:app", "Save the coordinator's state, while it runs.", CARE),
        "restore": LazyCommand(f"{_ROOM}.backup:restoring", "Put a saved state back.", CARE),
        "version": LazyCommand(f"{_ROOM}.version:app", "Show the versions of what is installed.", CARE),
    }


app = typer.Typer(
    cls=_Commands,
    help="Run a model on the board, in the cloud, or split between them, and know which is best.",
    epilog=f"{_FIRST_STEPS}\n\n{exit_codes.epilog()}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lepton-edge {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    coordinator: RootCoordinatorOption = None,
    key: KeyOption = None,
    insecure: InsecureOption = None,
) -> None:
    """Run a model on the board, in the cloud, or split between them, and know which is best."""
    asking.coordinator, asking.key, asking.insecure = coordinator, key, insecure


def main() -> None:
    """Run the command line; the console script `lepton-edge`."""
    app()


if __name__ == "__main__":  # `python -m lepton_edge.cli.main`, where the console script is not on the path
    main()
