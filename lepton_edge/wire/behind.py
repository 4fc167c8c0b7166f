"""gRPC's own servers behind a front: one for those who are known, one for strangers.

Law: passes connections on, both ways, and says to `rpc.peer_of` who is behind each. Strangers get a server of their
own, begun with the first one: so few calls a connection that all strangers together take no place from the others.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from lepton_edge.wire import rpc
from lepton_edge.wire.inner import Inner, open_inner
from lepton_edge.wire.passing import pass_on

CALLS_OF_STRANGER = 4
"""At a time, on one connection; whoever joins makes one."""


class Behind:
    """The servers of one port; `known` is there already, at `inner`, and `handlers` are its own."""

    def __init__(self, known: Any, inner: Inner, handlers: rpc.Handlers) -> None:
        self._known, self._inner, self._handlers = known, inner, handlers
        self.most = self.most_strangers = 0
        """Connections that are passed on at a time; of strangers the front lets in no more than these."""
        self._passing = 0
        self._strangers: tuple[Any, Inner] | None = None
        self._beginning = asyncio.Lock()

    @classmethod
    async def begin(cls, handlers: rpc.Handlers, calls: int) -> Behind:
        """Start the server of those who are known, for so many `calls` at a time."""
        return cls(*await open_inner(handlers, calls=calls), handlers)

    async def stop(self, grace: float | None) -> None:
        """End what runs within `grace` seconds."""
        await self._known.stop(grace)
        self._inner.close()
        if self._strangers is not None:
            await self._strangers[0].stop(grace)
            self._strangers[1].close()

    async def pass_on(self, outer: socket.socket, who: rpc.PeerContext, first: bytes = b"") -> None:
        """Pass `first` and all that follows on, both ways, until one side ends."""
        if who.sealed and who.identity is None:
            await self._through(await self._of_strangers(), outer, who, first)
        elif self._passing < self.most:
            self._passing += 1
            try:
                await self._through(self._inner, outer, who, first)
            finally:
                self._passing -= 1

    async def _of_strangers(self) -> Inner:
        async with self._beginning:
            if self._strangers is None:
                calls, streams = CALLS_OF_STRANGER * self.most_strangers, CALLS_OF_STRANGER
                self._strangers = await open_inner(self._handlers, calls=calls, streams=streams)
        return self._strangers[1]

    async def _through(self, behind: Inner, outer: socket.socket, who: rpc.PeerContext, first: bytes) -> None:
        loop = asyncio.get_running_loop()
        with behind.connection() as (inner, name), rpc.passed_on(name, who):
            await behind.reach(inner)
            await loop.sock_sendall(inner, first)
            await pass_on(outer, inner)
