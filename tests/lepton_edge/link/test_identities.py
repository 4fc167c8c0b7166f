"""Links where everybody proves who it is: a hello must say what the certificate says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lepton_edge.core.errors import PermissionDenied, Unauthenticated
from lepton_edge.core.frames import Frame
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import Description, Peer
from lepton_edge.link.link import Link, dial
from lepton_edge.link.server import open_data_port
from lepton_edge.wire import rpc
from tests.certificates import authority


async def ignore(link: Link, frame: Frame) -> None: ...


async def describe() -> Description:
    return Description("agent", "pi", "test", 1, 1)


@asynccontextmanager
async def opened(name: str = "pi") -> AsyncIterator[tuple[str, list[Link]]]:
    """Open the port of an agent that says to be `name` and is pi."""
    links: list[Link] = []
    trust = authority().trust(Role.AGENT, "pi")
    hello = LinkHello("agent", name)
    port, address = await open_data_port(
        "127.0.0.1:0", hello, ignore, describe, on_open=links.append, trust=trust
    )
    try:
        yield address, links
    finally:
        await port.stop(None)


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "gRPC"])
@pytest.mark.parametrize(
    ("role", "name", "hello"),
    [
        (Role.AGENT, "cloud", LinkHello("agent", "cloud")),
        (Role.AGENT, "cloud", LinkHello("client", "whatever it calls itself")),
        (Role.CLIENT, "app", LinkHello("client", "client-1")),
    ],
)
async def test_who_is_who_it_says_is_let_in_and_known(
    role: Role, name: str, hello: LinkHello, plain: bool
) -> None:
    async with opened() as (address, links):
        link = await dial(address, hello, ignore, plain=plain, trust=authority().trust(role, name))
        await link.probe(10, 10)
        assert isinstance(links[0].identity, Identity)
        assert (links[0].identity.role, links[0].identity.name) == (role, name)
        assert not links[0]._hello.checksums, "TLS has its own"
        await link.close()


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "gRPC"])
@pytest.mark.parametrize(
    ("role", "name"), [(Role.AGENT, "cloud"), (Role.CLIENT, "board"), (Role.ADMIN, "board")]
)
async def test_who_is_not_the_agent_that_it_says_is_refused(role: Role, name: str, plain: bool) -> None:
    async with opened() as (address, links):
        mine = authority().trust(role, name)
        link = await dial(address, LinkHello("agent", "board"), ignore, plain=plain, trust=mine)
        await asyncio.wait_for(link.closed.wait(), 5.0)  # both say hello before either looks
        assert isinstance(link.error, PermissionDenied)
        assert "showed the certificate of" in link.error.message
        assert not links


async def test_who_dialled_refuses_another_agent_than_it_met() -> None:
    async with opened("cloud") as (address, _):
        with pytest.raises(PermissionDenied):
            await dial(
                address, LinkHello("client", "app"), ignore, trust=authority().trust(Role.CLIENT, "app")
            )


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "gRPC"])
async def test_without_a_certificate_there_is_no_link(plain: bool) -> None:
    async with opened() as (address, links):
        with pytest.raises(Unauthenticated, match="no certificate was shown"):
            await dial(address, LinkHello("client", "app"), ignore, plain=plain, trust=authority().stranger())
        assert not links


async def test_a_stranger_who_asks_an_agent_hears_its_version_alone() -> None:
    told = Description(
        "agent", "pi", "test", 1, 1, "10.0.0.1:8010", (Peer("pi", ("10.0.0.2:8001",)),), "/a/door"
    )
    trust = authority().trust(Role.AGENT, "pi")
    port, address = await open_data_port(
        "127.0.0.1:0", LinkHello("agent", "pi"), ignore, lambda: given(told), trust=trust
    )
    for who, heard in (
        (authority().stranger(), Description("agent", "", "test", 1, 1)),
        (authority().trust(Role.CLIENT, "app"), told),
    ):
        channel = rpc.open_channel(address, trust=who)
        assert await rpc.ControlStub(channel, address).describe() == heard
        await channel.close()
    await port.stop(None)


async def given(told: Description) -> Description:
    return told


@pytest.mark.parametrize("plain", [True, False], ids=["asked for a plain stream", "gRPC"])
async def test_who_offers_grpc_alone_is_known_all_the_same(plain: bool) -> None:
    """Else whoever sits between with any agent's certificate could be every agent, by not offering plain streams."""
    for name, hello in (("pi", "pi"), ("mallory", "pi")):
        trust = authority().trust(Role.AGENT, name)
        port, address = await open_data_port(
            "127.0.0.1:0", LinkHello("agent", hello), ignore, describe, plain=False, trust=trust
        )
        mine = authority().trust(Role.AGENT, "board")
        if name == hello:
            link = await dial(address, LinkHello("agent", "board"), ignore, plain=plain, trust=mine)
            assert link.identity is not None
            assert link.identity.name == "pi"
            await link.close()
        else:
            with pytest.raises(PermissionDenied, match="showed the certificate of agent 'mallory'"):
                await dial(address, LinkHello("agent", "board"), ignore, plain=plain, trust=mine)
        await port.stop(None)
