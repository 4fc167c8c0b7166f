"""Frames as chunks: the binary prefix, cutting and putting together, checksums, limits.

Law: one message of a stream (gRPC, or a plain one) is one chunk. Bytes in, nouns out; no clock, no network.
Chunks of several frames may interleave, those of one frame come in order. A broken chunk raises
CorruptFrame, after which the stream is not to be trusted.

A chunk, little-endian:

    0   4s  magic "LEP1"
    4   u8  major version        5  u8  minor version
    6   u8  kind                 0 frame, 1 hello, 2 goodbye, 3 acknowledgement (prefix only; since 1.1)
    7   u8  flags                1 first chunk of its frame, 2 last chunk, 4 the checksum counts,
                                 8 asks for an acknowledgement, 16 ends its frame unfinished: nobody wants it
                                 any more (both for frames, and since 1.1)
    8   u32 frame number         unique among the frames that are open on this direction of the stream
    12  u32 header length        protobuf header (first chunk only; hello: LinkHello, goodbye: WireError)
    16  u64 payload offset       of this chunk's slice in the frame's payload; acknowledgement: the bytes of
                                 all chunks of frames that have come
    24  u64 payload total        of the frame; acknowledgement: bytes a second that its sender moves towards
                                 the receiver of it, as its sender measured them, 0 for unknown
    32  u64 checksum             xxh3-64 of bytes 0..31, header and slice, where negotiated
    40      header, then the slice; tensors' payloads are laid out one after the other, each aligned to 64
    bytes
"""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Iterator
from ctypes import addressof, c_char
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lepton_edge.core.errors import CorruptFrame, IncompatibleVersion
from lepton_edge.core.frames import Frame, WireError
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR
from lepton_edge.wire import alike, convert, header
from lepton_edge.wire.header import FrameLimits

# An accelerator, not a need: where it is missing no checksum is offered, and none is negotiated.
xxhash: Any = importlib.import_module("xxhash") if importlib.util.find_spec("xxhash") else None

Chunk = bytes | bytearray | memoryview

MAGIC = b"LEP1"
PREFIX = struct.Struct("<4sBBBBIIQQQ")
CHUNK = 512 << 10
HELLO_BYTES = 64 << 10  # of a hello's message: names, not novels
XXH3 = "xxh3"
CHECKSUMS: tuple[str, ...] = (XXH3,) if xxhash is not None else ()

FRAME, HELLO, GOODBYE, ACK = 0, 1, 2, 3
HELLO_TEXT = 256  # characters: what a peer calls itself is written into logs, and told to others
_FIRST, _LAST, _CHECKED, ASKS, UNWANTED = 1, 2, 4, 8, 16
_WORTH_STAYING = 4096  # bytes; less is copied sooner than looked at
_FLAGS_AT = 7
_SUMMED = struct.Struct(PREFIX.format[:-1])  # the prefix without the checksum itself
_SUM = struct.Struct("<Q")


# --- writing --------------------------------------------------------------------------------------


def hello_chunk(hello: LinkHello) -> bytes:
    """Return the first chunk of a stream."""
    return _lone_chunk(HELLO, convert.encode(hello))


def goodbye_chunk(error: WireError) -> bytes:
    """Return the last chunk of a stream; an empty error code means that all is well."""
    return _lone_chunk(GOODBYE, convert.encode(error))


def _lone_chunk(kind: int, head: bytes) -> bytes:
    fields = (MAGIC, PROTOCOL_MAJOR, PROTOCOL_MINOR, kind, _FIRST | _LAST, 0, len(head), 0, 0, 0)
    return PREFIX.pack(*fields) + head


class Ack(NamedTuple):
    """An acknowledgement: the bytes of all chunks of frames that came, and its sender's own rate or 0."""

    received: int
    rate: int


