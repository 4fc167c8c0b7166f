"""Agents that come, go, come back, or bear a name that is taken."""

from __future__ import annotations

from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.core import messages as m


def test_an_agent_is_welcomed_with_its_lease_and_written_down(world: Any, make: Any) -> None:
    world.attach(make.hello("board"))
    _, welcome = world.next_said(m.Welcome)
    assert (welcome.device, welcome.lease, welcome.heartbeat, welcome.term) == ("board", 6.0, 1.5, 1)
    assert [type(kept) for kept in world.kept] == [c.KeepDevice]


def test_a_second_agent_with_the_same_name_is_told_what_to_do(world: Any, make: Any) -> None:
    first = world.attach(make.hello("board"))
    second = world.attach(make.hello("board", incarnation="i2"))
    _, rejected = world.next_said(m.Rejected)
    assert rejected.error.code == "already_exists"
    assert "--name" in rejected.error.hint
    assert world.hung == [second]
    assert world.state.devices["board"].stream == first


def test_a_name_is_free_when_its_stream_ended(world: Any, make: Any) -> None:
    first = world.attach(make.hello("board"))
    world.do(e.Detached("x", first))
    second = world.attach(make.hello("board", incarnation="i2"))
    assert world.state.devices["board"].stream == second


def test_a_name_is_free_when_its_lease_ended(world: Any, make: Any) -> None:
    first = world.attach(make.hello("board"))
    world.now += 6.1
    world.do(e.Tick())
    assert world.hung == [first]
    second = world.attach(make.hello("board", incarnation="i2"))
    assert world.state.devices["board"].stream == second


def test_whatever_an_agent_says_renews_its_lease(world: Any, make: Any) -> None:
    stream = world.attach(make.hello("board"))
    for _ in range(5):
        world.now += 4
        world.hear(stream, m.Telemetry(0.5, 1, 2, 40.0, 0, 7, 0, 1.0))
        world.do(e.Tick())
    assert world.state.devices["board"].stream == stream
    assert world.state.devices["board"].telemetry.requests_served == 7


def test_the_same_process_may_come_back_on_another_stream(world: Any, make: Any) -> None:
    first = world.attach(make.hello("board"))
    second = world.attach(make.hello("board"))
    assert world.hung == [first]
    assert world.state.devices["board"].stream == second
    assert world.hear(first, m.Telemetry(0, 0, 0, 0, 0, 0, 0, -1)) == []


def test_an_agent_of_another_major_version_is_refused(world: Any, make: Any) -> None:
    world.attach(make.hello("board", protocol_major=2))
    _, rejected = world.next_said(m.Rejected)
    assert rejected.error.code == "incompatible_version"
    assert f"speaks protocol 2.{m.PROTOCOL_MINOR}" in rejected.error.message
    assert world.state.devices == {}


@pytest.mark.parametrize("apart", [-1, 1])
def test_an_agent_one_minor_version_apart_is_welcome(world: Any, make: Any, apart: int) -> None:
    world.attach(make.hello("board", protocol_minor=m.PROTOCOL_MINOR + apart))
    assert world.next_said(m.Welcome)


def test_an_agent_two_minor_versions_apart_is_refused_here_and_not_by_its_peers_later(
    world: Any, make: Any
) -> None:
    world.attach(make.hello("board", protocol_minor=m.PROTOCOL_MINOR + 2))
    _, rejected = world.next_said(m.Rejected)
    assert rejected.error.code == "incompatible_version"


@pytest.mark.parametrize("name", ["", "../../x", "a\n", "\x1b[2J", "x" * 64, "a b"])
def test_a_name_that_is_none_is_refused(world: Any, make: Any, name: str) -> None:
    world.attach(make.hello(name))
    _, rejected = world.next_said(m.Rejected)
    assert rejected.error.code == "invalid_input"
    assert world.state.devices == {}


@pytest.mark.parametrize("slowdown", [0.0, 0.5, float("inf"), float("nan")])
def test_an_absurd_slowdown_is_refused(world: Any, make: Any, slowdown: float) -> None:
    world.attach(make.hello("board", simulated_slowdown=slowdown))
    _, rejected = world.next_said(m.Rejected)
    assert rejected.error.code == "invalid_input"


def test_an_unknown_role_is_refused(world: Any, make: Any) -> None:
    world.attach(make.hello("board", "toaster"))
    _, rejected = world.next_said(m.Rejected)
    assert rejected.error.code == "invalid_input"


def test_a_returning_agent_without_its_epoch_gets_it_again(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    pair.do(e.Detached("x", pair.state.devices["board"].stream))
    pair.attach(make.hello("board", incarnation="i2"))
    prepares = [message for _, message in pair.said if isinstance(message, m.Prepare)]
    assert [(p.epoch, p.hold) for p in prepares if p.peers[0].device == "cloud"] == [(1, (0, 1))]
    pair.run()
    assert pair.state.devices["board"].epochs == {("net", 1): "active"}


def test_a_returning_agent_that_holds_its_epoch_is_left_in_peace(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    pair.do(e.Detached("x", pair.state.devices["board"].stream))
    pair.attach(make.hello("board", epochs=(m.EpochStatus("net", "v1", 1, "active"),)))
    assert [type(message) for _, message in pair.said] == [m.Welcome]


def test_peers_learn_where_a_returning_agent_is_now(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    pair.do(e.Detached("x", pair.state.devices["cloud"].stream))
    held = (m.EpochStatus("net", "v1", 1, "active"),)
    pair.attach(make.hello("cloud", "cloud", data_addresses=("elsewhere:1",), epochs=held))
    stream, prepare = pair.next_said(m.Prepare)
    assert pair.device(stream) == "board"
    assert prepare.peers == (m.Peer("cloud", ("elsewhere:1",)),)


def test_an_epoch_that_cannot_be_brought_back_is_tried_again_later(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    pair.do(e.Detached("x", pair.state.devices["cloud"].stream))
    stream = pair.attach(make.hello("cloud", "cloud"))
    pair.run(refuse={m.Prepare: m.WireError("storage_full", "full")})
    assert pair.state.devices["cloud"].epochs == {}
    pair.do(e.Tick())
    assert pair.said == []
    for _ in range(4):
        pair.now += 5
        for device in pair.state.connected():
            pair.hear(device.stream, m.Telemetry(0, 0, 0, 0, 0, 0, 0, -1))
        pair.do(e.Tick())
    assert [(where, type(message)) for where, message in pair.said] == [(stream, m.Prepare)]


def test_epochs_of_another_coordinator_are_left_alone(world: Any, make: Any) -> None:
    world.attach(make.hello("board", epochs=(m.EpochStatus("strange", "v9", 4, "active"),)))
    assert [type(message) for _, message in world.said] == [m.Welcome]


def test_a_new_epoch_is_numbered_above_what_any_device_holds(pair: Any, make: Any) -> None:
    pair.do(e.Detached("x", pair.state.devices["board"].stream))
    pair.attach(make.hello("board", epochs=(m.EpochStatus("net", "v1", 7, "active"),)))
    pair.deploy()
    pair.run()
    assert pair.state.active_epoch("net").epoch == 8
    assert pair.state.devices["board"].epochs == {("net", 8): "active"}
