"""`lepton-edge model push | list | show | move | rollback | remove | check`.

Law: files and names in, documents out; what a model is, the coordinator knows. `check` alone works here,
without any coordinator, and needs the extra that reads ONNX.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from lepton_edge.cli import checking, deploy, exit_codes, extras
from lepton_edge.cli.connect import client
from lepton_edge.cli.options import (
    CoordinatorOption,
    DryRunOption,
    Format,
    FormatOption,
    ModelArgument,
    NewModelArgument,
    examples,
)
from lepton_edge.cli.output import Column, ProgressLine, Row, print_document, size, table, text
from lepton_edge.cli.places import BoardOption, read_board
from lepton_edge.core.errors import UsageError

SHOWN_TENSORS = 8
"""How many unmeasured tensors are named; all are in the document."""

app = typer.Typer(
    help="Push, list, show, move, roll back, remove and check models.",
    no_args_is_help=True,
    add_completion=False,
)

_ShapeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--shape", metavar="INPUT=1,3,224,224", help="The shape of an input with symbolic dimensions."
    ),
]


_BottleneckOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--bottleneck", metavar="FOLDER", help="A codec trained for this file: `compress --bottleneck`."
    ),
]


_VariantOption = Annotated[
    str,
    typer.Option("--variant-of", metavar="NAME", help="The model that this is another precision of."),
]


_DeployOption = Annotated[
    bool, typer.Option("--deploy", help="Deploy it at once, as `deploy NAME` without options does.")
]


@app.command(
    epilog=examples(
        "lepton-edge model push mobilenetv2 mobilenetv2.onnx --deploy",
        "lepton-edge model push mobilenetv2 mobilenetv2.onnx --manifest mobilenetv2.toml --samples pictures",
    )
)
def push(
    name: NewModelArgument,
    file: Annotated[
        Path, typer.Argument(metavar="FILE.onnx|DIR", help="An ONNX model, or what `compress` wrote.")
    ],
    manifest: Annotated[Path | None, typer.Option(help="TOML: pictures, labels, accuracy.")] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Pictures or arrays to measure the loss of codecs on.")
    ] = None,
    shape: _ShapeOption = None,
    *,
    bottleneck: _BottleneckOption = None,
    variant_of: _VariantOption = "",
    deploy_it: _DeployOption = False,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Upload a model and compile it."""
    shapes = dict(read_shape(one) for one in shape or [])
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.push(
            name, file, manifest=manifest, samples=samples, shapes=shapes, bottlenecks=bottleneck or (),
            variant_of=variant_of, progress=progress,
        )  # fmt: skip
        if deploy_it:
            told = asked.deploy(name, progress=progress)
    print_document(told, form, deploy.render if deploy_it else _render_model)


def read_shape(given: str) -> tuple[str, tuple[int, ...]]:
    """Return (input, shape) of "input=1,3,224,224".

    Raises:
        UsageError: it is not written so, or a size is not positive.
    """
    name, _, sizes = given.rpartition("=")
    parts = sizes.replace("x", ",").split(",")
    if not name or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(
            f"--shape {given}: not a shape", "write --shape INPUT=SIZES, such as --shape input=1,3,224,224"
        )
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
    name: ModelArgument,
    dry_run: DryRunOption = False,
    *,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Retire a model on every device and delete it."""
    with client(coordinator) as asked:
        told = asked.remove(name, dry_run=dry_run)
    print_document(told, form, lambda found, console: console.print(removal_line(found)))


@app.command()
def move(
    name: ModelArgument,
    source: Annotated[
        str, typer.Option("--from", metavar="DEVICE", help="The board or cloud that it leaves.")
    ],
    target: Annotated[str, typer.Option("--to", metavar="DEVICE", help="Another device of that role.")],
    *,
    device: BoardOption = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Run on one device what another runs of a model; what runs there goes on until it does."""
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.move(name, source, target, board=read_board(device), progress=progress)
    print_document(told, form, deploy.render)


