"""A data port serves links and tells who it is."""

from __future__ import annotations

import pytest

from lepton_edge.core.frames import Frame
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import Description
from lepton_edge.link.link import Link, dial
from lepton_edge.link.server import link_handlers, open_data_port
from lepton_edge.wire import rpc
from lepton_edge.wire.sockets import SocketStream
from lepton_edge.wire.streams import DialledStream


async def ignore(link: Link, frame: Frame) -> None:
    pass


async def describe() -> Description:
    return Description("agent", "cloud", "0.1", 1, 0)


async def test_a_data_port_describes_itself_and_tells_about_each_link() -> None:
    opened: list[Link] = []
    handlers = link_handlers(LinkHello("agent", "cloud"), ignore, describe, on_open=opened.append)
    server, address = await rpc.open_server("127.0.0.1:0", handlers)
    channel = rpc.open_channel(address)
    assert (await rpc.ControlStub(channel).describe()).name == "cloud"
    await channel.close()
    links = [await dial(address, LinkHello("client", name), ignore) for name in ("a", "b")]
    for link in links:
        await link.probe()
        await link.close()
    for link in opened:
        await link.over()
    await server.stop(None)
    assert sorted(link.peer.name for link in opened) == [
        "a",
        "b",
    ]  # which comes first is the network's matter


@pytest.mark.parametrize("listens", [True, False])
@pytest.mark.parametrize("dials", [True, False])
async def test_a_link_is_plain_where_both_want_it_and_goes_over_grpc_otherwise(
    listens: bool, dials: bool
) -> None:
    port, address = await open_data_port(
        "127.0.0.1:0", LinkHello("agent", "cloud"), ignore, describe, plain=listens
    )
    link = await dial(address, LinkHello("client", "a"), ignore, plain=dials)
    assert type(link._stream) is (SocketStream if listens and dials else DialledStream)
    await link.probe()
    await link.close()
    await port.stop(None)
