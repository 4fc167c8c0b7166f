"""Replicas are never needed: what befalls one ends no deployment."""

from __future__ import annotations

from typing import Any

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.core import messages as m


def _answered(world: Any, make: Any, name: str) -> None:
    said = [one for one in world.said if world.device(one[0]) == name and hasattr(one[1], "command")]
    stream, message = said[0]
    world.said.remove(said[0])
    world.hear(stream, make.answer(message, name))


def _prepared(world: Any, make: Any) -> str:
    """Bring a deployment with a replica to where every device prepares; return its call."""
    for name, role in (("board", "board"), ("cloud", "cloud"), ("spare", "cloud")):
        world.attach(make.hello(name, role))
    world.push()
    call: str = world.deploy(cloud="cloud", replicas=("*",))
    while not any(isinstance(message, m.Prepare) for _, message in world.said):
        if world.work:
            world.work_done()
            continue
        stream, message = world.said.pop(0)
        reply = make.answer(message, world.device(stream))
        if reply is not None:
            world.hear(stream, reply)
    return call


def test_a_replica_that_is_lost_after_it_was_ready_is_not_waited_for(world: Any, make: Any) -> None:
    call = _prepared(world, make)
    for name in ("board", "spare"):
        _answered(world, make, name)
    world.do(e.Detached("gone", world.state.devices["spare"].stream))
    world.run()
    assert isinstance(world.answer_of(call), c.Finish)
    assert world.state.running is None
