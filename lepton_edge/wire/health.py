"""grpc.health.v1 on our ports: what load balancers, Kubernetes and grpc_health_probe ask.

Law: the standard's two messages have one field each, and are written here by hand: a stub of our own could meet
another of the same package in an application's process. Says no more than that a port answers and its process works;
over TLS to nobody without a certificate.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc

from lepton_edge.wire.rpc import peer_of

SERVICE, CHECK, WATCH = "grpc.health.v1.Health", "Check", "Watch"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = b"\x08\x01", b"\x08\x02", b"\x08\x03"
"""HealthCheckResponse, whose field 1 is its status."""
LOOK = 1.0  # seconds between two looks for who watches
MOST_WATCHERS = 16
LONGEST = 256  # bytes of a request

Serving = Callable[[], bool]


def health_handlers(services: Sequence[str], serving: Serving = lambda: True) -> list[grpc.GenericRpcHandler]:
    """Return the handlers of the health of these services ("" stands for all); `serving` says how it is now."""
    watchers = 0

    def status(request: bytes) -> bytes:
        if _asked(request) not in ("", *services):
            return SERVICE_UNKNOWN
        return SERVING if serving() else NOT_SERVING

    async def check(request: bytes, context: Any) -> bytes:
        await _refuse_strangers(context)
        told = status(request)
        if told == SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service here")
        return told

    async def watch(request: bytes, context: Any) -> AsyncIterator[bytes]:
        nonlocal watchers
        await _refuse_strangers(context)
        if watchers >= MOST_WATCHERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch: use Check")
        watchers += 1
        try:
            async for told in _changes(request, status):
                yield told
        finally:
            watchers -= 1

    methods = {
        CHECK: grpc.unary_unary_rpc_method_handler(check),
        WATCH: grpc.unary_stream_rpc_method_handler(watch),
    }
    return [grpc.method_handlers_generic_handler(SERVICE, methods)]


async def _refuse_strangers(context: Any) -> None:
    who = peer_of(context)
    if who.sealed and who.identity is None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no certificate was shown")


async def _changes(request: bytes, status: Callable[[bytes], bytes]) -> AsyncIterator[bytes]:
    """Yield the status now, and each time it has become another one."""
    before = b""
    while True:
        now = status(request)
        if now != before:
            before = now
            yield now
        await asyncio.sleep(LOOK)


def _asked(request: bytes) -> str:
    """Return the service that a HealthCheckRequest names, its field 1; "?" where it is none."""
    if not request:
        return ""
    named = request[:1] == b"\x0a" and len(request) < LONGEST and len(request) == 2 + request[1]
    return request[2:].decode("utf-8", "replace") if named else "?"
