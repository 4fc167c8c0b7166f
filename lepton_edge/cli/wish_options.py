"""The options by which a person wishes for a plan: one list, for every command that takes wishes.

Law: declarations, and how a command gets them; what they mean is in `wishes.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from lepton_edge.cli.wishes import read_wishes

COST = "What the plan shall be good at, and what it may cost"
STAY = "What stays on the board"


def option(*names: str, shown: str = "", text: str, panel: str = COST) -> Any:
    """Return an option of one of the panels of wishes."""
    return typer.Option(*names, metavar=shown or None, help=text, rich_help_panel=panel)


KeepInput = Annotated[
    bool,
    option(
        "--keep-input-on-board", text="Neither the input nor what gives it away leaves the board.", panel=STAY
    ),
]
SupposeInput = Annotated[
    bool | None,
    option(
        "--keep-input-on-board/--no-keep-input-on-board",
        text="Whether the input, and what gives it away, may leave the board; as it is for the active plan.",
        panel=STAY,
    ),
]
NoMeasure = Annotated[
    bool,
    typer.Option("--no-measure", help="Take estimates where nothing was measured; they are marked as such."),
]

WISHES: dict[str, tuple[Any, Any]] = {  # parameter: type and default, option
    "objective": (
        str | None,
        option(
            "--objective",
            shown="WHAT|WHAT=PRICE,...",
            text="latency, throughput, energy or egress; or a sum of prices such as latency=1,energy=0.2: per second "
            "of latency, per second of the busiest device or link (throughput), per joule, per megabyte sent (egress).",
        ),
    ),
    "min_throughput": (
        float | None,
        option("--min-throughput", shown="N", text="Requests a second, at least."),
    ),
    "max_latency": (
        float | None,
        option("--max-latency", shown="MS", text="Milliseconds of one request, at most."),
    ),
    "max_energy": (
        float | None,
        option("--max-energy", shown="J", text="Joules of one request, at most (needs --watts)."),
    ),
    "max_egress": (
        str | None,
        option("--max-egress", shown="SIZE", text="Bytes sent for one request, at most: 20kB, 1.5MB."),
    ),
    "max_loss": (
        float | None,
        option("--max-loss", shown="%", text="Loss of all codecs together, at most; 0: lossless."),
    ),
    "keep_output": (
        bool,
        option("--keep-output-on-board", text="The outputs are made on the board.", panel=STAY),
    ),
    "stay": (
        list[str] | None,
        option(
            "--stay", shown="TENSOR", text="This tensor does not leave the board. Repeatable.", panel=STAY
        ),
    ),
    "first_layers": (
        int | None,
        option("--first-layers", shown="K", text="The first K layers run on the board.", panel=STAY),
    ),
    "watts": (
        list[str] | None,
        option(
            "--watts",
            shown="board=W|cloud=W|radio=W",
            text="Power while busy, declared by you: of a device, of the board's radio. Repeatable.",
        ),
    ),
    "memory": (
        list[str] | None,
        option(
            "--memory",
            shown="board=SIZE|cloud=SIZE",
            text="Memory for this model, such as 256MB. Repeatable.",
        ),
    ),
    "lacks": (
        list[str] | None,
        option(
            "--lacks",
            shown="board=OPERATOR|cloud=OPERATOR",
            text="An operator, such as Resize, that the device cannot run. Repeatable.",
        ),
    ),
    "variant": (
        list[str] | None,
        option(
            "--variant",
            shown="board=NAME|cloud=NAME",
            text="The variant of the model, or the model itself, that the device runs. Repeatable.",
        ),
    ),
}


def with_wishes(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every option of a wish in the place of its parameter `wishes`, which gets what they say."""
    own = inspect.signature(command, eval_str=True)
    kept = [one for one in own.parameters.values() if one.name != "wishes"]
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if kind is bool else None,
            annotation=Annotated[kind, said],
        )
        for name, (kind, said) in WISHES.items()
    ]

    @functools.wraps(command)
    def asked(*args: Any, **given: Any) -> None:
        wished = {name: given.pop(name, None) for name in WISHES}
        command(*args, **given, wishes=read_wishes(wished))

    asked.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    return asked
