"""`lepton-edge plan explain | diff | what-if | pin | unpin`.

Law: draws the planner's documents by the planner's own renderers; plans nothing itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lepton_edge.cli import deploy
from lepton_edge.cli import wish_options as w
from lepton_edge.cli.absent import note_absent, render_absent
from lepton_edge.cli.connect import client
from lepton_edge.cli.options import CoordinatorOption, DryRunOption, Format, FormatOption, ModelArgument
from lepton_edge.cli.output import ProgressLine, print_document
from lepton_edge.cli.places import BoardOption, read_board
from lepton_edge.cli.wishes import read_link, read_speed
from lepton_edge.client import Client
from lepton_edge.core.calls import Wishes
from lepton_edge.core.errors import InvalidInput, UsageError
from partitioner.report import html, terminal
from partitioner.report.difference import difference, render_difference
from partitioner.report.exposure import exposure_lines

PLAN_SCHEMA = "lepton-edge/plan/1"
_NAMED = re.compile(r"([^@]+)@([1-9]\d{0,17})")  # an int64 holds any

app = typer.Typer(
    help="Explain the plan, compare plans, ask what if, pin your own.",
    no_args_is_help=True,
    add_completion=False,
)

_Plan = Annotated[
    str,
    typer.Argument(
        metavar="PLAN",
        help="NAME (its active plan), NAME@EPOCH (a remembered one), or a file that `plan explain --format json` "
        "was saved to.",
    ),
]
_Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write one page that opens offline.")
]
_Link = Annotated[
    str | None,
    typer.Option(
        metavar="UP,DELAY|UP,DOWN,DELAY",
        help="Another link: Mbit/s, and milliseconds one way. UP alone: its rate.",
    ),
]
_Speeds = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        metavar="DEVICE*TIMES|board=NAME",
        help="'board*2': the board twice as fast. board=NAME: of several boards, this one. Repeatable.",
    ),
]
_Behind = Annotated[
    str,
    typer.Option(
        metavar="LAYER|TENSOR", help="It, and all that it needs, runs on the board; the rest in the cloud."
    ),
]
_Privacy = Annotated[
    bool,
    typer.Option("--privacy", help="Measure how well inputs are reconstructed from what leaves the board."),
]
_Page = Annotated[str, typer.Option(help="A page of the plan book, such as local or cloud-jpeg.")]


@app.callback()
def group() -> None:
    """Explain the plan, compare plans, ask what if, pin your own."""


@app.command()
def explain(
    name: _Plan,
    page: _Html = None,
    *,
    privacy: _Privacy = False,
    device: BoardOption = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Explain a plan: candidates, predictions, what would change the choice."""
    told = read_plan(name, coordinator, read_board(device), privacy=privacy)
    if page is None:
        with _whole(name):
            print_document(told, form, _render)
        return
    with _whole(name):
        drawn = html.page(told)
    try:
        page.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot write {page}: {error.strerror}", "choose another file") from error
    typer.echo(f"wrote {page}")


