"""Whoever is refused reads why: over gRPC, on a plain stream, in the open; and holds nothing for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lepton_edge.core.errors import Unauthenticated
from lepton_edge.core.identity import Role
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import Description
from lepton_edge.link.link import dial
from lepton_edge.wire import codec, dialling, front, rpc, sealing, streams, turned_away
from lepton_edge.wire.tls import HTTP2, Trust
from tests.certificates import authority

LONG = "a name that needs more than one byte of length, " * 12


async def nobody(stream: streams.ChunkStream) -> None:
    raise AssertionError(stream.peer)


async def describe() -> Description:
    raise AssertionError


@asynccontextmanager
async def shut(trust: Trust) -> AsyncIterator[str]:
    """A port that believes everybody of the authority but who shows `trust`."""
    own = authority().trust(Role.AGENT, "pi")
    handlers = [*streams.link_handlers(nobody), *rpc.describe_handlers(describe)]
    port, address = await front.open_port("127.0.0.1:0", handlers, nobody, trust=own)
    own.revoke([serial_of(trust)])
    try:
        yield address
    finally:
        await port.stop(None)


def serial_of(trust: Trust) -> int:
    from cryptography import x509

    return x509.load_pem_x509_certificate(trust.credentials.certificate).serial_number


async def describes(address: str, trust: Trust) -> None:
    channel = rpc.open_channel(address, trust=trust)
    try:
        await rpc.ControlStub(channel, address).describe(timeout=3.0)
    finally:
        await channel.close()


async def links(address: str, trust: Trust) -> None:
    await dial(address, LinkHello("client", "app"), lambda link, frame: None, trust=trust)


async def links_over_grpc(address: str, trust: Trust) -> None:
    await dial(address, LinkHello("client", "app"), lambda link, frame: None, trust=trust, plain=False)


@pytest.mark.parametrize("ask", [describes, links, links_over_grpc])
async def test_who_is_revoked_reads_so_and_what_to_do(ask) -> None:  # type: ignore[no-untyped-def]
    trust = authority().trust(Role.CLIENT, "app")
    async with shut(trust) as address:
        with pytest.raises(Unauthenticated, match=r"^the certificate of client 'app' is revoked") as caught:
            await asyncio.wait_for(ask(address, trust), 3.0)
    assert "client key create" in caught.value.hint


async def test_the_second_call_of_a_channel_reads_it_too() -> None:
    trust = authority().trust(Role.AGENT, "kitchen")
    async with shut(trust) as address:
        channel = rpc.open_channel(address, trust=trust)
        stub = rpc.ControlStub(channel, address)
        for _ in range(3):
            with pytest.raises(Unauthenticated, match="'kitchen' is revoked") as caught:
                await stub.describe(timeout=3.0)
        assert "agent join" in caught.value.hint
        await channel.close()


async def test_its_connections_count_as_strangers_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "FIRST_WORDS", 0.3)
    trust = authority().trust(Role.CLIENT, "app")
    context = trust.client_context()
    context.set_alpn_protocols([HTTP2])
    async with shut(trust) as address:
        connection = await dialling._connected(address)
        with await sealing.dial(connection, context, "node.lepton-edge", address) as silent:
            told = b"first"
            while told:  # our settings, then the end
                told = await asyncio.wait_for(sealing.until_done(silent, lambda: silent.recv(64)), 2.0)


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 254, 255, 300, 20_000])
def test_a_length_is_written_as_rfc_7541_has_it(length: int) -> None:
    value = bytes(length)
    written = turned_away._text(value)
    prefix, rest = written[0], written[1:]
    read = prefix
    if prefix == 127:
        for at, byte in enumerate(rest):  # RFC 7541, 5.1
            read += (byte & 127) << (7 * at)
            if byte < 128:
                rest = rest[at + 1 :]
                break
    assert (read, rest) == (length, value)


def test_any_error_fits_in_one_frame() -> None:
    error = Unauthenticated(LONG, "ü\n" * 300)
    assert len(turned_away._trailers(error)) < 1 << 14


async def test_who_is_dialled_with_a_revoked_certificate_hears_so_too() -> None:
    heard: list[str] = []

    async def listen(stream: streams.ChunkStream) -> None:
        said = codec.read_hello(await stream.read() or b"")
        heard.append(getattr(said, "message", ""))

    own = authority().trust(Role.AGENT, "pi")
    port, address = await front.open_port("127.0.0.1:0", [], listen, trust=own)
    trust = authority().trust(Role.AGENT, "cloud")
    trust.revoke([serial_of(own)])
    with pytest.raises(Unauthenticated, match="agent 'pi' is revoked"):
        await front.dial(address, trust=trust)
    for _ in range(100):
        await asyncio.sleep(0.01)
        if heard:
            break
    await port.stop(None)
    assert heard == ["the certificate of agent 'pi' is revoked"]


def test_a_call_has_asked_when_its_first_message_or_its_end_is_there() -> None:
    frame = turned_away._frame
    settings, head = frame(4, 0, 0, b"x" * 6), frame(1, 4, 7, b"headers")
    first = turned_away._first_call
    assert first(bytearray(settings)) == (0, False)
    assert first(bytearray(settings + head)) == (7, False)
    assert first(bytearray(settings + frame(1, 5, 7, b"headers"))) == (7, True)
    asked = settings + head + frame(0, 0, 7, b"hello")
    assert first(bytearray(asked)) == (7, True)
    assert first(bytearray(asked[:-1])) == (7, False), "half of it"
    assert first(bytearray(settings + head + frame(0, 0, 9, b"hello"))) == (7, False)


def test_a_first_call_after_many_frames_is_none() -> None:
    empty, begun = b"\0\0\0\4" + bytes(5), b"\0\0\0\1\5\0\0\0\1"
    assert turned_away._first_call(bytearray(empty * 8 + begun)) == (1, True)
    assert turned_away._first_call(bytearray(empty * 3600)) == (0, True)  # nothing more is looked at: it ends
    assert turned_away._first_call(bytearray(empty * 8)) == (0, False)