def ack_chunk(ack: Ack, checked: bool = False) -> bytes:
    """Return an acknowledgement as a chunk: a prefix and nothing else."""
    prefix = (MAGIC, PROTOCOL_MAJOR, PROTOCOL_MINOR, ACK, _CHECKED * checked, 0, 0, ack.received, ack.rate)
    return _prefixed(prefix, b"", [], checked)


@dataclass(frozen=True)
class Writing:
    """How frames are written on one stream: payload bytes per chunk, and whether chunks carry checksums.

    With `limits`, a frame that a decoder with these would take for a broken stream raises InvalidInput.
    """

    chunk: int = CHUNK
    checked: bool = False
    limits: FrameLimits | None = None


class Piece(NamedTuple):
    """One chunk as it is handed over: `head` is prefix and header, `payload` views of tensors, never copied."""

    head: bytes
    payload: list[bytes | memoryview]
    last: bool

    @property
    def size(self) -> int:
        """Return the bytes of the chunk."""
        return len(self.head) + sum([len(part) for part in self.payload])


def chunks(
    frame: Frame, number: int, how: Writing, credit_frames: int = 0, credit_bytes: int = 0
) -> Iterator[tuple[bytes, bool]]:
    """Yield the chunks of `frame` under the number `number`, each with whether it is the last."""
    for head, payload, last in pieces(frame, number, how, credit_frames, credit_bytes):
        yield b"".join([head, *payload]), last


def pieces(
    frame: Frame, number: int, how: Writing, credit_frames: int = 0, credit_bytes: int = 0
) -> Iterator[Piece]:
    """Yield the chunks of `frame` under the number `number`, without joining what they are made of."""
    writer = FrameWriter(frame, number, how, credit_frames, credit_bytes)
    last = False
    while not last:
        piece = writer.next(how.chunk)
        last = piece.last
        yield piece


class FrameWriter:
    """Cuts one frame into chunks, each as large as is wanted when its turn comes.

    Raises InvalidInput when the frame cannot be encoded, or `how.limits` would not take it.
    """

    def __init__(
        self, frame: Frame, number: int, how: Writing, credit_frames: int = 0, credit_bytes: int = 0
    ) -> None:
        self._head = header.write(frame, credit_frames, credit_bytes, how.limits)
        self._views = _views(frame)
        self._total = sum([len(view) for view in self._views])
        self._number, self._checked, self._offset = number, how.checked, 0

    def next(self, room: int, asks: bool = False) -> Piece:
        """Return the next chunk, with `room` payload bytes or what is left of them."""
        head, offset, total = self._head, self._offset, self._total
        size = min(room, total - offset)
        slices = self._views if size == total else self._take(size)
        last = offset + size == total
        flags = _FIRST * (not offset) | _LAST * last | _CHECKED * self._checked | ASKS * asks
        prefix = (MAGIC, PROTOCOL_MAJOR, PROTOCOL_MINOR, FRAME, flags, self._number, len(head), offset, total)
        self._head, self._offset = b"", offset + size
        return Piece(_prefixed(prefix, head, slices, self._checked), slices, last)

    def unwanted(self) -> Piece:
        """Return a chunk that ends the frame unfinished, for one of which a chunk has gone."""
        flags = UNWANTED | _CHECKED * self._checked
        fields = (FRAME, flags, self._number, 0, self._offset, self._total)
        prefix = (MAGIC, PROTOCOL_MAJOR, PROTOCOL_MINOR, *fields)
        return Piece(_prefixed(prefix, b"", [], self._checked), [], True)

    def _take(self, size: int) -> list[bytes | memoryview]:
        """Return slices of the views that together hold `size` bytes, and drop them from what is left."""
        slices: list[bytes | memoryview] = []
        while size:
            view = memoryview(self._views[0])
            slices.append(view[:size])
            if len(view) > size:
                self._views[0] = view[size:]
            else:
                del self._views[0]
            size -= len(slices[-1])
        return slices