@app.command()
def rollback(
    name: ModelArgument,
    *,
    device: BoardOption = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Run the version before again, or end what is tried; at once, since it is kept prepared."""
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.roll_back(name, board=read_board(device), progress=progress)
    print_document(told, form, _render_rolled_back)


def _render_rolled_back(told: Row, console: Console) -> None:
    version = told.get("version", "")
    if told.get("plan") is not None:  # a deployment of the version before
        console.print(f"{told.get('model', '')}: active: epoch {told.get('epoch')}, version {version}")
    else:
        console.print(f"{told.get('model', '')}: what was tried is over; {active_line(told)} answers alone")


def removal_line(told: Row) -> str:
    """Return what became of a model that was to be removed, or would have."""
    name = told.get("model", "")
    if told.get("removed"):
        return f"removed {name}"
    if not told.get("epoch"):
        return f"would remove {name}; nothing of it is active"
    return f"would remove {name} and end epoch {told['epoch']} on {', '.join(told.get('devices', []))}"


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="An ONNX model.")],
    cuts: Annotated[str, typer.Option(metavar="N|all", help="How many cuts to try.")] = "10",
    inputs: Annotated[
        Path | None, typer.Option(help="An .npz with every input; generated without it.")
    ] = None,
    shape: _ShapeOption = None,
    *,
    form: FormatOption = Format.TABLE,
) -> None:
    """Run a model whole and split, here, and compare; exit status 0 if all agree, 13 if not."""
    extras.require("coordinator")
    told = checking.check(file, read_cuts(cuts), inputs, dict(read_shape(one) for one in shape or []))
    print_document(told, form, checking.render)
    if not told["agrees"]:
        raise typer.Exit(exit_codes.ANSWERS_DIFFER)


def read_cuts(given: str) -> int | Literal["all"]:
    """Return a positive number of cuts, or "all".

    Raises:
        UsageError: it is neither.
    """
    if given == "all":
        return "all"
    if given.isdecimal() and int(given) > 0:
        return int(given)
    raise UsageError(f"--cuts {given}: no number of cuts", "write --cuts 10, or --cuts all")


MODELS = (
    Column("model", text("model")),
    Column("version", text("version")),
    Column("weights", lambda row: size(row.get("weights_bytes")), right=True),
    Column("layers", text("layers"), right=True),
    Column("samples", text("samples"), right=True),
    Column("active", lambda row: active_line(row), wraps=True),
    Column("description", text("description"), wraps=True),
)
_VARIANT_OF = Column("variant of", text("variant_of"))
NO_MODELS = "no models: lepton-edge model push NAME FILE.onnx"


def active_line(row: Row) -> str:
    """Return "epoch 3, page cut-2, now local" of a model's row, for each board of several; "no" when none is active."""
    boards = row.get("boards", [])
    if len(boards) > 1:
        return "; ".join(
            f"{one['board'] or 'clouds alone'}: epoch {one['epoch']}, {page_line(one)}" for one in boards
        )
    return f"epoch {row['epoch']}, {page_line(boards[0] if boards else row)}" if row.get("epoch") else "no"


def page_line(row: Row) -> str:
    """Return "page cut-2", and the page that its entry turned to, where that is another."""
    page = row.get("page", "")
    now = row.get("page_now") or page
    return f"page {page}" if now == page else f"page {page}, now {now}"


_INPUTS = (
    Column("input", text("name")),
    Column("dtype", text("dtype")),
    Column("shape", lambda row: shape_line(row.get("shape", []))),
    Column(
        "taken as",
        lambda row: "a picture (JPEG, PNG, uint8 array) or an array" if row.get("picture") else "an array",
    ),
)
_OUTPUTS = (
    Column("output", text("name")),
    Column("returned as", lambda row: _returned(row)),
)
_EPOCHS = (
    Column("epoch", text("epoch"), right=True),
    Column("state", text("state")),
    Column("board", text("board")),
    Column("page", text("page")),
    Column("devices", text("devices")),
    Column("reason", text("reason"), wraps=True),
)


def shape_line(shape: list[int | str]) -> str:
    """Return a shape as people write it: "1 x 3 x 224 x 224", a nameless dynamic dimension as "?"."""
    return " x ".join(str(one) if one != "" else "?" for one in shape) or "scalar"


def _returned(row: Row) -> str:
    if row.get("labels"):
        return "labels with scores"
    return "the highest scores" if row.get("top") else "a tensor"


def _render_models(told: Row, console: Console) -> None:
    models = told.get("models", [])
    console.print(table(columns_of(models), models) if models else NO_MODELS)


def columns_of(models: list[Row]) -> tuple[Column, ...]:
    """Return the columns for `models`: whose variant each is only where one is."""
    return (*MODELS[:2], _VARIANT_OF, *MODELS[2:]) if any(one.get("variant_of") for one in models) else MODELS


def _render_model(told: Row, console: Console) -> None:
    console.print(table(MODELS, [told]))
    for line in variant_lines(told):
        console.print(line, soft_wrap=True)
    for columns, key in ((_INPUTS, "inputs"), (_OUTPUTS, "outputs"), (_EPOCHS, "epochs")):
        if told.get(key):
            console.print()
            console.print(table(columns, told[key]))
    for line in codec_lines(told):
        console.print()
        console.print(line, soft_wrap=True)


def variant_lines(told: Row) -> list[str]:
    """Return whose variant a model is and how it differs, and which variants it has."""
    lines = []
    if differs := told.get("differs"):
        line = f"variant of {differs['from']}: {size(differs['weights_bytes'])} of weights"
        line += f" instead of {size(differs['its_weights_bytes'])}"
        for what, key in (("operators of its own", "operators"), ("without", "without")):
            names = [one.removeprefix("ai.onnx/") for one in differs[key]]
            line += f"; {what}: {', '.join(names)}" if names else ""
        lines.append(line)
        if differs.get("outdated"):
            lines.append(f"it is of another version of {differs['from']}, and is run for none: make it anew")
    elif told.get("variant_of"):
        lines.append(f"variant of {told['variant_of']}, which is not there")
    told_of = [
        f"{one['model']} ({size(one['weights_bytes'])} of weights)" for one in told.get("variants") or []
    ]
    return lines + ([f"variants: {', '.join(told_of)}"] if told_of else [])


def codec_lines(told: Row) -> list[str]:
    """Return on how many samples the loss of codecs was measured, and what was left out for want of time."""
    lines = []
    if told.get("codec_samples"):
        least, most = told["codec_samples"]
        used = f"{most}" if least == most else f"{least}..{most}"
        lines.append(f"codecs: loss measured on {used} of {told.get('samples', most)} samples")
    left = told.get("unmeasured") or []
    if left:
        more = f" and {len(left) - SHOWN_TENSORS} more" if len(left) > SHOWN_TENSORS else ""
        lines.append(
            f"codecs: no time to measure {', '.join(left[:SHOWN_TENSORS])}{more}; these cross lossless"
        )
    return lines
