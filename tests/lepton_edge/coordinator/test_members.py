"""Names, models and machines: what is taken, what is refused, and with which words."""

from __future__ import annotations

import dataclasses

import pytest

from lepton_edge.coordinator import members
from lepton_edge.core.errors import AlreadyExists, InvalidInput, PermissionDenied
from lepton_edge.core.identity import Role

PI = members.Certificate("1", "agent", "pi", "key", 0.0, 100.0, "machine")  # type: ignore[arg-type]


def test_the_newest_that_counts_is_current() -> None:
    newer = dataclasses.replace(PI, serial="2", begins=50.0)
    gone = dataclasses.replace(PI, serial="3", begins=60.0, revoked=61.0)
    assert members.current([PI, newer, gone], "agent", "pi", 70.0) == newer  # type: ignore[arg-type]
    assert members.current([PI], "agent", "pi", 100.0) is None  # type: ignore[arg-type]
    assert members.current([PI], "client", "pi", 1.0) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "machine", "free"),
    [("key", "", True), ("new", "machine", True), ("new", "", False), ("new", "other", False)],
)
def test_a_name_is_free_for_its_key_and_its_machine(key: str, machine: str, free: bool) -> None:
    members.check_free(None, key, machine)
    if free:
        members.check_free(PI, key, machine)
    else:
        with pytest.raises(AlreadyExists):
            members.check_free(PI, key, machine)


def test_a_machine_that_nobody_knows_is_not_held_against_anybody() -> None:
    members.check_machine(PI, "machine")
    members.check_machine(PI, "")
    members.check_machine(dataclasses.replace(PI, machine=""), "other")
    members.check_machine(None, "other")
    with pytest.raises(PermissionDenied):
        members.check_machine(PI, "other")


@pytest.mark.parametrize("machine", ["x", "A" * 64, "a" * 65])
def test_a_machine_is_a_hash(machine: str) -> None:
    with pytest.raises(InvalidInput):
        members.check_name("pi", machine)


def test_only_clients_have_models() -> None:
    members.check_models(Role.CLIENT, ("*",))  # type: ignore[arg-type]
    members.check_models(Role.AGENT, ())
    for role, models in (
        (Role.CLIENT, ()),
        (Role.AGENT, ("net",)),
        (Role.CLIENT, ("../x",)),
        (Role.CLIENT, ("n",) * 65),
    ):
        with pytest.raises(InvalidInput):
            members.check_models(role, models)  # type: ignore[arg-type]
