"""`lepton-edge compress`: the smallest or fastest model that still answers right.

Law: argv in, a table or a document out; what helps is for `lepton_edge.compress` to find, which is imported once its
extra is known to be there. Devices are measured through the client.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lepton_edge.cli import extras
from lepton_edge.cli.connect import client
from lepton_edge.cli.measuring import DeviceMeasure
from lepton_edge.cli.metric_source import read_metric
from lepton_edge.cli.model import read_shape
from lepton_edge.cli.options import CoordinatorOption, Format, FormatOption
from lepton_edge.cli.output import Column, ProgressLine, Row, print_document, size, table, text
from lepton_edge.core.errors import UsageError
from lepton_edge.core.messages import Progress

app = typer.Typer(add_completion=False)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h)?")
_UNITS = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}

ModelOption = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="An .onnx; a .pt2, .keras, .h5, .tflite or SavedModel with an extra."
    ),
]
DataOption = Annotated[
    Path,
    typer.Option("--data", metavar="DIR|FILE.npz", help="Samples: part calibrates, other pictures judge."),
]
DropOption = Annotated[
    str, typer.Option("--max-drop", help="The largest loss of the metric that is accepted.")
]
TargetOption = Annotated[str, typer.Option("--target", help='What is to be won: "latency" or "size".')]
DeviceOption = Annotated[
    list[str] | None,
    typer.Option("--device", metavar="NAME", help="Measure on this device (repeatable); without it, here."),
]
RecipeOption = Annotated[
    Path | None, typer.Option("--recipe", metavar="FILE.toml", help="Try this recipe only.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="For all candidates and the best one.")
]
MetricOption = Annotated[
    str,
    typer.Option(
        "--metric", help='"top1" (labels), "agreement" or "cosine" (with the original), or FILE.py:FUNCTION.'
    ),
]
ManifestOption = Annotated[
    Path | None,
    typer.Option(help="TOML that says how pictures become inputs; else the one beside the model."),
]
TrainingOption = Annotated[
    Path | None,
    typer.Option("--training", metavar="DIR|FILE.npz", help="Other, labelled data to train with."),
]
TimeOption = Annotated[str, typer.Option("--time-limit", help="Stop after so long: 90s, 20min, 2h.")]
PlatformOption = Annotated[
    str, typer.Option("--platform", help="Whose processor it is for: x86, raspberrypi, jetson, android, ...")
]
ShapeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--shape", metavar="INPUT=1,3,224,224", help="On devices, of an input with symbolic dimensions."
    ),
]
BottleneckOption = Annotated[
    str,
    typer.Option(
        "--bottleneck",
        metavar="auto|TENSOR",
        help="Instead: train a codec for splits at this tensor, for `model push --bottleneck`.",
    ),
]


@app.command()
def compress(
    model: ModelOption,
    data: DataOption,
    max_drop: DropOption = "1%",
    target: TargetOption = "latency",
    device: DeviceOption = None,
    *,
    recipe: RecipeOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in --out.")] = False,
    out: OutOption = None,
    time_limit: TimeOption = "0",
    candidates: Annotated[int, typer.Option(min=1, max=1000, help="Tried at most.")] = 24,
    metric: MetricOption = "",
    manifest: ManifestOption = None,
    training: TrainingOption = None,
    platform: PlatformOption = "",
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds choose and split equally.")] = 0,
    shape: ShapeOption = None,
    bottleneck: BottleneckOption = "",
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Make a model smaller or faster, and keep its accuracy within a budget; the original is never touched."""
    extras.require("compress")
    how: dict[str, Any] = {"max_drop": read_drop(max_drop), "metric": read_metric(metric), "out": out}
    how |= {"training": training, "seed": seed}
    if bottleneck:
        make_bottleneck(model, data, bottleneck, {**how, "manifest": manifest}, form)
        return
    options = {**how, "target": target, "resume": resume, "time_limit": read_duration(time_limit)}
    options |= {"max_candidates": candidates, "description": manifest, "recipe": _recipe(recipe)}
    options["devices"] = tuple(device or ())
    shapes = dict(read_shape(one) for one in shape or [])
    with measure_on(device or [], coordinator, shapes, manifest or _beside(model)) as measure:
        kind = platform or (measure.platform() if measure is not None else "")
        report = _run(model, data, {**options, "measure": measure, "platform": _platform(kind)}, form)
    print_document(report.document(), form, render)


def make_bottleneck(model: str, data: Path, at: str, how: dict[str, Any], form: Format) -> None:
    """Train a codec for splits, and say what it is."""
    from lepton_edge.compress.coding import bottleneck  # an extra's packages: they are required by now

    with ProgressLine() as line:
        made = bottleneck(model, data, at, **how, progress=steps(line))
    print_document(made.document(), form, render_bottleneck)


