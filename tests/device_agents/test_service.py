"""The data port's door."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from device_agents.service import DataService
from lepton_edge.core.errors import LeptonError, Overloaded, PermissionDenied
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.identity import ANY_MODEL, Identity, Role
from lepton_edge.core.links import LinkHello

LINK = SimpleNamespace(peer=LinkHello("client", "app"), identity=None)
APP = Identity(Role.CLIENT, "app", ("m",))


class Port:
    def __init__(self):
        self.took = []

    def opened(self, link):
        self.took.append(("opened", link))

    async def request(self, link, frame):
        self.took.append(("request", link, frame.kind))

    def cancel(self, link, frame):
        self.took.append(("cancel", link, frame.kind))

    async def tunnel(self, link, frame):
        self.took.append(("tunnel", link, frame.kind))


def serving(port: Port) -> DataService:
    """The door of device "pi", which has epoch 3 of m together with "b"."""
    return DataService(port, port.tunnel, "pi", lambda device, model, epoch: (device, model) == ("b", "m"))


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        (FrameKind.REQUEST, [("request", LINK, FrameKind.REQUEST)]),
        (FrameKind.CANCEL, [("cancel", LINK, FrameKind.CANCEL)]),
        (FrameKind.TUNNEL, [("tunnel", LINK, FrameKind.TUNNEL)]),
        (FrameKind.REPLY, []),
        (FrameKind.PROBE, []),
    ],
)
async def test_requests_cancels_and_tunnels_are_passed_on_and_nothing_else(kind, taken) -> None:
    port = Port()
    waits = serving(port).handle(LINK, Frame(kind, "r"))
    if waits is not None:
        await waits
    assert port.took == taken


@pytest.mark.parametrize("raised", [ZeroDivisionError("a bug"), Overloaded("too much")])
def test_what_breaks_is_an_error_of_the_tree(raised) -> None:
    port = Port()

    def broken(link, frame):
        raise raised

    port.request = broken
    with pytest.raises(LeptonError, match="too much|internal error: ZeroDivisionError"):
        serving(port).handle(LINK, Frame(FrameKind.REQUEST, "r"))


def test_an_accepted_link_is_passed_on() -> None:
    port = Port()
    serving(port).opened(LINK)
    assert port.took == [("opened", LINK)]


@pytest.mark.parametrize(
    "frame",
    [
        Frame(FrameKind.REQUEST, "r", "other"),
        Frame(FrameKind.REQUEST, "r", "m", epoch=3),
        Frame(FrameKind.REQUEST, "r", "m", first_block=2),
        Frame(FrameKind.TUNNEL, "r"),
    ],
    ids=["another model", "a stage", "a later block", "a tunnel"],
)
def test_an_application_asks_entries_for_its_models_and_does_nothing_else(frame) -> None:
    port = Port()
    link = SimpleNamespace(peer=LinkHello("client", "app"), identity=APP)
    with pytest.raises(PermissionDenied):
        serving(port).handle(link, frame)
    assert not port.took


@pytest.mark.parametrize(
    "who",
    [APP, Identity(Role.CLIENT, "any", (ANY_MODEL,)), Identity(Role.ADMIN, "a"), Identity(Role.AGENT, "pi")],
)
async def test_who_may_ask_for_a_model_is_heard(who) -> None:
    port = Port()
    link = SimpleNamespace(peer=LinkHello("client", "app"), identity=who)
    await serving(port).handle(link, Frame(FrameKind.REQUEST, "r", "m"))
    assert port.took


async def test_an_agent_may_do_an_agents_work() -> None:
    port = Port()
    link = SimpleNamespace(peer=LinkHello("agent", "b"), identity=Identity(Role.AGENT, "b"))
    await serving(port).handle(link, Frame(FrameKind.REQUEST, "r", "m", epoch=3, first_block=2))
    assert port.took


@pytest.mark.parametrize(
    ("who", "frame"),
    [
        ("b", Frame(FrameKind.REQUEST, "r", "m")),
        ("b", Frame(FrameKind.REQUEST, "r", "other", epoch=3)),
        ("mallory", Frame(FrameKind.REQUEST, "r", "m", epoch=3, first_block=2)),
        ("mallory", Frame(FrameKind.REQUEST, "r", "m", epoch=3)),
    ],
    ids=["as an application", "of another model", "of a plan without it", "whether it is ready there"],
)
def test_an_agent_does_its_part_of_plans_and_asks_nothing_of_its_own(who, frame) -> None:
    port = Port()
    link = SimpleNamespace(peer=LinkHello("agent", who), identity=Identity(Role.AGENT, who))
    with pytest.raises(PermissionDenied, match=who):
        serving(port).handle(link, frame)
    assert not port.took


def test_a_cancel_needs_no_plan() -> None:
    port = Port()
    link = SimpleNamespace(peer=LinkHello("agent", "b"), identity=Identity(Role.AGENT, "b"))
    serving(port).handle(link, Frame(FrameKind.CANCEL, "r", "m"))
    assert port.took
