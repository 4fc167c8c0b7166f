"""Trust: who is believed, who a certificate names, and what a person reads when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gc
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from lepton_edge.core.errors import LeptonError, Unauthenticated, Unavailable
from lepton_edge.core.frames import WireError
from lepton_edge.core.identity import COORDINATOR_HOST, Credentials, Identity, Role, credentials_of
from lepton_edge.core.messages import Description
from lepton_edge.wire import codec, front, rpc, strangers, streams
from lepton_edge.wire.sealed import SealedStream
from lepton_edge.wire.tls import Trust, identity_in
from tests.certificates import Authority, authority

APP = Identity(Role.CLIENT, "app", ("m", "n"))


class Door:
    """A secured port that echoes, and who came in."""

    def __init__(self, trust: Trust) -> None:
        self.trust, self.seen = trust, []
        self.described: list[rpc.PeerContext] = []
        self.address = ""

    async def echo(self, stream: streams.ChunkStream) -> None:
        self.seen.append(stream.identity)
        while chunk := await stream.read():
            await stream.write(chunk)

    async def describe(self) -> Description:
        return Description("agent", "pi", "test", 1, 1)


@asynccontextmanager
async def opened(plain: bool = True) -> AsyncIterator[Door]:
    door = Door(authority().trust(Role.AGENT, "pi"))
    handlers = [*streams.link_handlers(door.echo), *rpc.describe_handlers(door.describe)]
    port, door.address = await front.open_port(
        "127.0.0.1:0", handlers, door.echo if plain else None, trust=door.trust
    )
    try:
        yield door
    finally:
        await port.stop(None)


async def described(address: str, trust: Trust | None, host: str = "node.lepton-edge") -> str:
    channel = rpc.open_channel(address, trust=trust, host=host)
    try:
        return (await rpc.ControlStub(channel, address).describe(timeout=3.0)).name
    finally:
        await channel.close()


async def dialled(address: str, trust: Trust | None) -> Any:
    """Return what a stream that was dialled says first, having said something."""
    stream = await front.dial(address, trust=trust)
    assert stream is not None
    try:
        await stream.write(b"hello")
        return await stream.read()
    finally:
        await stream.close()


async def test_both_sides_know_each_other_on_a_plain_stream_and_over_grpc() -> None:
    async with opened() as door:
        trust = authority().trust(Role.CLIENT, "app", ["m", "n"])
        stream = await front.dial(door.address, trust=trust)
        assert isinstance(stream, SealedStream)
        assert stream.secure
        assert stream.identity is not None
        assert (stream.identity.role, stream.identity.name) == (Role.AGENT, "pi")
        for size in (1, 16 << 10, 3_000_000):
            await stream.write(b"head", bytes(size))
            assert await stream.read() == b"head" + bytes(size)
        await stream.close()
        over_grpc = streams.DialledStream(door.address, trust)
        await over_grpc.write(b"hello")
        assert await over_grpc.read() == b"hello"
        await over_grpc.close()
        assert [(one.role, one.name, one.models) for one in door.seen] == [
            (APP.role, APP.name, APP.models)
        ] * 2
        assert await described(door.address, trust) == "pi"


async def test_a_port_without_plain_streams_is_dialled_over_grpc() -> None:
    async with opened(plain=False) as door:
        assert await front.dial(door.address, trust=authority().trust(Role.CLIENT, "app")) is None


async def test_an_authority_is_told_to_anybody() -> None:
    async with opened() as door:
        assert await front.authority_at(door.address) == door.trust.credentials.authority


FOREIGN = Authority("another's")


def mixed() -> Trust:
    """Believe our authority, and show a certificate of another's."""
    shown = FOREIGN.credentials(Role.CLIENT, "app")
    ours = authority().credentials(Role.CLIENT, "app").authority
    return Trust(Credentials(ours, shown.certificate, shown.key))


def expired() -> Trust:
    return Trust(authority().credentials(Role.CLIENT, "app", life=-datetime.timedelta(hours=1)))


@pytest.mark.parametrize(
    ("show", "why"),
    [(mixed, "it is another coordinator's"), (expired, "it has expired")],
    ids=["another's", "expired"],
)
async def test_a_certificate_that_does_not_count_is_refused(show: Callable[[], Trust], why: str) -> None:
    async with opened() as door:
        with pytest.raises(Unauthenticated, match=f"does not believe the certificate of this side: {why}"):
            await dialled(door.address, show())
        with pytest.raises(Unauthenticated, match="has expired, or is another coordinator's"):
            await described(door.address, show())
        assert not door.seen


