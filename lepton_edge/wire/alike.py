"""Headers of frames that look alike: what they share is read and checked once.

Law: quicker, and never different: what is remembered is what protobuf read in just these bytes, and every check that a
header passes is made of it as well. Two messages one after the other are one message to protobuf, so a writer of today
(`header.write`) lays out first what is a frame's own (request id, deadline, credits, times) and then, from the field
`kind` on, what frames of a stream share (model, page, tensors). Peers that lay it out otherwise are read as ever.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from lepton_edge.core.frames import Frame
from lepton_edge.wire import header
from lepton_edge.wire.header import FrameLimits, Laid
from lepton_edge.wire.v1 import frame_pb2

LENGTHS = 8  # of shared parts that are looked for
_KIND = 0x08  # the first byte of what is shared: field 1, a number
_NUMBER, _BYTES = 0, 2  # wire types of protobuf
_shared_of = operator.attrgetter(
    "kind", "model", "epoch", "page", "first_block", "priority", "degraded", "tensors", "outputs"
)


class Shared(NamedTuple):
    """What frames that look alike share, read and checked: fields, tensors, bytes of their payloads."""

    fields: dict[str, Any]
    laid: Sequence[Laid]
    total: int


class Heading(NamedTuple):
    """A checked header whose payload has yet to come."""

    own: frame_pb2.Frame
    shared: Shared

    def frame(self, payload: memoryview) -> Frame:
        """Return the frame; its tensors' payloads are slices of `payload`."""
        return header.made(self.shared.fields, self.shared.laid, self.own, payload)


def read(encoded: bytes, total: int, limits: FrameLimits) -> Heading:
    """Return a header, checked against the payload's size and the limits; CorruptFrame when it breaks them."""
    return _known(encoded, total, limits) or _unknown(encoded, total, limits)


def _known(encoded: bytes, total: int, limits: FrameLimits) -> Heading | None:
    for length, alike in limits.seen.items():
        shared = alike.get(encoded[-length:])
        if shared is None or shared.total != total:
            continue
        own = _message(encoded[:-length])
        if own is None or any(_shared_of(own)) or own.HasField("state_position"):
            return None
        header.check_numbers(own)
        return Heading(own, shared)
    return None


def _message(encoded: bytes) -> frame_pb2.Frame | None:
    try:
        message: frame_pb2.Frame = frame_pb2.Frame.FromString(encoded)
    except DecodeError:
        return None
    return message


def _unknown(encoded: bytes, total: int, limits: FrameLimits) -> Heading:
    message = header.parse(encoded)
    laid = header.check(message, total, limits)
    heading = Heading(message, Shared(header.read_shared(message), laid, total))
    _learn(encoded, heading.shared, limits)
    return heading


def _learn(encoded: bytes, shared: Shared, limits: FrameLimits) -> None:
    """Remember the shared part of a header that was found good, where it is laid out as today."""
    part = encoded[_border(encoded) :]
    if len(part) == len(encoded) or not header.is_lasting([look for look, _, _ in shared.laid], part):
        return
    own, alone = _message(encoded[: -len(part)]), _message(part)
    if own is None or alone is None or any(_shared_of(own)) or own.HasField("state_position"):
        return
    if any(header.own_of(alone)) or alone.hops or alone.labels or alone.metadata or alone.HasField("error"):
        return
    if len(part) not in limits.seen:
        header.remember(limits.seen, len(part), {}, LENGTHS)
    header.remember(limits.seen[len(part)], part, shared)


def _border(encoded: bytes) -> int:
    """Return where the field `kind` begins; 0 where nothing stands before it, or something strange."""
    at = 0
    try:
        while encoded[at] != _KIND:
            tag, at = _number(encoded, at)
            size, at = _number(encoded, at)
            if tag & 7 == _BYTES:
                at += size
            elif tag & 7 != _NUMBER:
                return 0
    except IndexError:
        return 0
    return at


def _number(encoded: bytes, at: int) -> tuple[int, int]:
    """Return the varint at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = encoded[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
