"""Epochs on devices that come and go: asked once, tried again, forgotten boundedly."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.limits import MAX_ENDED_EPOCHS
from lepton_edge.coordinator.records import ACTIVE, DRAINING, RETIRED
from lepton_edge.core import messages as m
from partitioner.plan import HeldVariant


@pytest.fixture
def deployed(pair: Any) -> Any:
    pair.deploy()
    pair.run()
    return pair


def _again(world: Any, make: Any, name: str, **changes: Any) -> str:
    """Let a device go and come back."""
    world.do(e.Detached("gone", world.state.devices[name].stream))
    stream: str = world.attach(make.hello(name, name, **changes))
    return stream


def _alive(world: Any) -> None:
    for device in world.state.connected():
        world.hear(device.stream, m.Telemetry(0, 0, 0, 0, 0, 0, 0, -1))


def test_what_is_asked_already_is_not_asked_twice(deployed: Any, make: Any) -> None:
    _again(deployed, make, "cloud", incarnation="i2")
    asked = [message for _, message in deployed.said if isinstance(message, m.Prepare)]
    deployed.state.devices["cloud"].retry_at = deployed.now
    deployed.do(e.Tick())
    assert [message for _, message in deployed.said if isinstance(message, m.Prepare)] == asked


def test_a_device_that_never_answers_a_restore_is_asked_again_later(deployed: Any, make: Any) -> None:
    _again(deployed, make, "cloud", incarnation="i2")
    first = {id(message) for _, message in deployed.said if isinstance(message, m.Prepare)}
    for _ in range(100):
        deployed.now += 4
        _alive(deployed)
        deployed.do(e.Tick())
    later = [
        message for _, message in deployed.said if isinstance(message, m.Prepare) and id(message) not in first
    ]
    assert later
    deployed.run()
    assert deployed.state.devices["cloud"].epochs == {("net", 1): "active"}


def test_a_peer_that_cannot_be_told_of_a_move_is_prepared_again(deployed: Any, make: Any) -> None:
    held = (m.EpochStatus("net", "v1", 1, "active"),)
    _again(deployed, make, "cloud", data_addresses=("elsewhere:1",), epochs=held)
    stream, refresh = deployed.next_said(m.Prepare)
    deployed.hear(stream, m.Outcome(refresh.command, m.WireError("unavailable", "not now")))
    assert deployed.state.devices["board"].epochs == {("net", 1): "stale"}
    for _ in range(5):
        deployed.now += 4
        _alive(deployed)
        deployed.do(e.Tick())
    stream, prepare = deployed.next_said(m.Prepare)
    assert deployed.device(stream) == "board"
    assert prepare.peers == (m.Peer("cloud", ("elsewhere:1",)),)


def test_an_epoch_drains_until_the_last_device_has_retired_it(deployed: Any) -> None:
    deployed.deploy()
    while deployed.epoch_states().get(2) != ACTIVE:
        deployed.work_done() if deployed.work else _one_answer(deployed)
    assert deployed.epoch_states() == {1: DRAINING, 2: ACTIVE}
    deployed.do(e.Detached("gone", deployed.state.devices["cloud"].stream))
    assert deployed.epoch_states()[1] == DRAINING
    deployed.run()
    assert deployed.epoch_states()[1] == RETIRED
    assert deployed.state.epochs["net", 1].book is None


def _one_answer(world: Any) -> None:
    stream, message = world.said.pop(0)
    if isinstance(message, m.ProbeCommand):
        world.hear(stream, m.Probed(message.command, "cloud", next(iter(world.state.links.values()))))
    else:
        world.hear(stream, m.Outcome(message.command))


def test_a_draining_epoch_is_retired_where_it_returns(deployed: Any, make: Any) -> None:
    deployed.do(e.Detached("gone", deployed.state.devices["cloud"].stream))
    deployed.call(lambda cause, number: e.RemoveAsked(cause, number, "net"))
    held = (m.EpochStatus("net", "v1", 1, "active"),)
    deployed.attach(make.hello("cloud", "cloud", epochs=held))
    deployed.run()
    assert deployed.state.devices["cloud"].epochs == {}
    assert deployed.epoch_states() == {1: RETIRED}


def test_ended_epochs_are_forgotten_boundedly_and_retired_all_the_same(deployed: Any, make: Any) -> None:
    for _ in range(MAX_ENDED_EPOCHS + 5):
        deployed.deploy()
        deployed.run()
    ended = [number for number, state in deployed.epoch_states().items() if state == RETIRED]
    assert len(ended) == MAX_ENDED_EPOCHS
    assert 1 not in ended
    held = (m.EpochStatus("net", "v1", 1, "active"),)
    _again(deployed, make, "board", epochs=held)
    deployed.run()
    newest = deployed.state.active_epoch("net").key
    assert deployed.state.devices["board"].epochs == {newest: "active"}


def _told(world: Any, kind: type) -> list[str]:
    return [world.device(stream) for stream, message in world.said if isinstance(message, kind)]


def test_the_entry_lets_go_of_an_epoch_before_those_that_it_sends_on_to(deployed: Any) -> None:
    deployed.deploy()
    while deployed.epoch_states().get(2) != ACTIVE:
        deployed.work_done() if deployed.work else _one_answer(deployed)
    assert (_told(deployed, m.Drain), _told(deployed, m.Retire)) == (["board"], [])
    _one_answer(deployed)  # what it had let in has ended
    assert (_told(deployed, m.Drain), _told(deployed, m.Retire)) == ([], ["board"])
    _one_answer(deployed)
    assert (_told(deployed, m.Drain), _told(deployed, m.Retire)) == (["cloud"], [])
    deployed.run()
    assert deployed.epoch_states()[1] == RETIRED


def test_an_entry_that_is_lost_while_it_drains_keeps_nobody_waiting(deployed: Any) -> None:
    deployed.deploy()
    while deployed.epoch_states().get(2) != ACTIVE:
        deployed.work_done() if deployed.work else _one_answer(deployed)
    deployed.do(e.Detached("gone", deployed.state.devices["board"].stream))
    assert _told(deployed, m.Drain)[-1] == "cloud"
    deployed.run()
    assert deployed.epoch_states()[1] == RETIRED
    assert deployed.state.devices["cloud"].epochs == {("net", 2): "active"}


def test_each_device_is_told_the_book_as_it_holds_it(
    pair: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = make.book()
    blocks = tuple(dataclasses.replace(one, artifact="9" * 64) for one in book.blocks)
    mixed = dataclasses.replace(book, variants=(HeldVariant("board", "net-int8", blocks),))
    monkeypatch.setitem(type(pair).work_done.__globals__, "book", lambda *names: mixed)
    pair.deploy()
    pair.run()
    said = [one for one in pair.log if isinstance(one, c.Say) and isinstance(one.message, m.Prepare)]
    told = {pair.device(one.stream): one.message.book for one in said}
    assert {one.artifact for one in told["board"].blocks} == {"9" * 64}
    assert {one.artifact for one in told["cloud"].blocks} == {"0" * 64, "1" * 64}
    assert told["board"].variants == told["cloud"].variants == ()
