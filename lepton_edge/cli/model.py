"""`lepton-edge model push | list | show | remove | check`.

Law: files and names in, documents out; what a model is, the coordinator knows. `check` alone works here,
without any coordinator, and needs the extra that reads ONNX.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lepton_edge.cli import checking, extras
from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption, ModelArgument
from lepton_edge.cli.output import Column, ProgressLine, dig, print_document, size, table, text
from lepton_edge.core.errors import InvalidInput

app = typer.Typer(help="Push, list, show, remove and check models.", no_args_is_help=True)

_ShapeOption = Annotated[
    "list[str] | None",
    typer.Option(
        "--shape", metavar="INPUT=1,3,224,224", help="The shape of an input with symbolic dimensions."
    ),
]


@app.command()
def push(
    name: ModelArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="An ONNX model.")],
    manifest: Annotated[Path | None, typer.Option(help="TOML: pictures, labels, accuracy.")] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Pictures or arrays to measure the loss of codecs on.")
    ] = None,
    shape: _ShapeOption = None,
    *,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Upload a model and compile it."""
    shapes = dict(read_shape(one) for one in shape or [])
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.push(name, file, manifest=manifest, samples=samples, shapes=shapes, progress=progress)
    print_document(told, form, _render_model)


def read_shape(given: str) -> tuple[str, tuple[int, ...]]:
    """Return (input, shape) of "input=1,3,224,224".

    Raises:
        InvalidInput: it is not written so, or a size is not positive.
    """
    name, _, sizes = given.rpartition("=")
    parts = sizes.replace("x", ",").split(",")
    if not name or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise InvalidInput(f"{given!r} is not a shape", "write --shape input=1,3,224,224")
    return name, tuple(int(part) for part in parts)


@app.command("list")
def list_models(*, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE) -> None:
    """List the pushed models."""
    with client(coordinator) as asked:
        print_document(asked.models(), form, _render_models)


@app.command()
def show(
    name: ModelArgument, *, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE
) -> None:
    """Show one model: inputs, outputs, weights, what of it is active."""
    with client(coordinator) as asked:
        print_document(asked.model(name), form, _render_model)


@app.command()
def remove(
    name: ModelArgument, *, coordinator: CoordinatorOption = None, form: FormatOption = Format.TABLE
) -> None:
    """Retire a model on every device and delete it."""
    with client(coordinator) as asked:
        told = asked.remove(name)
    print_document(told, form, lambda _, console: console.print(f"removed {name}"))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="An ONNX model.")],
    cuts: Annotated[str, typer.Option(metavar="N|all", help="How many cuts to try.")] = "10",
    inputs: Annotated[
        Path | None, typer.Option(help="An .npz with every input; generated without it.")
    ] = None,
    *,
    form: FormatOption = Format.TABLE,
) -> None:
    """Run a model whole and split, here, and compare; exit status 0 if all agree, 13 if not."""
    extras.require("coordinator")
    told = checking.check(file, read_cuts(cuts), inputs)
    print_document(told, form, checking.render)
    if not told["agrees"]:
        raise typer.Exit(checking.ANSWERS_DIFFER)


def read_cuts(given: str) -> int | str:
    """Return a positive number of cuts, or "all".

    Raises:
        InvalidInput: it is neither.
    """
    if given == "all":
        return given
    if given.isdecimal() and int(given) > 0:
        return int(given)
    raise InvalidInput(f"{given!r} is no number of cuts", "write --cuts 10, or --cuts all")


_MODELS = (
    Column("model", text("name")),
    Column("version", text("version")),
    Column("weights", lambda row: size(row.get("weights")), right=True),
    Column("layers", text("layers"), right=True),
    Column("samples", text("samples"), right=True),
    Column("active", lambda row: active_line(row)),
    Column("description", text("description")),
)


def active_line(row: dict[str, Any]) -> str:
    """Return "epoch 3, page cut-2" of a model row, "no" when nothing of it is active."""
    active = row.get("active")
    if not isinstance(active, dict):
        return "no"
    return f"epoch {active.get('epoch')}, page {active.get('page')}"


_TENSORS = (
    Column("name", lambda row: str(dig(row, "tensor", "name") or row.get("tensor", ""))),
    Column("dtype", text("tensor", "dtype")),
    Column("shape", lambda row: " x ".join(str(one) or "?" for one in dig(row, "tensor", "shape") or [])),
    Column("also taken as", lambda row: "a picture (JPEG, PNG, uint8 array)" if row.get("picture") else ""),
)
_OUTPUTS = (
    Column("name", text("tensor")),
    Column("returned", lambda row: _returned(row)),
)


def _returned(row: dict[str, Any]) -> str:
    kinds = ["labels" if row.get("labels") else "top-k"] if row.get("scores") else []
    return " and ".join([*kinds, "the tensor"] if row.get("keep", True) else kinds)


def _render_models(told: dict[str, Any], console: Console) -> None:
    models = told.get("models", [])
    console.print(table(_MODELS, models) if models else "no models: lepton-edge model push NAME FILE.onnx")


def _render_model(told: dict[str, Any], console: Console) -> None:
    console.print(table(_MODELS, [told]))
    console.print()
    console.print(table(_TENSORS, told.get("inputs", []), title="inputs"))
    console.print()
    console.print(table(_OUTPUTS, told.get("outputs", []), title="outputs"))
