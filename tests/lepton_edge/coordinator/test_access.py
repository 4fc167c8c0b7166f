"""Who may ask for what: every call there is, for every role there is."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from lepton_edge.coordinator import access
from lepton_edge.core import messages as m
from lepton_edge.core.errors import PermissionDenied, Unauthenticated
from lepton_edge.core.identity import Identity, Role

CALLS: tuple[type, ...] = typing.get_args(m.AdminCall)
CLIENT = Identity(Role.CLIENT, "app", ("net",))
AGENT = Identity(Role.AGENT, "pi")


def some(kind: type) -> typing.Any:
    """Return a call of this kind about "net"."""
    missing = [one for one in dataclasses.fields(kind) if one.default is dataclasses.MISSING]
    return kind(**{one.name: "net" for one in missing})


@pytest.mark.parametrize("kind", CALLS, ids=lambda kind: kind.__name__)
def test_administrators_may_all_others_next_to_nothing(kind: type) -> None:
    access.check_admin(Identity(Role.ADMIN, "anna"), some(kind))
    with pytest.raises(Unauthenticated):
        access.check_admin(None, some(kind))
    if kind is not m.CheckDoors:
        with pytest.raises(PermissionDenied):
            access.check_admin(AGENT, some(kind))
    if kind not in access.OWN_MODELS:
        with pytest.raises(PermissionDenied):
            access.check_admin(CLIENT, some(kind))


@pytest.mark.parametrize("kind", access.OWN_MODELS, ids=lambda kind: kind.__name__)
def test_a_client_sees_its_own_models_alone(kind: type) -> None:
    access.check_admin(CLIENT, some(kind))
    with pytest.raises(PermissionDenied):
        access.check_admin(CLIENT, kind("another"))


def test_what_takes_a_workers_seconds_is_for_administrators() -> None:
    call = m.ExplainPlan("net", privacy=True)  # type: ignore[arg-type]
    access.check_admin(Identity(Role.ADMIN, "anna"), call)
    with pytest.raises(PermissionDenied):
        access.check_admin(CLIENT, call)


def test_an_agent_attaches_as_itself() -> None:
    access.check_attach(AGENT, "pi")  # type: ignore[arg-type]
    for who in (
        Identity(Role.AGENT, "other"),
        Identity(Role.ADMIN, "pi"),
        Identity(Role.CLIENT, "pi", ("*",)),
    ):
        with pytest.raises(PermissionDenied):
            access.check_attach(who, "pi")  # type: ignore[arg-type]
    with pytest.raises(Unauthenticated):
        access.check_attach(None, "pi")  # type: ignore[arg-type]


def test_agents_fetch_and_clients_do_not() -> None:
    access.check_fetch(AGENT)
    for who in (CLIENT, None):
        with pytest.raises((PermissionDenied, Unauthenticated)):
            access.check_fetch(who)


def test_a_description_names_models_to_those_alone_who_may_infer_on_them() -> None:
    serving = tuple(m.Serving(name, ("pi",)) for name in ("net", "secret"))  # type: ignore[arg-type]
    peers = (m.Peer("pi", ("10.0.0.2:8011",)),)  # type: ignore[arg-type]
    told = m.Description("coordinator", "c", "0.1", 1, 1, "10.0.0.1:8010", peers, serving=serving)
    assert access.shown(None, told) == m.Description("coordinator", "", "0.1", 1, 1, "10.0.0.1:8010")
    assert [one.model for one in access.shown(CLIENT, told).serving] == ["net"]
    assert access.shown(AGENT, told).serving == ()
    assert access.shown(AGENT, told).entries == told.entries


def test_what_only_looks_is_not_written_down() -> None:
    assert not access.changes(m.ListDevices())
    assert not access.changes(m.Deploy("net", dry_run=True))  # type: ignore[arg-type]
    assert access.changes(m.Deploy("net"))  # type: ignore[arg-type]
    assert access.subject(m.RemoveDevice("pi")) == "pi"  # type: ignore[arg-type]
