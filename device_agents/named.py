"""Which agent a command means where nobody named one: the one that joined a coordinator on this machine.

Law: looks at what was said and at what has joined here, and returns what is to be said; no network. Who says `--name`,
`--state-directory` or `--insecure` is taken at that word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_agents.membership import KEY_FILE, Membership, joined_here, membership
from lepton_edge.core.config import SECURE
from lepton_edge.core.errors import Unauthenticated, UsageError
from lepton_edge.security.keyring import Keyring
from lepton_edge.settings.rooms import AGENT
from lepton_edge.settings.said import said
from lepton_edge.settings.usual import host_name, state_directory

_NO = ("0", "false", "no", "off", "f", "n")
TO_JOIN = "lepton-edge agent join HOST:PORT --token LE1..."


@dataclass(frozen=True)
class Meant:
    """Which agent is meant.

    Attributes:
        command: the one that was typed: "start".
        name: of the agent.
        directory: where it keeps its state.
        flags: what was said, with what follows from it.
        secure: whether it has to have joined.
        joined: as what it joined; None where it did not.
        others: the agents that joined here.
        elsewhere: whether it was said where its state is: whoever opens it says what is wrong there.
    """

    command: str
    name: str
    directory: Path
    flags: dict[str, Any]
    secure: bool
    joined: Membership | None
    others: tuple[Membership, ...]
    elsewhere: bool

    def not_joined(self) -> Unauthenticated | None:
        """Return what is to be said where the agent has to have joined and did not; None where all is well."""
        if not self.secure or self.joined or Keyring(self.directory).has(KEY_FILE):
            return None
        here = ", ".join(f"{one.name} ({one.role or 'no role'})" for one in self.others)
        first = f"let it join first: {TO_JOIN} (`lepton-edge token create` on the coordinator makes a token)"
        return Unauthenticated(
            f"{self.name!r} has not joined a coordinator" + (f"; joined here: {here}" if here else ""),
            f"{_choose(self.command, self.others)}; or {first}"
            if here
            else f"{first}; or run it with --insecure",
        )

    def next_step(self, role: str) -> str:
        """Return what to type after it has joined, as exactly as it was said where its state is."""
        words = ["lepton-edge agent start"]
        if any(one.name != self.name for one in self.others):
            words.append(f"--name {self.name}")
        if "state_directory" in self.flags:
            words.append(f"--state-directory {self.directory}")
        as_what = "a board, where data arises" if role == "board" else "a cloud, which helps boards"
        return f"it is {as_what} (--role says otherwise); start it: {' '.join(words)}"


def meant(
    command: str,
    flags: Mapping[str, Any],
    file: Path | None,
    environment: Mapping[str, str],
    *,
    role: str = "",
    joins: bool = False,
) -> Meant:
    """Return which agent `command` means: the one that was named, else the only one that joined here, else the host's.

    `role` is what it is where neither anybody nor its joining says. `joins`: there is a token; who joined another
    coordinator is then not meant, since it would lose its place there.

    Raises:
        UsageError: several joined here, and none is called as the host is.
    """
    told, host = said(AGENT, flags, file, environment), host_name()
    elsewhere = told.get("state_directory")
    states = Path() if elsewhere else state_directory(environment, "agent-").parent
    others = () if elsewhere else joined_here(states)
    found: dict[str, Any] = {}
    secure = SECURE if "secure" not in told else str(told["secure"]).lower() not in _NO
    if secure and "name" not in told:
        address = told.get("coordinator")
        here = [one for one in others if not joins or address in (None, one.coordinator)]
        found = _name(command, told, here, host)
    name = str(found.get("name", told.get("name", host)))
    directory = Path(elsewhere or states / f"agent-{name}")
    joined = membership(directory) if secure else None
    if role and "role" not in told and not (joined and joined.role):
        found["role"] = role
    return Meant(command, name, directory, {**found, **flags}, secure, joined, others, bool(elsewhere))


def _name(command: str, told: Mapping[str, Any], others: Sequence[Membership], host: str) -> dict[str, Any]:
    if "state_directory" in told:
        joined = membership(Path(told["state_directory"]))
        return {"name": joined.name} if joined else {}
    fitting = [one for one in others if told.get("role", one.role) == one.role or not one.role]
    if not fitting or any(one.name == host for one in fitting):
        return {}
    if len(fitting) > 1:
        names = ", ".join(one.name for one in fitting)
        raise UsageError(f"which one? several agents joined here: {names}", _choose(command, fitting))
    return {"name": fitting[0].name}


def _choose(command: str, others: Any) -> str:
    return " or ".join(f"lepton-edge agent {command} --name {one.name}" for one in others)