async def test_who_is_refused_again_and_again_is_one_line_of_the_log() -> None:
    with structlog.testing.capture_logs() as logs:
        async with opened() as door:
            for _ in range(3):
                with pytest.raises(Unauthenticated):
                    await dialled(door.address, mixed())
    told = [one for one in logs if one["event"] == "a connection was refused or broke"]
    assert [one["log_level"] for one in told] == ["info", "debug", "debug"]
    assert len({one["peer"] for one in told}) == 3


async def test_who_listens_with_anothers_certificate_is_not_believed() -> None:
    async with opened() as door:
        for ask in (dialled, described):
            with pytest.raises(Unauthenticated, match="no certificate that is believed"):
                await ask(door.address, FOREIGN.trust(Role.CLIENT, "app"))


async def test_an_agent_is_not_believed_to_be_the_coordinator() -> None:
    async with opened() as door:
        with pytest.raises(Unauthenticated, match="believed"):
            await described(door.address, authority().trust(Role.ADMIN, "me"), host=COORDINATOR_HOST)


async def test_without_a_certificate_no_plain_stream_is_opened_and_the_reason_is_said() -> None:
    async with opened() as door:
        said = codec.read_hello(await dialled(door.address, authority().stranger()))
        assert isinstance(said, WireError)
        assert said.code == Unauthenticated.code
        assert await described(door.address, authority().stranger()) == "pi", "what is no secret"
        assert not door.seen


async def test_who_comes_in_the_open_is_told_so_in_its_own_language() -> None:
    async with opened() as door:
        said = codec.read_hello(await dialled(door.address, None))
        assert isinstance(said, WireError)
        assert said.code == Unauthenticated.code
        assert "TLS only" in said.message
        with pytest.raises(Unauthenticated, match="TLS only"):
            await described(door.address, None)
        assert not door.seen


@pytest.mark.parametrize("fronted", [True, False], ids=["a front", "gRPC alone"])
async def test_an_insecure_server_is_refused(fronted: bool) -> None:
    """Else who sits between could make everybody speak in the open."""

    async def nobody(stream: streams.ChunkStream) -> None:
        raise AssertionError

    handlers = rpc.describe_handlers(Door(authority().trust(Role.AGENT, "pi")).describe)
    port, address = await front.open_port("127.0.0.1:0", handlers, nobody if fronted else None)
    trust = authority().trust(Role.CLIENT, "app")
    for ask in (dialled, described):
        with pytest.raises((Unauthenticated, Unavailable), match="--insecure"):
            await ask(address, trust)
    await port.stop(None)


async def test_what_is_renewed_counts_for_new_connections_and_ends_none() -> None:
    async with opened() as door:
        trust = authority().trust(Role.CLIENT, "app")
        stream = await front.dial(door.address, trust=trust)
        assert stream is not None
        door.trust.renew(authority().credentials(Role.AGENT, "pi"))
        trust.renew(authority().credentials(Role.CLIENT, "app"))
        await stream.write(b"still here")
        assert await stream.read() == b"still here"
        assert await dialled(door.address, trust) == b"hello"
        assert len({one.serial for one in door.seen}) == 2
        await stream.close()


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5.0
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_what_is_revoked_ends_at_once_and_comes_no_more() -> None:
    async with opened() as door:
        trust = authority().trust(Role.CLIENT, "app")
        plain, over_grpc = (
            await front.dial(door.address, trust=trust),
            streams.DialledStream(door.address, trust),
        )
        assert plain is not None
        for stream in (plain, over_grpc):
            await stream.write(b"hello")
            await stream.read()
        door.trust.revoke([one.serial for one in door.seen])
        assert await plain.read() is None
        with pytest.raises(LeptonError):
            await over_grpc.read()
        said = codec.read_hello(await dialled(door.address, trust))
        assert isinstance(said, WireError), "nothing is heard of it, but why it is refused"
        assert (said.code, "is revoked" in said.message) == (Unauthenticated.code, True)
        assert await dialled(door.address, authority().trust(Role.CLIENT, "other")) == b"hello"
        await plain.close()
        await over_grpc.close()


async def test_who_dialled_leaves_when_the_other_side_is_revoked() -> None:
    async with opened() as door:
        trust = authority().trust(Role.AGENT, "cloud")
        stream = await front.dial(door.address, trust=trust)
        assert stream is not None
        assert stream.identity is not None
        trust.revoke([stream.identity.serial])
        with pytest.raises(Unavailable):
            await stream.read()
        with pytest.raises(Unauthenticated, match="revoked"):
            await front.dial(door.address, trust=trust)


