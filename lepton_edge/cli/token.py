"""`lepton-edge token create | list | revoke`.

Law: asks, draws the coordinator's documents. A new token is printed once, on standard output, and nowhere else.
"""

from __future__ import annotations

import datetime
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from lepton_edge.cli.connect import client
from lepton_edge.cli.durations import read_duration
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption, examples
from lepton_edge.cli.output import Column, Row, print_document, table, text
from lepton_edge.core.keys import CreateToken, ListTokens, RevokeToken
from partitioner.units import ModelName

app = typer.Typer(
    help="Tokens to join with: create, list, revoke.", no_args_is_help=True, add_completion=False
)


@app.callback()
def group() -> None:
    """Tokens to join with: create, list, revoke."""


_Ttl = Annotated[str, typer.Option(metavar="DURATION", help="How long it counts: 90s, 10m, 2h, 1d.")]
_Uses = Annotated[int, typer.Option(min=1, max=1000, help="How many may join with it.")]
_Role = Annotated[str, typer.Option(help="Of who joins with it: agent, client or admin.")]
_Models = Annotated[
    list[str] | None, typer.Option("--model", help="A client's model; may be repeated; '*': every model.")
]


@app.command(
    epilog=examples(
        "lepton-edge token create   (one device, within a day)",
        "lepton-edge token create --uses 20 --ttl 2h   (a shelf of them)",
    )
)
def create(
    *,
    ttl: _Ttl = "1d",
    uses: _Uses = 1,
    role: _Role = "agent",
    model: _Models = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Make a token and print it; who joins with it gets a certificate."""
    models = tuple(ModelName(name) for name in model or ())
    call = CreateToken(read_duration(ttl, "--ttl"), uses, role, models)
    with client(coordinator) as asked:
        told = asked.administer(call)
    print_document(told, form, _render_new)


@app.command("list")
def list_tokens(*, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE) -> None:
    """List the tokens that still count; their secrets are not kept anywhere."""
    with client(coordinator) as asked:
        print_document(asked.administer(ListTokens()), form, _render)


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="The token's id; see `token list`.")],
    *,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Let nobody join with a token any more; who has joined stays."""
    with client(coordinator) as asked:
        told = asked.administer(RevokeToken(token))
    print_document(told, form, lambda told, console: console.print(f"{told.get('token')}: revoked"))


def _render_new(told: Row, console: Console) -> None:
    sys.stdout.write(f"{told.get('text', '')}\n")
    uses, until = told.get("uses"), date(told.get("expires"))
    sys.stderr.write(f"good for {uses} to join until {until}; it is not shown again\n")


def date(seconds: Any) -> str:
    """Return a date for people; "" where there is none."""
    if not isinstance(seconds, (int, float)):
        return ""
    return datetime.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


_COLUMNS = (
    Column("token", text("token")),
    Column("role", text("role")),
    Column("left", text("left"), right=True),
    Column("expires", lambda row: date(row.get("expires"))),
    Column("models", lambda row: ", ".join(row.get("models") or ()), wraps=True),
)


def _render(told: Row, console: Console) -> None:
    rows = told.get("tokens", [])
    console.print(table(_COLUMNS, rows) if rows else "no tokens: lepton-edge token create")