def _views(frame: Frame) -> list[bytes | memoryview]:
    """Return the payloads of `frame` in order, with padding between them."""
    views: list[bytes | memoryview] = []
    end = 0
    for tensor in frame.tensors:
        view = tensor.payload.cast("B") if isinstance(tensor.payload, memoryview) else tensor.payload
        padding = -end % header.ALIGNMENT
        if padding:
            views.append(bytes(padding))
        views.append(view)
        end += padding + len(view)
    return views


def _prefixed(prefix: tuple[Any, ...], head: bytes, slices: list[bytes | memoryview], checked: bool) -> bytes:
    summed = _SUMMED.pack(*prefix)
    return summed + _SUM.pack(_checksum(summed, head, *slices) if checked else 0) + head


def _checksum(*parts: Any) -> int:
    state = xxhash.xxh3_64()
    for part in parts:
        state.update(part)
    return int(state.intdigest())


# --- reading --------------------------------------------------------------------------------------


class Prefix(NamedTuple):
    """The binary prefix of one chunk."""

    magic: bytes
    major: int
    minor: int
    kind: int
    flags: int
    number: int
    head: int
    offset: int
    total: int
    checksum: int


def prefix_of(chunk: Chunk) -> Prefix:
    """Return the prefix of `chunk`; CorruptFrame or IncompatibleVersion when it is none of ours."""
    if len(chunk) < PREFIX.size:
        raise CorruptFrame(f"a chunk of {len(chunk)} bytes")
    prefix = Prefix._make(PREFIX.unpack_from(chunk))
    if prefix.magic != MAGIC:
        raise CorruptFrame("the peer does not speak the frame protocol", "is this the data port of an agent?")
    if prefix.major != PROTOCOL_MAJOR:
        raise IncompatibleVersion(
            f"the peer speaks frame protocol {prefix.major}.{prefix.minor}, "
            f"this side {PROTOCOL_MAJOR}.{PROTOCOL_MINOR}",
            "install the same release on both sides",
        )
    if PREFIX.size + prefix.head > len(chunk):
        raise CorruptFrame("a chunk is shorter than its header says")
    return prefix


def asks(chunk: Chunk) -> bool:
    """Say whether a chunk, of at least a prefix, asks for an acknowledgement."""
    return bool(chunk[_FLAGS_AT] & ASKS)


def read_hello(chunk: Chunk) -> LinkHello | WireError:
    """Return the peer's hello, or the error with which it refuses ours."""
    prefix = prefix_of(chunk)
    if prefix.head > HELLO_BYTES:
        raise CorruptFrame(f"a hello of {prefix.head} bytes; at most {HELLO_BYTES} are accepted")
    head = bytes(chunk[PREFIX.size : PREFIX.size + prefix.head])
    if prefix.kind == GOODBYE:
        return convert.decode(WireError, head)
    if prefix.kind != HELLO:
        raise CorruptFrame("the peer began without a hello")
    hello = convert.decode(LinkHello, head)
    if not 0 < hello.max_frame_bytes <= hello.window_bytes or hello.window_frames < 1:
        raise CorruptFrame("the peer's window cannot hold one frame")
    if max([len(text) for text in (hello.kind, hello.name, hello.software, *hello.checksums)]) > HELLO_TEXT:
        raise CorruptFrame(f"a hello says more than {HELLO_TEXT} characters of one thing")
    return hello


@dataclass
class _Open:
    """A frame whose chunks are still coming in."""

    frame: Frame
    payload: memoryview
    received: int = 0