async def test_connections_that_ended_are_not_kept() -> None:
    async with opened() as door:
        trust = authority().trust(Role.CLIENT, "app")
        for _ in range(3):
            assert await dialled(door.address, trust) == b"hello"
        gc.collect()
        await until(lambda: not door.trust._open)
        assert not trust._open


@pytest.mark.parametrize(
    "names",
    [
        (),
        (("URI", "lepton-edge:agent:"),),
        (("URI", "lepton-edge:king:pi"),),
        (("URI", "https://agent/pi"),),
        (("DNS", "lepton-edge:agent:pi"),),
        (("URI", "lepton-edge:agent:pi"), ("URI", "lepton-edge:admin:pi")),
    ],
)
def test_a_certificate_that_names_nobody_or_two_is_nobodys(names: tuple[Any, ...]) -> None:
    with pytest.raises(Unauthenticated):
        identity_in({"subjectAltName": names, "serialNumber": "0A"})


def test_a_certificate_names_its_role_and_models() -> None:
    names = (
        ("URI", "lepton-edge:client:app:1"),
        ("URI", "lepton-edge:model:m"),
        ("URI", "lepton-edge:model:n"),
    )
    found = identity_in({"subjectAltName": names, "serialNumber": "0A"})
    assert found == Identity(Role.CLIENT, "app:1", ("m", "n"), 10)


def test_credentials_that_do_not_fit_together_are_refused_and_what_was_used_stays() -> None:
    one, other = (authority().credentials(Role.AGENT, "pi") for _ in range(2))
    trust = Trust(one)
    with pytest.raises(Unauthenticated) as caught:
        trust.renew(Credentials(one.authority, one.certificate, other.key))
    assert "PRIVATE" not in str(caught.value)
    assert trust.credentials is one


def test_a_key_file_is_read_as_it_was_written() -> None:
    made = authority().credentials(Role.CLIENT, "app")
    read = credentials_of(made.pem())
    Trust(read)
    assert read.key.strip() == made.key.strip()
    assert "PRIVATE" not in repr(read)


def test_tls_1_3_and_no_less_and_no_session_is_resumed() -> None:
    trust = authority().trust(Role.AGENT, "pi")
    for context in (trust.server_context("lepton1"), trust.client_context()):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert trust.server_context("lepton1").num_tickets == 0


async def test_strangers_that_hold_connections_keep_nobody_else_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "MOST", 4)
    async with opened() as door:
        host, port = rpc.split_address(door.address)
        holders = [await asyncio.open_connection(host, port, local_addr=("127.0.0.9", 0)) for _ in range(8)]
        assert await dialled(door.address, authority().trust(Role.CLIENT, "app")) == b"hello"
        for _, writer in holders:
            writer.close()


async def test_who_floods_dribbles_or_says_nothing_keeps_nobody_from_being_answered() -> None:
    async with opened() as door:
        trust = authority().trust(Role.CLIENT, "app")
        stream = await front.dial(door.address, trust=trust)
        assert stream is not None
        rude = [asyncio.create_task(one(door.address)) for one in (floods, dribbles, holds) for _ in range(8)]
        await asyncio.sleep(0.1)
        for number in range(20):
            await stream.write(b"question %d" % number)
            assert await asyncio.wait_for(stream.read(), 5.0) == b"question %d" % number
        assert await asyncio.wait_for(dialled(door.address, trust), 10.0) == b"hello"
        await stream.close()
        while left := [
            task for task in rude if not task.done()
        ]:  # before Python 3.12 wait_for may lose a cancellation
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=0.5)
        assert {one.name for one in door.seen} == {"app"}


async def floods(address: str) -> None:
    """Shake hands without a certificate, again and again."""
    while True:
        with contextlib.suppress(LeptonError, OSError):
            await front.authority_at(address)


async def dribbles(address: str) -> None:
    """Say what begins like a handshake, a byte at a time."""
    loop = asyncio.get_running_loop()
    while True:
        with contextlib.suppress(OSError), socket.create_connection(rpc.split_address(address)) as connection:
            connection.setblocking(False)
            for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20:
                await loop.sock_sendall(connection, bytes([byte]))
                await asyncio.sleep(0.02)


async def holds(address: str) -> None:
    """Come and say nothing."""
    with socket.create_connection(rpc.split_address(address)):
        await asyncio.sleep(60)
