"""`lepton-edge adapt`: a model made ready for a platform, with what was verified and what was not.

Law: argv in, a table or a document out; what is done is for `lepton_edge.compress.adapt`, which is imported once its
extra is known to be there. Devices are measured through the client.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lepton_edge.cli import extras
from lepton_edge.cli.compress import ManifestOption, ShapeOption, measure_on, steps
from lepton_edge.cli.model import read_shape
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption
from lepton_edge.cli.output import Column, ProgressLine, Row, print_document, size, table, text
from partitioner.nouns_json import to_json

app = typer.Typer(add_completion=False)

ModelOption = Annotated[
    Path, typer.Argument(metavar="MODEL", help="An .onnx, quantized or not, or a .lepton.")
]
PlatformOption = Annotated[
    str, typer.Option("--platform", help="Whom it is for: x86, raspberrypi, jetson, android, ...")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder of the bundle; else MODEL-PLATFORM beside it."),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR|FILE.npz", help="Samples to compare answers on.")
]
PrecisionOption = Annotated[
    str, typer.Option("--precision", help='"half" or "keep"; else what the platform is fast with.')
]
OrtOption = Annotated[
    bool | None, typer.Option("--ort/--no-ort", help="Add the engine's own format; else where it serves.")
]
DeviceOption = Annotated[
    list[str] | None, typer.Option("--device", metavar="NAME", help="Run it on this device (repeatable).")
]


@app.command()
def adapt(
    model: ModelOption,
    platform: PlatformOption,
    out: OutOption = None,
    data: DataOption = None,
    *,
    opset: Annotated[int, typer.Option(help="Of the standard operators; else the model's own.")] = 0,
    precision: PrecisionOption = "",
    ort: OrtOption = None,
    device: DeviceOption = None,
    manifest: ManifestOption = None,
    shape: ShapeOption = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Make a model ready for a platform; say what was verified here, and what was not."""
    extras.require("compress")
    shapes = dict(read_shape(one) for one in shape or [])
    folder = out or model.parent / f"{model.stem}-{platform}"
    wishes: dict[str, Any] = {
        "opset": opset,
        "precision": precision,
        "ort": ort,
        "data": data,
        "shapes": shapes,
        "description": manifest,
    }
    with measure_on(device or [], coordinator, shapes, None) as measure, ProgressLine() as line:
        told = _adapted(model, platform, folder, {**wishes, "measure": measure}, line)
    print_document(told, form, render)


def _adapted(model: Path, platform: str, folder: Path, wishes: dict[str, Any], line: ProgressLine) -> Row:
    from lepton_edge.compress.adaptation import (
        adapt as adapt_model,
    )  # an extra's packages: they are required by now
    from lepton_edge.compress.changes import Wanted

    bundle = adapt_model(model, platform, folder, Wanted(**wishes), steps(line))
    return {**to_json(bundle.document()), "folder": str(folder)}


_FACTS = (
    Column("", text("kind")),
    Column("what", text("what"), wraps=True),
    Column("how", text("how"), wraps=True),
)
_KINDS = {"done": "changed", "rejected": "NOT changed", "verified": "verified", "unverified": "NOT verified"}


def render(told: Row, console: Console) -> None:
    """Draw what is known of a bundle, and its files."""
    rows = [{"kind": shown, **fact} for kind, shown in _KINDS.items() for fact in told[kind]]
    console.print(table(_FACTS, rows, title=f"{told['platform']}: {told['folder']}"))
    files = ", ".join(f"{one['name']} ({size(one['size'])})" for one in told["files"])
    console.print(f"files: {files}, bundle.json", soft_wrap=True)
