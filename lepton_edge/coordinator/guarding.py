"""An administrative call on a coordinator that knows who calls: may it, what came of it, and who is told.

Law: passes the call's events on as they are; what a person changed is written in the audit log however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from lepton_edge.coordinator import access
from lepton_edge.coordinator.gate import Gate
from lepton_edge.core import messages as m
from lepton_edge.core.frames import WireError
from lepton_edge.core.identity import Role
from lepton_edge.wire.rpc import PeerContext, raised
from partitioner.errors import LeptonError


async def guarded(
    gate: Gate, call: m.AdminCall, peer: PeerContext, events: AsyncIterator[m.AdminEvent]
) -> AsyncIterator[m.AdminEvent]:
    """Yield `events` of `call` if `peer` may make it; raise PermissionDenied or Unauthenticated if not."""
    gate.check_call(call, peer)
    error: LeptonError | None = None
    try:
        async with _closing(events):
            async for event in events:
                if isinstance(event, WireError):
                    error = raised(event)
                elif isinstance(event, m.Document) and isinstance(call, m.RemoveDevice):
                    await gate.revoke(Role.AGENT, call.device)  # its name is free again, its key is not to be
                yield event
    except LeptonError as failed:
        error = failed
        raise
    finally:
        if access.changes(call):
            gate.note(peer, type(call).__name__, access.subject(call), error)


@contextlib.asynccontextmanager
async def kept(gate: Gate | None) -> AsyncIterator[None]:
    """Renew what the gate shows of itself, meanwhile."""
    fresh = asyncio.create_task(gate.keep_fresh()) if gate is not None else None
    try:
        yield
    finally:
        if fresh is not None:
            fresh.cancel()
            await asyncio.gather(fresh, return_exceptions=True)


@contextlib.asynccontextmanager
async def _closing(events: AsyncIterator[m.AdminEvent]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
