"""Who has settings: the noun, its table in a TOML file, the prefix of its variables; and every variable there is.

Law: light, pydantic is not loaded here. The one list of variables called LEPTON_EDGE_*: one that is not in it means
nothing, and is refused where a process starts, since what it was to say would silently not hold.
"""

from __future__ import annotations

import difflib
import functools
import re
import typing
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lepton_edge.core.config import AgentConfig, CoordinatorConfig, Setting
from lepton_edge.core.errors import UsageError

T = TypeVar("T")
PREFIX = "LEPTON_EDGE_"
OTHERS = ("KEY", "INSECURE", "TOKEN", "COORDINATOR")
"""Variables that are no settings of a process: what commands and applications read."""
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP)(_|$)")
"""What Kubernetes tells every container of a service that is called lepton-edge."""


@functools.cache
def _settings(noun: Hashable) -> dict[str, Setting]:
    hints = typing.get_type_hints(noun, include_extras=True)
    return {name: next(iter(kind.__metadata__)) for name, kind in hints.items()}


@dataclass(frozen=True)
class Room(Generic[T]):
    """Whose settings: what they become, the table of a file, and how its variables begin."""

    noun: type[T]
    table: str
    prefix: str

    def settings(self) -> dict[str, Setting]:
        """Return what each setting means, in order."""
        return _settings(typing.cast(Hashable, self.noun))

    def variable(self, name: str) -> str:
        """Return the variable of the setting `name`."""
        return f"{PREFIX if self.settings()[name].shared else self.prefix}{name.upper()}"


AGENT = Room(AgentConfig, "agent", PREFIX)
COORDINATOR = Room(CoordinatorConfig, "coordinator", f"{PREFIX}COORDINATOR_")
ROOMS: tuple[Room[Any], ...] = (AGENT, COORDINATOR)


def known() -> set[str]:
    """Return every variable that means something."""
    return {PREFIX + name for name in OTHERS} | {
        room.variable(name) for room in ROOMS for name in room.settings()
    }


def strays(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that look like ours and mean nothing, each with what may have been meant or ""."""
    every = {name[len(PREFIX) :] for name in known()}
    ours = sorted(name[len(PREFIX) :] for name in environment if name.startswith(PREFIX))
    return {
        PREFIX + name: next((PREFIX + near for near in difflib.get_close_matches(name, every, 1)), "")
        for name in ours
        if name not in every and not _SERVICE_LINK.search(f"_{name}")
    }


def refuse_strays(environment: Mapping[str, str]) -> None:
    """Raise UsageError for a variable that looks like a setting and is none."""
    for name, meant in strays(environment).items():
        hint = f"did you mean {meant}? else unset it" if meant else "unset it"
        raise UsageError(f"the variable {name} means nothing", f"{hint}; lepton-edge config show lists them")
