"""Greetings, limits and frames of a link, as small as its tests need them."""

from __future__ import annotations

from typing import Any

from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.links import Limits, LinkHello

HELLO = LinkHello("agent", "peer", window_frames=4, window_bytes=1000, max_frame_bytes=600)  # type: ignore[arg-type]
LIMITS = Limits(queue_frames=8, queue_bytes=2000, pending=5, chunk=100)  # type: ignore[arg-type]


def frame(kind: FrameKind, name: str, **fields: Any) -> Frame:
    return Frame(kind, name, **fields)  # type: ignore[arg-type]


def request(name: str, **fields: Any) -> Frame:
    return frame(FrameKind.REQUEST, name, **fields)
