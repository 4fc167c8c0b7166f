"""gRPC's own servers behind a front: one for those who are known, one for strangers.

Law: passes connections on, both ways, and says to `rpc.peer_of` who is behind each. Strangers get a server of their
own, begun with the first one: so few calls a connection that all strangers together take no place from the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

from lepton_edge.wire import rpc
from lepton_edge.wire.passing import pass_on, prepare

CALLS_OF_STRANGER = 4
"""At a time, on one connection; whoever joins makes one."""
_HERE = "127.0.0.1"


class Behind:
    """The servers of one port; `known` is there already, at `address`, and `handlers` are its own."""

    def __init__(self, known: Any, address: str, handlers: rpc.Handlers) -> None:
        self._known, self._address, self._handlers = known, rpc.split_address(address), handlers
        self.most = self.most_strangers = 0
        """Connections that are passed on at a time; of strangers the front lets in no more than these."""
        self._passing = 0
        self._strangers: tuple[Any, tuple[str, int]] | None = None
        self._beginning = asyncio.Lock()

    async def stop(self, grace: float | None) -> None:
        """End what runs within `grace` seconds."""
        await self._known.stop(grace)
        if self._strangers is not None:
            await self._strangers[0].stop(grace)

    async def pass_on(self, outer: socket.socket, who: rpc.PeerContext, first: bytes = b"") -> None:
        """Pass `first` and all that follows on, both ways, until one side ends."""
        if who.sealed and who.identity is None:
            await self._through(await self._of_strangers(), outer, who, first)
        elif self._passing < self.most:
            self._passing += 1
            try:
                await self._through(self._address, outer, who, first)
            finally:
                self._passing -= 1

    async def _of_strangers(self) -> tuple[str, int]:
        async with self._beginning:
            if self._strangers is None:
                calls, streams = CALLS_OF_STRANGER * self.most_strangers, CALLS_OF_STRANGER
                server, where = await rpc.open_server(
                    f"{_HERE}:0", self._handlers, calls=calls, streams=streams
                )
                self._strangers = server, rpc.split_address(where)
        return self._strangers[1]

    async def _through(
        self, behind: tuple[str, int], outer: socket.socket, who: rpc.PeerContext, first: bytes
    ) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as inner:
            inner.setblocking(False)
            prepare(inner)
            inner.bind((_HERE, 0))  # here, so that nobody else's connection has this port meanwhile
            with rpc.passed_on(rpc.join_address(*inner.getsockname()[:2]), who):
                await loop.sock_connect(inner, behind)
                await loop.sock_sendall(inner, first)
                await pass_on(outer, inner)
