"""`lepton-edge backup` and `lepton-edge restore`: the coordinator's state as one file, and back.

Law: for the machine that the state is on; what is copied and checked is `coordinator/backup.py`'s.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from lepton_edge.cli.output import size
from lepton_edge.coordinator import backup as backups
from lepton_edge.security import private
from lepton_edge.settings import usual

app = typer.Typer(add_completion=False)
restoring = typer.Typer(add_completion=False)

State = Annotated[Path | None, typer.Option(help="The coordinator's; its default place otherwise.")]
SECRET = "It holds the private keys of the coordinator: whoever has it can pose as this coordinator."

START = "Start it there: lepton-edge coordinator start --state-directory {}. Agents obey it from then on."
KNOWN = "Devices attach by themselves, and go on with what they serve."
STRANGERS = (
    "It has no keys: it makes new ones when it starts, and believes nobody. Devices serve what they have until each "
    "joins again and is started anew: lepton-edge agent join HOST:PORT --token LE1..., then lepton-edge agent start. "
    "Clients need new keys: lepton-edge client key create."
)
UNKNOWN = (
    "WARNING: what was revoked after {} (devices, keys, tokens) counts again. Revoke it again: lepton-edge device "
    "revoke, client key revoke, token revoke; or restore with --revoked-from DIR, where the state that was in use last "
    "is; or, where nobody knows, --without-secrets: everybody joins again."
)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; must not be there yet.")],
    *,
    state_directory: State = None,
    include_secrets: Annotated[
        bool,
        typer.Option("--include-secrets", help="Keys and certificates too: devices need not join again."),
    ] = False,
) -> None:
    """Save the coordinator's state, while it runs: models, measurements, plans, devices."""
    made = backups.save(_state(state_directory), file, secrets=include_secrets)
    typer.echo(f"{file}: {made.files} files, {size(made.bytes)}")
    without = "Without keys: once restored, devices join again (or save it with --include-secrets)."
    typer.echo(SECRET if made.secrets else without, err=True)


@restoring.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `lepton-edge backup` wrote.")],
    *,
    state_directory: State = None,
    revoked_from: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The state in use last: who has joined and was revoked is as it says."
        ),
    ] = None,
    without_secrets: Annotated[
        bool, typer.Option("--without-secrets", help="Leave its keys out: everybody joins again.")
    ] = False,
) -> None:
    """Put a saved state where no coordinator has any; then start the coordinator there."""
    where = _state(state_directory)
    private.mask()
    made = backups.restore(file, where, secrets=not without_secrets, revoked_from=revoked_from)
    typer.echo(f"{where}: {made.files} files, {size(made.bytes)}")
    typer.echo(START.format(where), err=True)
    typer.echo(KNOWN if made.secrets else STRANGERS, err=True)
    if made.secrets:
        _tell_who_counts(made, where, later=revoked_from is not None)


def _tell_who_counts(made: backups.Backup, where: Path, *, later: bool) -> None:
    """Say whose certificates count: with keys of then, those that were revoked since would do so again."""
    known = backups.shut_out(where)
    typer.echo(f"Revoked stay: {', '.join(known) or 'nobody'}.", err=True)
    if not later:
        typer.echo(UNKNOWN.format(time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(made.at))), err=True)


def _state(given: Path | None) -> Path:
    return given or usual.state_directory(dict(os.environ), "coordinator")
