"""The header of a frame: its fields as protobuf bytes, and back, with every limit checked.

Law: the fast way for the one noun that travels with every request; `convert.py` serves all others. A header
holds no payload, only each payload's size: where the payloads lie is `layout`, the same arithmetic on both
sides.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, EncodeError

from lepton_edge.core.errors import CorruptFrame, InvalidInput
from lepton_edge.core.frames import Frame, FrameKind, Hop, LabelScore, WireError, WireTensor
from lepton_edge.core.links import MAX_FRAME_BYTES, WINDOW_BYTES
from lepton_edge.wire import convert
from lepton_edge.wire.v1 import frame_pb2
from partitioner.codecs import DTYPE_BYTES, GRAPH_PARTS, Codec, codec_named
from partitioner.units import (
    Bytes,
    CodecName,
    TensorName,
)

ALIGNMENT = 64
_CODED_BYTES = {part: DTYPE_BYTES[coded] for part, coded in GRAPH_PARTS.items()}


MAX_KNOWN = 256
LARGEST_ZERO = 255  # of the affine codecs, whose steps are uint8
LARGEST_SCALE = 3.4028234663852886e38  # of a float32
MAX_ALIKE = 32  # headers whose shared part is remembered; of those that come, so many of one length
MAX_SHARED = 1024  # bytes of one

K = TypeVar("K")
V = TypeVar("V")

Look = tuple[str, str, tuple[int, ...], str, int, float]
"""All that is checked of a tensor: name, dtype, shape, codec, bytes of payload, scale."""
Laid = tuple[Look, int, int]
"""A tensor as a checked header announces it: its look, its zero point, and where its payload begins."""


@dataclass(frozen=True)
class FrameLimits:
    """What a decoder accepts: a frame's header and payload, all half-received payloads, tensors' shapes.

    `decoded_bytes` bounds one tensor after decompression (it is declared by dtype and shape). `known` are the last
    tensors' looks that passed, `MAX_KNOWN` at most: most frames of a stream carry tensors that look alike.
    `written` and `seen`: what frames that look alike share, as bytes by its look, and read, by length and bytes.
    """

    frame_bytes: Bytes = MAX_FRAME_BYTES
    open_bytes: Bytes = WINDOW_BYTES
    open_frames: int = 64
    header_bytes: Bytes = Bytes(1 << 20)
    tensors: int = 256
    rank: int = 16
    name_length: int = 1024
    decoded_bytes: Bytes = Bytes(256 << 20)
    known: set[Look] = field(default_factory=set, init=False, repr=False, compare=False)
    written: dict[Any, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)
    seen: dict[int, dict[bytes, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)


def layout(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Return where payloads of these sizes begin, each aligned to 64 bytes, and where the last one ends."""
    offsets, end = [], 0
    for size in sizes:
        begin = -(-end // ALIGNMENT) * ALIGNMENT
        offsets.append(begin)
        end = begin + size
    return offsets, end


def payload_size(frame: Frame) -> Bytes:
    """Return the bytes of `frame`'s payloads as they are laid out on the wire."""
    end = 0
    for tensor in frame.tensors:
        end += -end % ALIGNMENT + len_of(tensor.payload)
    return Bytes(end)


def len_of(payload: bytes | memoryview) -> int:
    """Return the bytes of a payload, whatever its element type."""
    return payload.nbytes if isinstance(payload, memoryview) else len(payload)


# --- writing --------------------------------------------------------------------------------------


def write(
    frame: Frame, credit_frames: int = 0, credit_bytes: int = 0, limits: FrameLimits | None = None
) -> bytes:
    """Return the header of `frame`; credits given here travel with it (in place of its own).

    Raises InvalidInput when it cannot be encoded, or when a decoder with `limits` would end the stream over
    it.
    """
    try:
        own = write_own(frame_pb2.Frame(), frame, credit_frames, credit_bytes)
        if limits is None:
            return bytes(write_shared(own, frame).SerializeToString())
        check_numbers(own)
        encoded: bytes = own.SerializeToString() + _shared_bytes(frame, limits)
        _check_length(encoded, limits)
    except (TypeError, ValueError, EncodeError) as error:  # no text, a lone surrogate, a number out of range
        raise InvalidInput(
            f"a message cannot be encoded: {error}", "names and metadata are plain text"
        ) from error
    except CorruptFrame as error:
        raise InvalidInput(f"a message cannot be sent: {error.message}", "send less at once") from error
    return encoded


def _shared_bytes(frame: Frame, limits: FrameLimits) -> bytes:
    """Return the bytes of what `frame` shares with others that look like it, checked; of known ones at once."""
    looks = [look_of(tensor) for tensor in frame.tensors]
    points = tuple([tensor.zero_point for tensor in frame.tensors])
    key = (frame.kind, frame.state_position, *_shared_of(frame), tuple(frame.outputs), tuple(looks), points)
    known = limits.written.get(key)
    if known is None:
        check_tensors(looks, limits)
        header = write_shared(frame_pb2.Frame(), frame)
        check_numbers(header)
        known = bytes(header.SerializeToString())
        if is_lasting(looks, known):
            remember(limits.written, key, known)
    return known


def is_lasting(looks: Sequence[Look], encoded: bytes) -> bool:
    """Say whether what frames share is likely to come again, and short enough to be remembered."""
    return len(encoded) <= MAX_SHARED and not any([_varies(CodecName(look[3])) for look in looks])


def _varies(name: CodecName) -> bool:
    """Say whether a tensor of one shape takes now more, now fewer bytes by a codec."""
    codec = codec_named(name)
    return codec is None or bool(codec.byte_part)


def remember(known: dict[K, V], key: K, value: V, most: int = MAX_ALIKE) -> None:
    """Add to what is known; of `most` things the oldest makes room."""
    if len(known) >= most:
        del known[next(iter(known))]
    known[key] = value


def _check_length(encoded: bytes, limits: FrameLimits) -> None:
    if len(encoded) > limits.header_bytes:
        raise CorruptFrame(
            f"its names and metadata take {len(encoded)} bytes; at most {limits.header_bytes} are accepted"
        )


_HOP = tuple(one.name for one in fields(Hop))
_hop_of = operator.attrgetter(*_HOP)
_hop_made: Any = Hop

OWN = (
    "request_id", "step", "attempt", "remaining_ms", "traceparent", "credit_frames", "credit_bytes", "reason", "flow",
)  # fmt: skip  # fields of one value that differ from frame to frame; most are left at zero
_SHARED = ("model", "epoch", "page", "first_block", "priority", "degraded")
own_of = operator.attrgetter(*OWN)
_shared_of = operator.attrgetter(*_SHARED)


def write_own(
    header: frame_pb2.Frame, frame: Frame, credit_frames: int, credit_bytes: int
) -> frame_pb2.Frame:
    """Set in `header` what a frame does not have in common with others that look like it; return it."""
    for name, value in zip(OWN, own_of(frame)):  # noqa: B905 (of one length by their making)
        if value:  # zero costs nothing to write and something to set
            setattr(header, name, value)
    if credit_frames or credit_bytes:
        header.credit_frames = credit_frames or frame.credit_frames
        header.credit_bytes = credit_bytes or frame.credit_bytes
    if frame.metadata:
        header.metadata.update(frame.metadata)
    if frame.hops or frame.labels or frame.error is not None:
        _write_report(header, frame)
    return header


def write_shared(header: frame_pb2.Frame, frame: Frame) -> frame_pb2.Frame:
    """Set in `header` what frames that look alike have in common; return it."""
    header.kind = int(frame.kind)  # type: ignore[assignment]
    header.state_position = frame.state_position
    for name, value in zip(_SHARED, _shared_of(frame)):  # noqa: B905 (of one length by their making)
        if value:
            setattr(header, name, value)
    for tensor in frame.tensors:
        header.tensors.add(
            name=tensor.name, dtype=tensor.dtype, shape=tensor.shape, codec=tensor.codec,
            payload_size=len_of(tensor.payload), scale=tensor.scale, zero_point=tensor.zero_point,
        )  # fmt: skip
    if frame.outputs:
        header.outputs.extend(frame.outputs)
    return header


def _write_report(header: frame_pb2.Frame, frame: Frame) -> None:
    for hop in frame.hops:
        added = header.hops.add()
        for name, value in zip(_HOP, _hop_of(hop), strict=True):
            if value or name == "simulated_slowdown":
                setattr(added, name, value)
    for label in frame.labels:
        header.labels.add(**vars(label))
    if frame.error is not None:
        header.error.SetInParent()
        header.error.MergeFrom(convert.to_message(frame.error))


# --- reading --------------------------------------------------------------------------------------


def parse(encoded: bytes | memoryview) -> frame_pb2.Frame:
    """Return the header message in `encoded`."""
    try:
        header: frame_pb2.Frame = frame_pb2.Frame.FromString(bytes(encoded))
    except DecodeError as error:
        raise CorruptFrame("a frame's header cannot be read") from error
    return header


def check(header: frame_pb2.Frame, total: int, limits: FrameLimits) -> list[Laid]:
    """Check a header against its payload's size and the limits; return its tensors, and where each one begins."""
    laid, end = [], 0
    for tensor in header.tensors:
        scale = tensor.scale if tensor.HasField("scale") else 1.0
        size = tensor.payload_size
        begin = end + -end % ALIGNMENT
        end = begin + size
        look = (tensor.name, tensor.dtype, tuple(tensor.shape[:]), tensor.codec, size, scale)
        if not 0 <= tensor.zero_point <= LARGEST_ZERO:
            raise CorruptFrame(f"tensor {tensor.name[:80]!r} has the zero point {tensor.zero_point}")
        laid.append((look, tensor.zero_point, begin))
    check_tensors([look for look, _, _ in laid], limits)
    if end != total:
        raise CorruptFrame(f"a frame's tensors take {end} bytes, but {total} are announced")
    check_numbers(header)
    return laid


def look_of(tensor: WireTensor) -> Look:
    """Return what is checked of a tensor."""
    size = len_of(tensor.payload)
    return tensor.name, tensor.dtype, tuple(tensor.shape), tensor.codec, size, tensor.scale


def check_numbers(header: frame_pb2.Frame) -> None:
    """Raise CorruptFrame for numbers that cannot be negative and are."""
    if min(header.credit_frames, header.credit_bytes, header.remaining_ms, header.epoch) < 0:
        raise CorruptFrame("a frame with negative credits, epoch or deadline")


def check_tensors(looks: Sequence[Look], limits: FrameLimits) -> None:
    """Raise CorruptFrame for tensors that pass the limits; of those whose look is known it is known already."""
    if len(looks) > limits.tensors:
        raise CorruptFrame(f"a frame with {len(looks)} tensors; at most {limits.tensors} are accepted")
    if len(looks) > 1 and len({look[0] for look in looks}) != len(looks):
        raise CorruptFrame("a frame names one tensor twice")
    for look in looks:
        if look not in limits.known:
            _check_tensor(look, limits)
            if len(limits.known) >= MAX_KNOWN:
                limits.known.clear()
            limits.known.add(look)


def _check_tensor(look: Look, limits: FrameLimits) -> None:
    name, dtype, shape, by, size, scale = look
    codec = codec_named(CodecName(by))
    if codec is None:
        raise CorruptFrame(f"tensor {name[:80]!r} travels by the unknown codec {by[:40]!r}")
    if dtype not in codec.holds:
        raise CorruptFrame(f"codec {codec.name} holds no {dtype[:40]!r}")
    if len(name) > limits.name_length or len(shape) > limits.rank:
        raise CorruptFrame(f"tensor {name[:80]!r} has too long a name or too many dimensions")
    if size < 0 or min(shape, default=0) < 0:
        raise CorruptFrame(f"tensor {name[:80]!r} has a negative size")
    if not abs(scale) <= LARGEST_SCALE:  # nor is it a number at all
        raise CorruptFrame(f"tensor {name[:80]!r} has the scale {scale}")
    _check_size(look, codec, limits)


def _check_size(look: Look, codec: Codec, limits: FrameLimits) -> None:
    name, dtype, shape, _, size, _ = look
    elements = math.prod(shape)
    if elements * DTYPE_BYTES[dtype] > limits.decoded_bytes:
        raise CorruptFrame(f"tensor {name[:80]!r} of shape {list(shape)} passes the size limit")
    if codec.byte_part:
        return  # its decoder is told the size that must come out, or knows what a code's shape must be
    expected = elements * _CODED_BYTES.get(codec.graph_part, DTYPE_BYTES[dtype])
    if expected != size:
        raise CorruptFrame(
            f"tensor {name[:80]!r} is {dtype} {list(shape)} by {codec.name}: "
            f"{expected} bytes, but {size} came"
        )


_KINDS = {int(kind): kind for kind in FrameKind}


def read(header: frame_pb2.Frame, laid: Sequence[Laid], payload: memoryview) -> Frame:
    """Return the frame of a checked header; its tensors' payloads are slices of `payload`."""
    return made(read_shared(header), laid, header, payload)


def made(shared: dict[str, Any], laid: Sequence[Laid], own: frame_pb2.Frame, payload: memoryview) -> Frame:
    """Return a frame of fields that were read before, and of what `own` says of it alone."""
    given = dict(shared)
    given.update(zip(OWN, own_of(own)))  # noqa: B905 (of one length by their making)
    given["tensors"] = tuple([_tensor(one, payload) for one in laid])
    hops, labels, metadata = own.hops, own.labels, own.metadata
    given["hops"] = tuple([_hop(hop) for hop in hops]) if hops else ()
    given["labels"] = tuple([_label(label) for label in labels]) if labels else ()
    given["metadata"] = dict(metadata) if metadata else {}
    given["error"] = convert.from_message(WireError, own.error) if own.HasField("error") else None
    return Frame.of(given)


def read_shared(header: frame_pb2.Frame) -> dict[str, Any]:
    """Return the fields that frames which look alike share, but for their tensors."""
    kind = _KINDS.get(header.kind)
    if kind is None:
        raise CorruptFrame(f"a frame of the unknown kind {header.kind}", "update this side")
    given: dict[str, Any] = dict(zip(_SHARED, _shared_of(header)))  # noqa: B905 (of one length by their making)
    given["kind"] = kind
    given["state_position"] = header.state_position if header.HasField("state_position") else -1
    given["outputs"] = tuple(header.outputs)
    return given


def _tensor(laid: Laid, payload: memoryview) -> WireTensor:
    (name, dtype, shape, codec, size, scale), zero_point, begin = laid
    piece = payload[begin : begin + size]
    return WireTensor(TensorName(name), dtype, shape, CodecName(codec), piece, scale, zero_point)


def _hop(message: frame_pb2.Hop) -> Hop:
    values = _hop_of(message)
    if message.HasField("simulated_slowdown") and math.isfinite(sum(values[1:])):
        hop: Hop = _hop_made(*values)
        return hop
    return convert.from_message(Hop, message)  # the slow way also says what is wrong


def _label(label: frame_pb2.LabelScore) -> LabelScore:
    # A score may be NaN: a model fed with infinities answers so, and that is the caller's to see.
    return LabelScore(TensorName(label.output), label.row, label.index, label.label, label.score)
