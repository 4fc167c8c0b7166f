"""Errors across the wire: as they travel, and as they are raised again on the other side.

Law: one code, one status; what gRPC raises becomes an error of the tree, and nothing else leaves.
"""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any, cast

import grpc

from lepton_edge.core.errors import (
    GRPC_STATUS,
    CorruptFrame,
    DeadlineExceeded,
    IncompatibleVersion,
    Overloaded,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    from_code,
)
from lepton_edge.core.frames import WireError
from lepton_edge.wire import convert
from lepton_edge.wire.tls import unbelieved
from partitioner.errors import Fault, LeptonError
from partitioner.units import DeviceId

ERROR_TRAILER = "lepton-error-bin"


def wire_error(error: LeptonError, device: str = "") -> WireError:
    """Return `error` as it travels."""
    wait = math.ceil(error.retry_after * 1e3)
    return WireError(
        error.code, error.message, error.hint, error.fault, error.retryable, DeviceId(device), wait,
        error.elsewhere,
    )  # fmt: skip


def raised(error: WireError) -> LeptonError:
    """Return the error that `error` stands for, ready to be raised."""
    made = from_code(error.code, error.message, error.hint, cast(Fault, error.fault), error.retryable)
    made.retry_after, made.elsewhere = error.retry_after_ms / 1e3, error.elsewhere
    return made


_AWAY = "is it running, and is the address right?"
_BY_STATUS: dict[grpc.StatusCode, tuple[type[LeptonError], str]] = {
    grpc.StatusCode.UNAVAILABLE: (Unavailable, _AWAY),
    grpc.StatusCode.CANCELLED: (Unavailable, "the connection was closed: try again"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (DeadlineExceeded, ""),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (Overloaded, ""),
    grpc.StatusCode.UNIMPLEMENTED: (IncompatibleVersion, "is this the right port, and the same release?"),
    grpc.StatusCode.UNAUTHENTICATED: (Unauthenticated, "join its coordinator or give a key"),
    grpc.StatusCode.PERMISSION_DENIED: (PermissionDenied, ""),
    grpc.StatusCode.DATA_LOSS: (CorruptFrame, ""),
}


def from_rpc_error(error: grpc.aio.AioRpcError, address: str = "") -> LeptonError:
    """Return the typed error behind a gRPC failure: the one in its trailer, else the one its status means."""
    for key, value in error.trailing_metadata() or ():
        if key == ERROR_TRAILER:
            return raised(convert.decode(WireError, value))
    why = error.details() or ""
    if error.code() is grpc.StatusCode.UNAVAILABLE and (refused := unbelieved(why, address or "the peer")):
        return refused
    kind, hint = _BY_STATUS.get(error.code(), (Unavailable, ""))
    return kind(f"{address or 'the peer'}: {error.details() or error.code().name}", hint)


async def abort(context: Any, error: LeptonError) -> None:
    """End a call with `error`'s status and the error itself in the trailer."""
    status = getattr(grpc.StatusCode, GRPC_STATUS.get(error.code, "INTERNAL"))
    trailer = ((ERROR_TRAILER, convert.encode(wire_error(error))),)
    await context.abort(status, str(error)[:1024], trailer)


class typed:  # noqa: N801 (read as a word of a with statement)
    """Turn gRPC's failures in the body into errors of the tree.

    What led to the failed call is cut off: whoever kept the error would keep the call with it, and its connection.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del trace
        if isinstance(error, grpc.aio.AioRpcError):
            error.__traceback__ = None
            raise from_rpc_error(error, self._address) from error
