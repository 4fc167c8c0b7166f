"""Errors as they leave this device.

Law: one place makes error frames, so that each says which device failed and answers the frame that asked.
"""

from __future__ import annotations

import math
from dataclasses import replace

from lepton_edge.core.frames import Frame, FrameKind, WireError
from partitioner.errors import LeptonError
from partitioner.units import DeviceId

CANCELLED = WireError("cancelled", "the caller cancelled the request", fault="caller")
GONE = WireError("cancelled", "the caller's link closed before the answer", fault="caller")


def as_wire(error: LeptonError, device: DeviceId) -> WireError:
    """Return `error` as it travels, in the name of `device`."""
    wait = math.ceil(error.retry_after * 1e3)
    return WireError(
        error.code, error.message, error.hint, error.fault, error.retryable, device, wait, error.elsewhere
    )


def error_frame(asked: Frame, error: WireError, device: DeviceId) -> Frame:
    """Return the ERROR frame that answers `asked`."""
    return Frame(
        FrameKind.ERROR,
        asked.request_id,
        model=asked.model,
        epoch=asked.epoch,
        page=asked.page,
        first_block=asked.first_block,
        step=asked.step,
        attempt=asked.attempt,
        traceparent=asked.traceparent,
        error=error if error.device else replace(error, device=device),
    )
