"""What the client asks of a coordinator: the call that goes out, the document that comes back, odd words refused."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from lepton_edge.client.aio import AsyncClient
from lepton_edge.client.mock import MockTransport
from lepton_edge.core import messages as m
from lepton_edge.core.errors import IncompatibleVersion, InvalidInput, UnknownModel

Ask = Callable[[AsyncClient], Awaitable[Any]]
SCHEMAS = {
    m.Deploy: "deployment", m.PinPlan: "deployment", m.MoveModel: "deployment", m.WhatIf: "what-if",
    m.ExplainPlan: "plan", m.ShowProfile: "profile", m.ListModels: "models", m.ShowModel: "model",
    m.RemoveModel: "model", m.RollBack: "model", m.ListDevices: "devices", m.DrainDevice: "device",
    m.RemoveDevice: "device", m.ShowStatus: "status", m.ShowEvents: "events",
}  # fmt: skip


def tell(calls: list[m.AdminCall]) -> Iterator[m.AdminEvent]:
    yield m.Progress("", "planning", 1, 2)
    schema = f"lepton-edge/{SCHEMAS[type(calls[0])]}/1"
    yield m.Document(schema, json.dumps({"schema": schema}))


ASKED: dict[str, tuple[Ask, m.AdminCall]] = {
    "deploy": (
        lambda c: c.deploy("net", devices=("pi", ""), replicas=["*"], canary=0.1, queue="newest"),
        m.Deploy("net", board="pi", queue="newest", replicas=("*",), canary=0.1),
    ),
    "pin": (lambda c: c.pin("net", page="local", board="pi"), m.PinPlan("net", "", "local", False, "pi")),
    "what_if": (
        lambda c: c.what_if("net", speeds={"pi": 2.0}),
        m.WhatIf("net", speeds=(m.DeviceSpeed("pi", 2.0),)),
    ),
    "explain": (lambda c: c.explain("net", 3), m.ExplainPlan("net", 3)),
    "profile": (lambda c: c.profile("net", refresh=True), m.ShowProfile("net", True, True)),
    "models": (lambda c: c.models(), m.ListModels()),
    "model": (lambda c: c.model("net"), m.ShowModel("net")),
    "remove": (lambda c: c.remove("net", dry_run=True), m.RemoveModel("net", True)),
    "roll_back": (lambda c: c.roll_back("net"), m.RollBack("net", "")),
    "devices": (lambda c: c.devices(), m.ListDevices()),
    "drain": (lambda c: c.drain("pi", force=True), m.DrainDevice("pi", False, True)),
    "remove_device": (lambda c: c.remove_device("pi"), m.RemoveDevice("pi", False)),
    "status": (lambda c: c.status(), m.ShowStatus()),
    "events": (lambda c: c.events(since=4, kind="turn"), m.ShowEvents(4, 0.0, False, "", "", "turn")),
}  # type: ignore[arg-type]


def client(answer: Any = tell) -> tuple[AsyncClient, MockTransport]:
    transport = MockTransport(lambda frame: frame, answer)
    return AsyncClient(transport=transport), transport


@pytest.mark.parametrize("name", ASKED)
async def test_a_call_says_what_was_asked_and_ends_in_its_document(name: str) -> None:
    asking, transport = client()
    ask, call = ASKED[name]
    found = await ask(asking)
    assert transport.calls == [call]
    assert found["schema"] == f"lepton-edge/{SCHEMAS[type(call)]}/1"
    await asking.close()


async def test_progress_is_heard_on_the_way() -> None:
    asking, _ = client()
    heard: list[m.Progress] = []
    await asking.deploy("net", progress=heard.append)
    assert [(one.stage, one.done, one.total) for one in heard] == [("planning", 1, 2)]
    await asking.close()


async def test_an_error_is_raised_as_what_it_is_and_an_odd_document_is_none() -> None:
    asking, _ = client(lambda calls: [m.WireError("unknown_model", "no model", "push it", "caller")])
    with pytest.raises(UnknownModel, match="no model"):
        await asking.model("net")
    await asking.close()
    asking, _ = client(lambda calls: [m.Document("lepton-edge/models/2", "{}")])
    with pytest.raises(IncompatibleVersion):
        await asking.models()
    await asking.close()


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.deploy("net", queue="fastest"),
        lambda c: c.deploy("net", canary=1.5),
        lambda c: c.deploy("net", canary=0.1, canary_requests=-1),
        lambda c: c.deploy("\udcff"),
        lambda c: c.drain("\udcff"),
    ],
)
async def test_what_nobody_can_mean_is_refused_before_it_is_sent(ask: Ask) -> None:
    asking, transport = client()
    with pytest.raises(InvalidInput):
        await ask(asking)
    assert transport.calls == []
    await asking.close()


async def test_changes_are_followed_until_the_caller_leaves() -> None:
    def changes(calls: list[m.AdminCall]) -> Iterator[m.AdminEvent]:
        for serial in range(1, 4):
            yield m.Document("lepton-edge/event/1", json.dumps({"serial": serial}))

    asking, transport = client(changes)
    heard = [change["serial"] async for change in asking.follow_events(model="net")]
    assert heard == [1, 2, 3]
    assert transport.calls == [m.ShowEvents(0, 0.0, True, "net", "", "")]  # type: ignore[arg-type]
    await asking.close()
