"""`lepton-edge infer`: one request from the command line.

Law: reads inputs from files, prints a `Result`, writes outputs to an .npz; the request itself is the
    client's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from lepton_edge.cli.archives import check_place, read_arrays, save_arrays
from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption, ModelArgument
from lepton_edge.cli.output import Column, Row, milliseconds, print_document, size, table, text
from lepton_edge.client import Client
from lepton_edge.client.exchange import Input
from lepton_edge.core.errors import InvalidInput, Unavailable
from lepton_edge.core.results import Array, Result
from partitioner.nouns_json import to_json

SHOWN_VALUES = 16
"""An output with at most so many elements is printed; of a larger one, its dtype and shape."""

app = typer.Typer(add_completion=False)


@app.command()
def infer(
    name: ModelArgument,
    given: Annotated[
        list[str],
        typer.Option(
            "--input",
            "-i",
            metavar="[INPUT=]FILE",
            help="A picture, an .npy, or an .npz with every input. Repeatable.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the outputs to this .npz.")
    ] = None,
    deadline: Annotated[
        float | None, typer.Option(help="Seconds within which the answer must be here.")
    ] = None,
    page: Annotated[
        str, typer.Option(help='Pin one page of the plan book ("local", "cloud-jpeg", ...).')
    ] = "",
    *,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Run a model on a picture or on arrays."""
    if output is not None:
        check_place(output)
    with client(coordinator) as asked:
        result = asked.infer(name, read_inputs(asked, name, given), deadline=deadline, page=page)
    if output is not None:
        save_arrays(output, result.outputs)
    print_document(document(result), form, _render)


def read_inputs(asked: Client, model: str, given: list[str]) -> dict[str, Input]:
    """Return the inputs by name; a file without a name feeds the model's only input.

    Raises:
        InvalidInput: a file cannot be read, or it is not clear which input it is for.
    """
    inputs: dict[str, Input] = {}
    for one in given:
        name, path = split_name(one)
        if path.suffix == ".npz":
            inputs.update(_named_arrays(name, path))
        else:
            inputs[name or only_input(asked, model)] = _existing(path)
    return inputs


def split_name(given: str) -> tuple[str, Path]:
    """Return (name, path) of "x=array.npy"; no name in "photo.jpg", or where the whole is a file."""
    name, found, path = given.partition("=")
    if not found or Path(given).exists():
        return "", Path(given)
    return name, Path(path)


def _named_arrays(name: str, path: Path) -> dict[str, Array]:
    arrays = read_arrays(path)
    if name:
        raise InvalidInput(
            f"{path} holds arrays with names of their own: {', '.join(arrays)}", "give it without a name"
        )
    return arrays


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}", "check the path")
    return path


def only_input(asked: Client, model: str) -> str:
    """Return the name of the model's only input.

    Raises:
        InvalidInput: it has several.
        Unavailable: no coordinator can be asked, as when an entry is asked while the coordinator is away.
    """
    try:
        told = asked.model(model)
    except Unavailable as error:
        hint = "say which input it is, then no coordinator is needed: --input NAME=FILE"
        raise Unavailable(error.message, hint) from error
    names = [str(one["name"]) for one in told.get("inputs", [])]
    if len(names) != 1:
        raise InvalidInput(
            f"{model!r} has {len(names)} inputs: {', '.join(names)}",
            f"name them: --input {names[0] if names else 'NAME'}=FILE",
        )
    return names[0]


def document(result: Result) -> Row:
    """Return `result` as a document; large outputs by dtype and shape only."""
    return {
        "schema": "lepton-edge/result/1",
        "request_id": result.request_id,
        "model": result.model,
        "epoch": result.epoch,
        "page": result.page,
        "reason": result.reason,
        "degraded": result.degraded,
        "latency": result.latency,
        "labels": to_json(result.labels),
        "outputs": [_output(name, array) for name, array in result.outputs.items()],
        "hops": to_json(result.hops),
        "metadata": result.metadata,
    }


def _output(name: str, array: Array) -> Row:
    told = {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
    return {**told, "values": array.tolist()} if array.size <= SHOWN_VALUES else told


_LABELS = (
    Column("label", lambda row: row["label"] or str(row["index"])),
    Column("score", lambda row: f"{row['score']:.4f}", right=True),
    Column("class", text("index"), right=True),
    Column("output", text("output")),
)
_OUTPUTS = (
    Column("output", text("name")),
    Column("dtype", text("dtype")),
    Column("shape", lambda row: " x ".join(str(size) for size in row["shape"]) or "scalar"),
    Column("values", lambda row: _values(row), wraps=True),
)


def _time(key: str) -> Column:
    return Column(key, lambda row: milliseconds(row[key]), right=True)


_HOPS = (
    Column("ms at", lambda row: row["device"] + _slowed(row), wraps=True),
    Column("blocks", lambda row: _blocks(row)),
    *(_time(key) for key in ("queue", "decode", "compute", "encode", "network", "total")),
    Column("sent", lambda row: size(row["bytes_out"]), right=True),
)


def _values(row: Row) -> str:
    return ", ".join(f"{value:.4g}" for value in np.ravel(row.get("values", [])))


def _blocks(row: Row) -> str:
    """Return the first and last block that ran there, "-" for none."""
    first, last = row["first_block"], row["last_block"] - 1
    return "-" if last < first else f"{first}..{last}"


def _slowed(row: Row) -> str:
    slowdown = row["simulated_slowdown"]
    return f" (SIMULATED {slowdown:g}x slower)" if slowdown != 1.0 else ""


def _render(told: Row, console: Console) -> None:
    if told["labels"]:
        console.print(table(_LABELS, told["labels"]))
        console.print()
    outputs = [one for one in told["outputs"] if not (told["labels"] and "@" in one["name"])]
    if outputs:
        console.print(table(_OUTPUTS, outputs))
        console.print()
    console.print(table(_HOPS, told["hops"]))
    console.print()
    console.print(f"{told['latency'] * 1e3:.1f} ms on page {told['page']!r}, epoch {told['epoch']}")
    if told["reason"]:
        console.print(f"why: {told['reason']}")
    console.print(f"request {told['request_id']}")
    if told["degraded"]:
        console.print("DEGRADED: answered by a declared smaller model")
