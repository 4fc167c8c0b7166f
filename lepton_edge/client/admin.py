"""A conversation with the coordinator: progress while it lasts, one document or one error at its end.

Law: reads events, knows no transport. A document is JSON of a named, versioned schema
    ("lepton-edge/devices/1").
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from lepton_edge.client.exchange import fault
from lepton_edge.core.errors import IncompatibleVersion, ProtocolError, Unavailable, from_code
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import AdminCall, AdminEvent, Document, Progress

OnProgress = Callable[[Progress], None]
SCHEMA_MAJOR = "1"


async def only(call: AdminCall) -> AsyncIterator[AdminCall]:
    """Yield `call` and nothing more."""
    yield call


async def document(
    events: AsyncIterator[AdminEvent], schema: str, progress: OnProgress | None = None
) -> dict[str, Any]:
    """Return the document that ends `events`; each step on the way is handed to `progress`.

    `schema` is the expected one's short name ("devices"), empty for any.

    Raises:
        LeptonError: the typed error that the coordinator answered.
        Unavailable: the conversation ended without an answer.
        IncompatibleVersion: the coordinator speaks another version of the document.
    """
    async with _closing(events):
        async for event in events:
            if isinstance(event, WireError):
                raise from_code(event.code, event.message, event.hint, fault(event.fault), event.retryable)
            if isinstance(event, Document):
                return _read(event, schema)
            if progress is not None:
                progress(event)
    raise Unavailable("the coordinator hung up before it had answered", "see its log, then try again")


async def documents(events: AsyncIterator[AdminEvent], schema: str) -> AsyncGenerator[dict[str, Any], None]:
    """Yield every document of `events` until the coordinator ends them or the caller leaves.

    Raises:
        LeptonError: as `document` does; Unavailable also when the coordinator goes away.
    """
    async with _closing(events):
        async for event in events:
            if isinstance(event, WireError):
                raise from_code(event.code, event.message, event.hint, fault(event.fault), event.retryable)
            if isinstance(event, Document):
                yield _read(event, schema)


@contextlib.asynccontextmanager
async def _closing(events: AsyncIterator[AdminEvent]) -> AsyncIterator[None]:
    """Close a generator that is left before its end, so that its stream is given back at once."""
    try:
        yield
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()


def _read(told: Document, schema: str) -> dict[str, Any]:
    expected = f"lepton-edge/{schema}/{SCHEMA_MAJOR}"
    if schema and told.schema != expected:
        raise IncompatibleVersion(
            f"the coordinator answered {told.schema!r} where {expected!r} was expected",
            "use the same release of lepton-edge on both sides",
        )
    try:
        value = json.loads(told.json)
    except ValueError as error:
        raise ProtocolError(f"the coordinator's {told.schema} is not JSON: {error}", "see its log") from error
    return value if isinstance(value, dict) else {"items": value}
