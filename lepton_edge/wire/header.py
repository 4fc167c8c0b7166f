"""The header of a frame: its fields as protobuf bytes, and back, with every limit checked.

Law: the fast way for the one noun that travels with every request; `convert.py` serves all others. A header
holds no payload, only each payload's size: where the payloads lie is `layout`, the same arithmetic on both
sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError, EncodeError

from lepton_edge.core.errors import CorruptFrame, InvalidInput
from lepton_edge.core.frames import Frame, FrameKind, Hop, LabelScore, WireError, WireTensor
from lepton_edge.core.links import MAX_FRAME_BYTES, WINDOW_BYTES
from lepton_edge.wire import convert
from lepton_edge.wire.v1 import frame_pb2
from partitioner.codecs import CODECS, DTYPE_BYTES, GRAPH_PARTS, Codec
from partitioner.units import (
    Bytes,
    CodecName,
    Epoch,
    ModelName,
    PageName,
    RequestId,
    TensorName,
)

ALIGNMENT = 64
_CODED_BYTES = {part: DTYPE_BYTES[coded] for part, coded in GRAPH_PARTS.items()}


@dataclass(frozen=True)
class FrameLimits:
    """What a decoder accepts: a frame's header and payload, all half-received payloads, tensors' shapes.

    `decoded_bytes` bounds one tensor after decompression (it is declared by dtype and shape).
    """

    frame_bytes: Bytes = MAX_FRAME_BYTES
    open_bytes: Bytes = WINDOW_BYTES
    open_frames: int = 64
    header_bytes: Bytes = Bytes(1 << 20)
    tensors: int = 256
    rank: int = 16
    name_length: int = 1024
    decoded_bytes: Bytes = Bytes(256 << 20)


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
    return Bytes(layout([len_of(tensor.payload) for tensor in frame.tensors])[1])


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
        header = _message(frame, credit_frames, credit_bytes)
        encoded = bytes(header.SerializeToString())
        if limits is not None:
            check(header, payload_size(frame), limits)
            _check_length(encoded, limits)
    except (TypeError, ValueError, EncodeError) as error:  # no text, a lone surrogate, a number out of range
        raise InvalidInput(
            f"a message cannot be encoded: {error}", "names and metadata are plain text"
        ) from error
    except CorruptFrame as error:
        raise InvalidInput(f"a message cannot be sent: {error.message}", "send less at once") from error
    return encoded


def _check_length(encoded: bytes, limits: FrameLimits) -> None:
    if len(encoded) > limits.header_bytes:
        raise CorruptFrame(
            f"its names and metadata take {len(encoded)} bytes; at most {limits.header_bytes} are accepted"
        )


def _message(frame: Frame, credit_frames: int, credit_bytes: int) -> frame_pb2.Frame:
    header = frame_pb2.Frame(
        kind=int(frame.kind),  # type: ignore[arg-type]
request_id=frame.request_id, model=frame.model, epoch=frame.epoch,
        page=frame.page,
        first_block=frame.first_block, step=frame.step, attempt=frame.attempt, priority=frame.priority,
        remaining_ms=frame.remaining_ms, state_position=frame.state_position, traceparent=frame.traceparent,
        credit_frames=credit_frames or frame.credit_frames, credit_bytes=credit_bytes or frame.credit_bytes,
        degraded=frame.degraded, reason=frame.reason, flow=frame.flow,
    )  # fmt: skip
    for tensor in frame.tensors:
        header.tensors.add(
            name=tensor.name, dtype=tensor.dtype, shape=tensor.shape, codec=tensor.codec,
            payload_size=len_of(tensor.payload), scale=tensor.scale, zero_point=tensor.zero_point,
        )  # fmt: skip
    if frame.outputs:
        header.outputs.extend(frame.outputs)
    if frame.metadata:
        header.metadata.update(frame.metadata)
    _write_report(header, frame)
    return header


def _write_report(header: frame_pb2.Frame, frame: Frame) -> None:
    for hop in frame.hops:
        header.hops.add(**vars(hop))
    for label in frame.labels:
        header.labels.add(**vars(label))
    if frame.error is not None:
        header.error.SetInParent()
        header.error.MergeFrom(convert.to_message(frame.error))


# --- reading --------------------------------------------------------------------------------------


def parse(encoded: bytes | memoryview) -> frame_pb2.Frame:
    """Return the header message in `encoded`."""
    header = frame_pb2.Frame()
    try:
        header.ParseFromString(bytes(encoded))
    except DecodeError as error:
        raise CorruptFrame("a frame's header cannot be read") from error
    return header


def check(header: frame_pb2.Frame, total: int, limits: FrameLimits) -> list[int]:
    """Check a header against its payload's size and the limits; return where each tensor's payload begins."""
    tensors = header.tensors
    if len(tensors) > limits.tensors:
        raise CorruptFrame(f"a frame with {len(tensors)} tensors; at most {limits.tensors} are accepted")
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise CorruptFrame("a frame names one tensor twice")
    for tensor in tensors:
        _check_tensor(tensor, limits)
    offsets, end = layout([tensor.payload_size for tensor in tensors])
    if end != total:
        raise CorruptFrame(f"a frame's tensors take {end} bytes, but {total} are announced")
    if min(header.credit_frames, header.credit_bytes, header.remaining_ms, header.epoch) < 0:
        raise CorruptFrame("a frame with negative credits, epoch or deadline")
    return offsets


def _check_tensor(tensor: frame_pb2.WireTensor, limits: FrameLimits) -> None:
    codec = CODECS.get(CodecName(tensor.codec))
    if codec is None:
        raise CorruptFrame(f"tensor {tensor.name[:80]!r} travels by the unknown codec {tensor.codec[:40]!r}")
    if tensor.dtype not in codec.holds:
        raise CorruptFrame(f"codec {codec.name} holds no {tensor.dtype[:40]!r}")
    if len(tensor.name) > limits.name_length or len(tensor.shape) > limits.rank:
        raise CorruptFrame(f"tensor {tensor.name[:80]!r} has too long a name or too many dimensions")
    if tensor.payload_size < 0 or min(tensor.shape, default=0) < 0:
        raise CorruptFrame(f"tensor {tensor.name[:80]!r} has a negative size")
    if not math.isfinite(tensor.scale):
        raise CorruptFrame(f"tensor {tensor.name[:80]!r} has the scale {tensor.scale}")
    _check_size(tensor, codec, limits)


def _check_size(tensor: frame_pb2.WireTensor, codec: Codec, limits: FrameLimits) -> None:
    elements = math.prod(tensor.shape)
    if elements * DTYPE_BYTES[tensor.dtype] > limits.decoded_bytes:
        raise CorruptFrame(f"tensor {tensor.name[:80]!r} of shape {list(tensor.shape)} passes the size limit")
    if codec.byte_part:
        return  # its decoder is told the size that must come out
    expected = elements * _CODED_BYTES.get(codec.graph_part, DTYPE_BYTES[tensor.dtype])
    if expected != tensor.payload_size:
        raise CorruptFrame(
            f"tensor {tensor.name[:80]!r} is {tensor.dtype} {list(tensor.shape)} by {codec.name}: "
            f"{expected} bytes, but {tensor.payload_size} came"
        )


def read(header: frame_pb2.Frame, offsets: list[int], payload: memoryview) -> Frame:
    """Return the frame of a checked header; its tensors' payloads are slices of `payload`."""
    try:
        kind = FrameKind(header.kind)
    except ValueError as error:
        raise CorruptFrame(f"a frame of the unknown kind {header.kind}", "update this side") from error
    tensors = [
        _tensor(tensor, payload[begin : begin + tensor.payload_size])
        for tensor, begin in zip(header.tensors, offsets, strict=True)
    ]
    return Frame(
        kind=kind, request_id=RequestId(header.request_id), model=ModelName(header.model),
        epoch=Epoch(header.epoch), page=PageName(header.page), first_block=header.first_block,
        step=header.step,
        attempt=header.attempt, priority=header.priority, remaining_ms=header.remaining_ms,
        state_position=header.state_position if header.HasField("state_position") else -1,
        tensors=tuple(tensors), traceparent=header.traceparent,
        outputs=tuple([TensorName(name) for name in header.outputs]),
        hops=tuple([convert.from_message(Hop, hop) for hop in header.hops]),
        error=convert.from_message(WireError, header.error) if header.HasField("error") else None,
        labels=tuple([_label(label) for label in header.labels]),
        metadata=dict(header.metadata), credit_frames=header.credit_frames, credit_bytes=header.credit_bytes,
        degraded=header.degraded, reason=header.reason, flow=header.flow,
    )  # fmt: skip


def _tensor(tensor: frame_pb2.WireTensor, payload: memoryview) -> WireTensor:
    scale = tensor.scale if tensor.HasField("scale") else 1.0
    name, codec = TensorName(tensor.name), CodecName(tensor.codec)
    return WireTensor(name, tensor.dtype, tuple(tensor.shape), codec, payload, scale, tensor.zero_point)


def _label(label: frame_pb2.LabelScore) -> LabelScore:
    # A score may be NaN: a model fed with infinities answers so, and that is the caller's to see.
    return LabelScore(TensorName(label.output), label.row, label.index, label.label, label.score)