class Decoder:
    """Puts the frames of one direction of a stream together; holds `limits.open_bytes` of payload at most."""

    def __init__(self, limits: FrameLimits, checked: bool = False) -> None:
        self._limits = limits
        self._checked = checked
        self._open: dict[int, _Open] = {}
        self.open_bytes = 0

    def feed(self, chunk: Chunk) -> Frame | WireError | Ack | None:
        """Take one chunk; return the frame that it completes, a goodbye, an acknowledgement, or None."""
        prefix = prefix_of(chunk)
        body = memoryview(chunk)[PREFIX.size :]
        self._verify(prefix, chunk, body)
        if prefix.kind == GOODBYE:
            return convert.decode(WireError, bytes(body[: prefix.head]))
        if prefix.kind == ACK and len(chunk) == PREFIX.size:
            return Ack(prefix.offset, prefix.total)
        if prefix.kind != FRAME:
            raise CorruptFrame(f"a chunk of the unknown kind {prefix.kind}")
        if prefix.flags & UNWANTED:
            self._forget(prefix)
            return None
        head, piece = body[: prefix.head], body[prefix.head :]
        opened = self._begin(prefix, head, piece) if prefix.flags & _FIRST else self._going_on(prefix)
        return self._append(opened, prefix, piece)

    def _verify(self, prefix: Prefix, chunk: Chunk, body: memoryview) -> None:
        if not self._checked or prefix.kind not in (FRAME, ACK):
            return
        summed = memoryview(chunk)[: _SUMMED.size]
        if not prefix.flags & _CHECKED or prefix.checksum != _checksum(summed, body):
            raise CorruptFrame("a chunk's checksum is wrong", "the network or its memory damages data")

    def _begin(self, prefix: Prefix, head: memoryview, piece: memoryview) -> _Open:
        limits = self._limits
        if prefix.number in self._open or len(self._open) >= limits.open_frames:
            raise CorruptFrame("a frame was begun twice, or too many at once")
        if prefix.total > limits.frame_bytes or prefix.head > limits.header_bytes:
            raise CorruptFrame(f"a frame of {prefix.total} bytes; at most {limits.frame_bytes} are accepted")
        if self.open_bytes + prefix.total > limits.open_bytes:
            raise CorruptFrame("the peer has more half-sent bytes under way than were granted")
        heading = alike.read(bytes(head), prefix.total, limits)
        payload = piece if _may_stay(piece, prefix.total) else _aligned(prefix.total)
        opened = _Open(heading.frame(payload.toreadonly()), payload)
        self._open[prefix.number] = opened
        self.open_bytes += prefix.total
        return opened

    def _going_on(self, prefix: Prefix) -> _Open:
        opened = self._open.get(prefix.number)
        if opened is None or prefix.head:
            raise CorruptFrame("a chunk that continues no frame")
        return opened

    def _forget(self, prefix: Prefix) -> None:
        self.open_bytes -= len(self._going_on(prefix).payload)
        del self._open[prefix.number]

    def _append(self, opened: _Open, prefix: Prefix, piece: memoryview) -> Frame | None:
        end = opened.received + len(piece)
        if (
            prefix.offset != opened.received
            or end > len(opened.payload)
            or prefix.total != len(opened.payload)
        ):
            raise CorruptFrame("a chunk out of order, or more bytes than announced")
        if opened.payload is not piece:
            opened.payload[opened.received : end] = piece
        opened.received = end
        complete = end == len(opened.payload)
        if complete != bool(prefix.flags & _LAST) or not (piece or complete):
            raise CorruptFrame("a frame ends before or after its announced size")
        if not complete:
            return None
        del self._open[prefix.number]
        self.open_bytes -= len(opened.payload)
        return opened.frame


def _may_stay(piece: memoryview, total: int) -> bool:
    """Say whether a frame's payload, come whole in one chunk, lies so that it need not be copied."""
    if len(piece) != total or total < _WORTH_STAYING or piece.readonly:  # what gRPC gives lies as it comes
        return False
    return addressof(c_char.from_buffer(piece)) % header.ALIGNMENT == 0


def _aligned(size: int) -> memoryview:
    """Return `size` bytes of memory that begin at a multiple of 64; not zeroed: every byte gets written."""
    room = np.empty(size + header.ALIGNMENT, np.uint8)
    begin = -addressof(c_char.from_buffer(room)) % header.ALIGNMENT  # type: ignore[arg-type]
    return memoryview(room)[begin : begin + size]  # type: ignore[arg-type]
