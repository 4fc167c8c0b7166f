"""`lepton-edge client key create | list | revoke`, `client join`: who may ask, and for what.

Law: the private key is made here and goes to the file alone; the coordinator sees a signing request. Draws the
coordinator's documents.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lepton_edge.cli.connect import client
from lepton_edge.cli.durations import read_duration
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption, examples
from lepton_edge.cli.output import Column, Row, print_document, table, text
from lepton_edge.cli.token import date
from lepton_edge.client import joining
from lepton_edge.core.errors import AlreadyExists, UsageError
from lepton_edge.core.identity import Credentials
from lepton_edge.core.keys import CreateKey, ListKeys, RevokeKey
from lepton_edge.security import arguments, certificates, keyring, tokens
from partitioner.units import ModelName

app = typer.Typer(
    help="Clients' keys: who may ask, and for what.", no_args_is_help=True, add_completion=False
)
key = typer.Typer(help="Keys of clients: create, list, revoke.", no_args_is_help=True, add_completion=False)
app.add_typer(key, name="key")


@app.callback()
def group() -> None:
    """Clients' keys: who may ask, and for what."""


_Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")]
_Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="It may infer on this model; may be repeated; '*': on all."),
]
_Admin = Annotated[bool, typer.Option("--admin", help="It may change everything, and infer on every model.")]
_Ttl = Annotated[str, typer.Option(metavar="DURATION", help="How long it counts: 12h, 90d.")]
_Out = Annotated[Path | None, typer.Option(help="Where the key goes; NAME.pem by default.")]


@key.command(
    epilog=examples(
        "lepton-edge client key create camera --model mobilenetv2   (an application)",
        "lepton-edge client key create anna --admin   (a person who administers)",
    )
)
def create(
    name: _Name,
    *,
    model: _Models = None,
    admin: _Admin = False,
    ttl: _Ttl = "365d",
    out: _Out = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Make a key for an application or a person, in a file that only you can read."""
    if admin == bool(model):
        raise UsageError("what may it do?", "give --model NAME (or '*'), or --admin")
    path = _free(out or Path(f"{name}.pem"))
    private = certificates.new_key()
    models = tuple(ModelName(one) for one in model or ())
    life = read_duration(ttl, "--ttl")
    asked = CreateKey(name, certificates.request(private, name), "admin" if admin else "client", models, life)
    with client(coordinator) as connected:
        told = connected.administer(asked)
    authority, certificate = (str(told.pop(part, "")).encode() for part in ("authority", "certificate"))
    keyring.write_private(path, Credentials(authority, certificate, private).pem())
    print_document({**told, "file": str(path)}, form, _render_new)


@key.command("list")
def list_keys(*, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE) -> None:
    """List who has a certificate that counts: clients, administrators and devices."""
    with client(coordinator) as asked:
        print_document(asked.administer(ListKeys()), form, _render)


@key.command()
def revoke(name: _Name, *, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE) -> None:
    """Believe a client's key no more, anywhere, at once."""
    with client(coordinator) as asked:
        told = asked.administer(RevokeKey(name))
    print_document(told, form, lambda told, console: console.print(f"{told.get('name')}: revoked"))


@app.command(
    epilog=examples(
        "lepton-edge client join 192.168.1.20:8010 --name camera --token-file token   (where it is used)"
    )
)
def join(
    coordinator: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where the coordinator is.")],
    *,
    name: Annotated[str, typer.Option(help="Whose key it is.")],
    token: Annotated[str | None, typer.Option(help="LE1...; '-': from standard input.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="The token in a file; or LEPTON_EDGE_TOKEN.")
    ] = None,
    out: _Out = None,
) -> None:
    """Make a key where it is used, by a token (`token create --role client --model NAME`)."""
    path = _free(out or Path(f"{name}.pem"))
    given = tokens.parse(_token(token, token_file))
    who, made = asyncio.run(joining.join(coordinator, given, name, typer.echo))
    keyring.write_private(path, made.pem())
    may = "administer" if who.may_administer() else f"infer on {', '.join(who.models)}"
    typer.echo(f"{path}: {who.name} may {may}")


def _token(text: str | None, file: Path | None) -> str:
    """Return the token's text, from wherever it was given; UsageError where it was not."""
    found = arguments.read_token(text, file, os.environ)
    if not found:
        raise UsageError(
            "a token is missing",
            f"give --token-file FILE, {arguments.VARIABLE}, or --token - (standard input)",
        )
    return found


def _free(path: Path) -> Path:
    if path.exists():
        raise AlreadyExists(f"{path} is there already", "give another --out, or delete it")
    return path


def _render_new(told: Row, console: Console) -> None:
    may = "administer" if told.get("role") == "admin" else f"infer on {', '.join(told.get('models') or ())}"
    console.print(f"{told.get('file')}: {told.get('name')} may {may}, until {date(told.get('expires'))}")


_COLUMNS = (
    Column("name", text("name")),
    Column("role", text("role")),
    Column("models", lambda row: ", ".join(row.get("models") or ()), wraps=True),
    Column("expires", lambda row: date(row.get("expires"))),
    Column("by", text("by")),
)


def _render(told: Row, console: Console) -> None:
    console.print(table(_COLUMNS, told.get("keys", [])))
