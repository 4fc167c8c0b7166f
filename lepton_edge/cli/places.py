"""Which devices a command is about: what `--device board=NAME`, `--all-boards` and `--replicas` mean.

Law: words in, names out; who is connected is asked of the coordinator's document.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import typer

from lepton_edge.core.errors import NotFound, UsageError

EVERY = "*"
"""What the coordinator understands by every other cloud."""
START_ONE = "on a device: lepton-edge agent join HOST:PORT --token LE1..., then lepton-edge agent start"

DevicesOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="board=NAME|cloud=NAME",
        help="Choose the devices. Repeatable: each board is deployed on; clouds after the first stand in for it.",
    ),
]
AllBoardsOption = Annotated[bool, typer.Option("--all-boards", help="Deploy on every connected board.")]


class Others(str, Enum):
    """Which clouds stand in for the first."""

    ALL = "all"


ReplicasOption = Annotated[
    Others | None,
    typer.Option(metavar="all", help="Every other cloud holds what the first holds, and stands in for it."),
]
BoardOption = Annotated[
    str | None,
    typer.Option("--device", metavar="board=NAME", help="Of several boards that run the model, this one."),
]


@dataclass(frozen=True)
class Places:
    """Boards to deploy on one after the other ("" where the coordinator may choose), and clouds, best first."""

    boards: tuple[str, ...] = ("",)
    cloud: str = ""
    replicas: tuple[str, ...] = ()
    each: bool = False  # the answer has a part for each board

    def on_all(self, told: dict[str, Any]) -> Places:
        """Return the same for every connected board of the document of devices.

        Raises:
            UsageError: boards are named too.
            NotFound: no board is connected.
        """
        if self.boards != ("",):
            raise UsageError("--all-boards, or those that --device board=NAME names?", "give one of the two")
        rows = told.get("devices", [])
        found = tuple(row["device"] for row in rows if row.get("role") == "board" and row.get("connected"))
        if not found:
            raise NotFound("no board is connected", START_ONE)
        return dataclasses.replace(self, boards=found, each=True)


def read_places(given: Sequence[str], every_other_cloud: bool = False) -> Places:
    """Return what ["board=NAME", "cloud=NAME", ...] means.

    Raises:
        typer.BadParameter: another role, or no name.
    """
    chosen: dict[str, dict[str, None]] = {"board": {}, "cloud": {}}
    for one in given:
        role, _, name = one.partition("=")
        if role not in chosen or not name:
            raise typer.BadParameter(f"{one!r} is not board=NAME or cloud=NAME")
        chosen[role][name] = None
    boards, (cloud, *others) = tuple(chosen["board"]), list(chosen["cloud"]) or [""]
    replicas = (*others, EVERY) if every_other_cloud else tuple(others)
    return Places(boards or ("",), cloud, replicas, each=len(boards) > 1)


def read_board(given: str | None) -> str:
    """Return NAME of "board=NAME"; "" where nothing is given.

    Raises:
        typer.BadParameter: it is no board.
    """
    if not given:
        return ""
    role, _, name = given.partition("=")
    if role != "board" or not name:
        raise typer.BadParameter(f"{given!r} is not board=NAME")
    return name
