"""The data port's door."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from device_agents.service import DataService
from lepton_edge.core.errors import LeptonError, Overloaded
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import LinkHello


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


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        (FrameKind.REQUEST, [("request", "link", FrameKind.REQUEST)]),
        (FrameKind.CANCEL, [("cancel", "link", FrameKind.CANCEL)]),
        (FrameKind.TUNNEL, [("tunnel", "link", FrameKind.TUNNEL)]),
        (FrameKind.REPLY, []),
        (FrameKind.PROBE, []),
    ],
)
async def test_requests_cancels_and_tunnels_are_passed_on_and_nothing_else(kind, taken) -> None:
    port = Port()
    waits = DataService(port, port.tunnel).handle("link", Frame(kind, "r"))
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
        DataService(port, port.tunnel).handle(
            SimpleNamespace(peer=LinkHello("client", "app")), Frame(FrameKind.REQUEST, "r")
        )


def test_an_accepted_link_is_passed_on() -> None:
    port = Port()
    DataService(port, port.tunnel).opened("link")
    assert port.took == [("opened", "link")]
