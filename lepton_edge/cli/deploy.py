"""`lepton-edge deploy`.

Law: asks, shows progress, draws the explained plan by the planner's own renderer.
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Annotated

import typer
from rich.console import Console

from lepton_edge.cli import exit_codes
from lepton_edge.cli import wish_options as w
from lepton_edge.cli.absent import note_absent, render_absent
from lepton_edge.cli.connect import client
from lepton_edge.cli.options import (
    CoordinatorOption,
    DryRunOption,
    Format,
    FormatOption,
    ModelArgument,
    examples,
)
from lepton_edge.cli.output import ProgressLine, Row, print_document
from lepton_edge.cli.places import (
    AllBoardsOption,
    DevicesOption,
    Places,
    ReplicasOption,
    read_places,
)
from lepton_edge.client import Client
from lepton_edge.core.calls import Wishes
from lepton_edge.core.errors import UsageError
from partitioner.errors import LeptonError
from partitioner.report import terminal

app = typer.Typer(add_completion=False)

_Page = Annotated[str | None, typer.Option(help="Pin this page instead of the best.")]


class Policy(str, Enum):
    """How one caller's requests wait."""

    BLOCK = "block"
    NEWEST = "newest"
    OLDEST = "oldest"


_Queue = Annotated[
    Policy | None,
    typer.Option(help="How one caller's requests wait, whatever the model's manifest says."),
]
_NoAdapt = Annotated[
    bool, typer.Option("--no-adapt", help="Keep this plan until somebody deploys again: nothing replans it.")
]
_Canary = Annotated[
    str | None,
    typer.Option(
        metavar="10%", help="Let this share of the requests try it first; promoted if it is no worse."
    ),
]
_CanaryRequests = Annotated[
    int, typer.Option(min=0, metavar="N", help="That a canary must answer before it is promoted; 0: 100.")
]
_Refresh = Annotated[bool, typer.Option("--refresh", help="Measure again what is measured.")]


@app.command(
    epilog=examples(
        "lepton-edge deploy mobilenetv2",
        "lepton-edge deploy mobilenetv2 --dry-run   (only the plan)",
        "lepton-edge deploy mobilenetv2 --device board=kitchen --keep-input-on-board",
    )
)
@w.with_wishes
def deploy(
    name: ModelArgument,
    *,
    wishes: Wishes,
    keep_input_on_board: w.KeepInput = False,
    no_measure: w.NoMeasure = False,
    refresh: _Refresh = False,
    dry_run: DryRunOption = False,
    page: _Page = None,
    queue: _Queue = None,
    no_adapt: _NoAdapt = False,
    device: DevicesOption = None,
    all_boards: AllBoardsOption = False,
    replicas: ReplicasOption = None,
    canary: _Canary = None,
    canary_requests: _CanaryRequests = 0,
    coordinator: CoordinatorOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Measure what is missing, plan, prepare the devices and activate."""
    wished: Row = {
        "wishes": dataclasses.replace(wishes, measure=not no_measure),
        "keep_input_on_board": keep_input_on_board,
        "dry_run": dry_run,
        "page": _named(page),
        "refresh": refresh,
        "queue": queue.value if queue else "",
        "fixed": no_adapt,
        "canary": read_share(canary),
        "canary_requests": canary_requests,
    }
    places = read_places(device or [], every_other_cloud=replicas is not None)
    with client(coordinator) as asked, ProgressLine() as progress:
        if all_boards:
            places = places.on_all(asked.devices())
        told = _deploy(asked, name, places, progress, wished)
    print_document(told, form, render)
    if told.get("failed"):
        raise typer.Exit(told["failed"][0]["status"])


def _deploy(asked: Client, name: str, places: Places, progress: ProgressLine, wished: Row) -> Row:
    """Return how the one deployment ended, or that on each board; one that fails leaves the others as they are."""
    where: Row = {"replicas": places.replicas, "progress": progress}
    if not places.each:
        told = asked.deploy(name, devices=(places.boards[0], places.cloud), **where, **wished)
        note_absent(asked, told, told.get("plan") or {})
        return told
    done: list[Row] = []
    failed: list[Row] = []
    for board in places.boards:
        progress.begin(f"{board}: ")
        try:
            done.append(asked.deploy(name, devices=(board, places.cloud), **where, **wished))
        except LeptonError as error:
            failed.append({"board": board, "status": exit_codes.status_of(error), **_told(error)})
    return {"schema": "lepton-edge/deployments/1", "model": name, "deployments": done, "failed": failed}


def _told(error: LeptonError) -> Row:
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "fault": error.fault,
        "retryable": error.retryable,
    }


def read_share(given: str | None) -> float:
    """Return 0.1 of "10%" or "0.1", 0 of None.

    Raises:
        UsageError: it is no share of the requests.
    """
    if given is None:
        return 0.0
    number, percent = given.removesuffix("%"), given.endswith("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise UsageError(f"--canary {given}: no share of the requests", "write --canary 10%, or --canary 0.1")
    return share


def _named(page: str | None) -> str:
    if page is not None and not page.strip():
        raise UsageError("--page: which page?", "name one of `plan explain NAME`, such as --page local")
    return page or ""


def render(told: Row, console: Console) -> None:
    """Draw how a deployment ended: the plan, and what became of it; or how those on several boards did."""
    if "deployments" in told:
        _render_each(told, console)
        return
    plan = told.get("plan")
    if plan:
        terminal.render(plan, console)
        if plan.get("estimated"):
            console.print(
                f"ESTIMATED, not measured as it is now: {', '.join(plan['estimated'])}", style="bold yellow"
            )
    render_absent(told, console)
    done = "planned only (--dry-run)" if not told.get("epoch") else f"active: epoch {told['epoch']}"
    if told.get("canary"):
        done = f"tried by {told['canary']:.0%} of the requests: epoch {told['epoch']}"
    console.print(f"{told.get('model', '')}: {done}, page {told.get('page', '')!r}")
    for name, is_ready in told.get("replicas", {}).items():
        ready = "holds what the cloud holds" if is_ready else "could not be prepared; it is tried again"
        console.print(f"replica {name}: {ready}")


def _render_each(told: Row, console: Console) -> None:
    for one in told["deployments"]:
        console.rule(f"{told.get('model', '')} on {one.get('board') or 'the cloud'}", align="left")
        render(one, console)
    for one in told["failed"]:
        hint = f" / what to do: {one['hint']}" if one.get("hint") else ""
        console.print(f"{one['board']}: FAILED: {one['message']}{hint}", style="bold red")
