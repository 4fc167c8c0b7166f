"""How one who has no certificate yet asks a coordinator for one, and how a certificate is renewed.

Law: carries; what is believed is decided above. The authority is known and checked before anything is asked here
(`front.authority_at` fetches it, a token names its hash).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Protocol

import grpc

from lepton_edge.core.identity import COORDINATOR_HOST, Credentials
from lepton_edge.core.joining import Joined, JoinRequest, RenewRequest
from lepton_edge.wire import convert, rpc
from lepton_edge.wire.tls import Trust

JOIN, RENEW = "Join", "Renew"
PATIENCE = 10.0  # seconds


class JoinServicer(Protocol):
    """What a coordinator answers to who has no certificate yet, or wants another."""

    async def join(self, request: JoinRequest, peer: rpc.PeerContext) -> Joined:
        """Give a certificate for a token."""
        ...

    async def renew(self, request: RenewRequest, peer: rpc.PeerContext) -> Joined:
        """Give a certificate for the one that `peer` has."""
        ...


def join_handlers(servicer: JoinServicer) -> rpc.Handlers:
    """Return the handlers by which one joins; they stand beside those of `rpc.control_handlers`."""

    async def join(asked: bytes, peer: rpc.PeerContext) -> Joined:
        return await servicer.join(convert.decode(JoinRequest, asked), peer)

    async def renew(asked: bytes, peer: rpc.PeerContext) -> Joined:
        return await servicer.renew(convert.decode(RenewRequest, asked), peer)

    methods = {JOIN: rpc.unary(join), RENEW: rpc.unary(renew)}
    return [grpc.method_handlers_generic_handler(rpc.CONTROL, methods)]


class JoinStub:
    """The methods by which one joins, called over one channel; typed errors come out."""

    def __init__(self, channel: grpc.aio.Channel, address: str = "") -> None:
        self._channel, self._address = channel, address

    async def join(self, request: JoinRequest) -> Joined:
        """Ask for a certificate with a token."""
        return await self._ask(JOIN, request)

    async def renew(self, request: RenewRequest) -> Joined:
        """Ask for another certificate with the one that this channel shows."""
        return await self._ask(RENEW, request)

    async def _ask(self, method: str, asked: JoinRequest | RenewRequest) -> Joined:
        with rpc.typed(self._address):
            call: Any = self._channel.unary_unary(f"/{rpc.CONTROL}/{method}")
            return convert.decode(Joined, await call(convert.encode(asked), timeout=PATIENCE))


@contextlib.asynccontextmanager
async def introduced(address: str, trust: Trust) -> AsyncIterator[JoinStub]:
    """Yield a stub for the coordinator at `address`, who proves to be one by an authority that `trust` believes."""
    channel = rpc.open_channel(address, trust=trust, host=COORDINATOR_HOST)
    try:
        yield JoinStub(channel, address)
    finally:
        await channel.close()


def believing(authority: bytes) -> Trust:
    """Return what believes `authority` (PEM) and shows no certificate: enough to join."""
    return Trust(Credentials(authority, b"", b""))