@app.command()
def diff(
    old: _Plan,
    new: _Plan,
    *,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Compare two plans: what moved, what it costs, what caused it."""
    plans = read_plan(old, coordinator), read_plan(new, coordinator)
    with _whole(old, new):
        print_document(difference(*plans), form, render_difference)


@app.command("what-if")
@w.with_wishes
def what_if(
    name: ModelArgument,
    link: _Link = None,
    *,
    device: _Speeds = None,
    wishes: Wishes,
    keep_input_on_board: w.SupposeInput = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Say what the plan would be on another link, on faster devices, by other wishes; change nothing.

    What is not given is as it is for the active plan. Nothing is measured: a device that never was is estimated.
    """
    given = device or []
    boards = [one for one in given if "*" not in one and "=" in one]
    supposed: dict[str, Any] = {
        "link": None if link is None else read_link(link),
        "board": read_board(boards[-1]) if boards else "",
        "speeds": dict(read_speed(one) for one in given if one not in boards),
        "keep_input_on_board": keep_input_on_board,
    }
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.what_if(name, **supposed, wishes=wishes, progress=progress)
    if told.get("active"):
        told["difference"] = difference(told["active"], told["plan"])
    print_document(told, form, _render_what_if)


@app.command()
def pin(
    name: ModelArgument,
    behind: _Behind = "",
    page: _Page = "",
    dry_run: DryRunOption = False,
    *,
    device: BoardOption = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Run a model by your own split; it is checked, costed, and compared with the best."""
    if bool(behind) == bool(page):
        raise UsageError("plan pin: which split?", "give --behind LAYER (or a tensor), or --page PAGE")
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.pin(
            name, behind=behind, page=page, dry_run=dry_run, board=read_board(device), progress=progress
        )
    print_document(told, form, deploy.render)


@app.command()
def unpin(
    name: ModelArgument,
    dry_run: DryRunOption = False,
    *,
    device: BoardOption = None,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Run a model by the best plan again; every other wish stays."""
    with client(coordinator) as asked, ProgressLine() as progress:
        told = asked.pin(name, dry_run=dry_run, board=read_board(device), progress=progress)
    print_document(told, form, deploy.render)


def read_plan(
    named: str, coordinator: str | None, board: str = "", *, privacy: bool = False
) -> dict[str, Any]:
    """Return the plan's document: of a model (for one of its boards), of one of its epochs, or out of a file.

    Raises:
        UsageError: `privacy` is to be measured of a file.
        InvalidInput: the file cannot be read, or holds no plan.
    """
    if _is_file(named) and privacy:
        raise UsageError("--privacy measures, and a file has no samples", "name the model")
    if _is_file(named):
        return _read_file(Path(named))
    with client(coordinator) as asked:
        return _ask(asked, named, board, privacy)


def _is_file(named: str) -> bool:
    return named.endswith(".json") or Path(named).is_file()


@contextmanager
def _whole(*named: str) -> Iterator[None]:
    """Blame a plan that was read from a file, which anybody may have written, for what cannot be drawn of it.

    Raises:
        InvalidInput: a part is missing, or is no such thing.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        files = [one for one in named if _is_file(one)]
        if not files:
            raise
        raise InvalidInput(
            f"the plan in {' or '.join(files)} is not whole: {type(error).__name__}: {error}",
            "save it again: lepton-edge plan explain NAME --format json > plan.json",
        ) from error


def _ask(asked: Client, named: str, board: str, privacy: bool) -> dict[str, Any]:
    of_epoch = _NAMED.fullmatch(named)
    if of_epoch:
        return asked.explain(of_epoch[1], int(of_epoch[2]), privacy=privacy)
    told = asked.explain(named, board=board, privacy=privacy)
    note_absent(asked, told, told)
    return told


def _read_file(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"cannot read the plan in {path}: {error}", "check the file") from error
    plan = told if _is_plan(told) else told.get("plan") if isinstance(told, dict) else None
    if not isinstance(plan, dict) or not _is_plan(plan):  # a deployment and a what-if hold one
        raise InvalidInput(
            f"{path} holds no plan", "save one: lepton-edge plan explain NAME --format json > plan.json"
        )
    return plan


def _is_plan(told: Any) -> bool:
    return isinstance(told, dict) and told.get("schema") == PLAN_SCHEMA


def _render(told: dict[str, Any], console: Console) -> None:
    terminal.render(told, console)
    render_absent(told, console)
    for line in exposure_lines(told):
        console.print(line, markup=False, highlight=False)
    others = [board or "clouds alone" for board in told.get("boards", []) if board != told.get("board")]
    if others:
        mine = told.get("board") or "clouds alone"
        console.print(f"this is the plan for {mine}; others are active for: {', '.join(others)}")
    if len(told.get("turning", [])) > 1:
        now = told.get("page_now") or told.get("page", "")
        console.print(f"the entry turns by itself between {', '.join(told['turning'])}; now: {now}")
    if told.get("replicas"):
        console.print(f"replicas, best first: {', '.join(told['replicas'])}")
    for one in told.get("stale", []):
        console.print(
            f"STALE: {one['device']} is not as it was measured ({one['why']}); the next deploy measures it again",
            style="bold yellow",
        )


def _render_what_if(told: dict[str, Any], console: Console) -> None:
    console.print("WHAT IF: nothing was changed, and nothing of this is measured", style="bold yellow")
    terminal.render(told["plan"], console)
    if told.get("difference"):
        console.print()
        render_difference(told["difference"], console)
