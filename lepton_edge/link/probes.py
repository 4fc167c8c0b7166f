"""Probes: frames that measure a link and carry nothing else.

Law: pure. A probe says in its metadata how many bytes it wants back; the reply says how long the far side
kept it. Payloads do not compress, so that a tunnel which compresses does not flatter the link.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib

from lepton_edge.core.frames import Frame, FrameKind, Hop, WireTensor
from partitioner.codecs import RAW
from partitioner.units import DeviceId, RequestId, TensorName

LARGEST = 4 << 20  # bytes either way: a probe is never a burden
_WANTED = "size_down"


@functools.cache
def _noise() -> bytes:
    return hashlib.shake_128(b"lepton-edge probe").digest(64 << 10)


def _filler(size: int) -> tuple[WireTensor, ...]:
    if size <= 0:
        return ()
    noise = _noise()
    payload = (noise * -(-size // len(noise)))[:size]
    return (WireTensor(TensorName("probe"), "uint8", (size,), RAW.name, payload),)


def probe(request_id: RequestId, size_up: int, size_down: int) -> Frame:
    """Return a probe of `size_up` bytes that asks for `size_down` bytes; both are cut to 4 MiB."""
    wanted = str(min(size_down, LARGEST))
    return Frame(
        FrameKind.PROBE, request_id, tensors=_filler(min(size_up, LARGEST)), metadata={_WANTED: wanted}
    )


def size_asked(frame: Frame) -> int:
    """Return how many bytes a probe wants back; 0 for what is no number."""
    wanted = frame.metadata.get(_WANTED, "0")
    return min(int(wanted), LARGEST) if wanted.isascii() and wanted.isdigit() and len(wanted) < 12 else 0


def probe_reply(frame: Frame, waited: float) -> Frame:
    """Return the finished reply: the wanted payload, and the seconds that the probe spent here."""
    hop = Hop(DeviceId(""), 0, 0, total=waited)
    return dataclasses.replace(frame, tensors=_filler(size_asked(frame)), hops=(hop,))


def far_seconds(frame: Frame) -> float:
    """Return the seconds that the far side kept a probe, or says that it spent on a request."""
    return frame.hops[0].total if frame.hops else 0.0