def render_bottleneck(told: Row, console: Console) -> None:
    """Say what a codec sends, what it loses, and what to do with it."""
    score, original = (told[one]["mean"] for one in ("score", "original"))
    console.print(
        f"{told['tensor']}: {told['code']} bytes in place of {told['plain']} (uint8)", soft_wrap=True
    )
    console.print(
        f"{told['score']['metric']} {score:.4f} of {original:.4f}, on {told['score']['count']} samples that it was "
        "not trained with",
        soft_wrap=True,
    )
    console.print(
        f"written; push it with the model: model push NAME FILE.onnx --bottleneck {told['folder']}",
        soft_wrap=True,
    )


def _beside(model: str) -> Path | None:
    """Return the manifest beside the model, where there is one; a path without a name ("." or "/") has none."""
    path = Path(model)
    beside = path.with_suffix(".toml") if path.name else path
    return beside if beside.is_file() else None


def _recipe(path: Path | None) -> Any:
    from lepton_edge.compress.recipe_file import read_recipe

    return None if path is None else read_recipe(path)


def _platform(name: str) -> Any:
    from lepton_edge.compress.platforms import target_of

    return target_of(name) if name else None


@contextlib.contextmanager
def measure_on(
    devices: list[str], coordinator: str | None, shapes: dict[str, tuple[int, ...]], manifest: Path | None
) -> Iterator[DeviceMeasure | None]:
    """Yield what measures on `devices` through the coordinator, or None where none are named."""
    if not devices:
        yield None
        return
    with client(coordinator) as asked, DeviceMeasure(asked, devices, shapes, manifest) as measure:
        yield measure


def _run(model: str, data: Path, options: dict[str, Any], form: Format) -> Any:
    """Search; a budget that is not met shows what was tried before it is told."""
    from lepton_edge.compress.face import compress as search  # an extra's packages: they are required by now
    from lepton_edge.compress.search import NotMet

    try:
        with ProgressLine() as line:
            return search(model, data, **options, progress=steps(line))
    except NotMet as error:
        if form is Format.JSON or error.report.candidates:
            print_document(error.report.document(), form, render)
        raise
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept: go on with --resume", file=sys.stderr)
        raise


def steps(line: ProgressLine) -> Callable[[str, int, int], None]:
    """Return what tells `line` of a search: the candidate that is tried, and what is done for it."""

    def told(what: str, done: int, total: int) -> None:
        if what.startswith("note: "):
            line.note(what)
        elif what.startswith("try "):
            line.begin(f"[{done + 1}/{total}] ")
            line(Progress("", what, 0, 0))
        elif line.alive:
            line(Progress("", what, done, total))

    return told


def read_drop(given: str) -> float:
    """Return 0.01 of "1%" or "0.01".

    Raises:
        UsageError: it is no share.
    """
    try:
        number = float(given.strip().removesuffix("%")) / (100.0 if "%" in given else 1.0)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise UsageError(f"--max-drop {given}: no share below 1", "write --max-drop 1%, or 0.01")
    return number


def read_duration(given: str) -> float:
    """Return the seconds of "90", "90s", "20min" or "2h".

    Raises:
        UsageError: it is no duration.
    """
    found = _DURATION.fullmatch(given.strip())
    if found is None:
        raise UsageError(f"--time-limit {given}: no time", "write --time-limit 20min")
    return float(found[1]) * _UNITS[found[2] or ""]


def _score(row: Row) -> str:
    score = row.get("score")
    return f"{score['mean']:.4f}" if score else ""


def _times(row: Row) -> str:
    pairs = zip(row.get("timings", []), row.get("originals", []), strict=False)
    from lepton_edge.compress.report import span

    told = [f"{span(mine['median'])} of {span(its['median'])}" for mine, its in pairs]
    return ", ".join(told)


def _counted(row: Row) -> str:
    return size(min(row["size"], row["stored"]) if row.get("stored") else row.get("size") or None)


_COLUMNS = (
    Column("recipe", text("called"), wraps=True),
    Column("bytes", _counted, right=True),
    Column("score", _score, right=True),
    Column("time", _times, right=True),
    Column("why not", text("rejected"), wraps=True),
)


def render(told: Row, console: Console) -> None:
    """Draw every candidate beside the original, and say what the best one bought."""
    rows = [{**told["original"], "called": "the original"}, *told["candidates"]]
    devices = ", ".join(one["device"] for one in told["original"]["timings"])
    console.print(table(_COLUMNS, rows, title=f"{told['model']}{f' on {devices}' if devices else ''}"))
    for note in told["notes"]:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(f"ended with {told['ended']}", soft_wrap=True)
    best = told["best"]
    if best is None:
        return
    console.print()
    console.print(f"best: {best['called']}: {told['gains']}", soft_wrap=True)
    console.print(f"written to {told['file']}, with its manifest and report.html beside it", soft_wrap=True)
