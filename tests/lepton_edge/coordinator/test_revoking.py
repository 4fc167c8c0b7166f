"""Who is shut out is gone, and everybody else is told."""

from __future__ import annotations

from typing import Any

from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import reports
from lepton_edge.core import messages as m


def _told(world: Any, stream: str) -> list[Any]:
    return [said for to, said in world.said if to == stream and isinstance(said, m.Revoked)]


def test_everybody_hears_it_and_the_device_is_let_go(make: Any) -> None:
    world = make.World()
    board, cloud = world.attach(make.hello("board")), world.attach(make.hello("cloud", "cloud"))
    world.do(e.CertificatesRevoked("gate", ("ab",), "cloud"))
    assert _told(world, board) == [m.Revoked(("ab",))]
    assert cloud in world.hung
    assert world.state.devices["cloud"].stream is None
    rejected = [said for to, said in world.said if to == cloud and isinstance(said, m.Rejected)]
    assert rejected[0].error.code == "unauthenticated"
    assert world.changes[max(world.changes)].cause == "its certificate is revoked"


def test_who_attaches_later_hears_it_too_unless_it_would_not_understand(make: Any) -> None:
    world = make.World()
    world.do(e.CertificatesRevoked("gate", ("ab", "cd"), ""))
    assert _told(world, world.attach(make.hello("board"))) == [m.Revoked(("ab", "cd"))]
    older = world.attach(make.hello("older", protocol_minor=0))
    assert _told(world, older) == []


def test_a_device_that_is_away_is_written_down_all_the_same(make: Any) -> None:
    world = make.World()
    stream = world.attach(make.hello("board"))
    world.do(e.Detached(stream, stream))
    world.do(e.CertificatesRevoked("gate", ("ab",), "board"))
    assert world.changes[max(world.changes)].after == "revoked"


def test_a_copy_is_an_event(make: Any) -> None:
    world = make.World()
    world.attach(make.hello("board"))
    world.do(e.DeviceSuspected("gate", "board", "another machine"))
    told = world.changes[max(world.changes)]
    assert (told.kind, told.device, told.after, told.message) == (
        "device",
        "board",
        "refused",
        "another machine",
    )


def test_a_device_that_is_shut_out_is_shown_as_such_until_it_has_joined_again(make: Any) -> None:
    world = make.World()
    for name in ("board", "cloud"):
        world.attach(make.hello(name))
    world.do(e.CertificatesRevoked("gate", ("ab",), "cloud", ("cloud",)))
    shown = {row["device"]: row["revoked"] for row in reports.devices(world.state, 1.0)["devices"]}
    assert shown == {"board": False, "cloud": True}
    world.do(e.CertificatesRevoked("gate", ("ab",), "", ()))
    assert not any(row["revoked"] for row in reports.devices(world.state, 1.0)["devices"])


def test_whose_place_was_taken_is_an_event(make: Any) -> None:
    world = make.World()
    world.do(e.DeviceReplaced("gate", "board", "the certificate of an earlier join is revoked"))
    told = world.changes[max(world.changes)]
    assert (told.device, told.after) == ("board", "replaced")
    assert told.message == "the certificate of an earlier join is revoked"
