"""Frames survive the trip through chunks, and a hostile stream gets one typed error and little memory."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lepton_edge.core.errors import CorruptFrame, IncompatibleVersion
from lepton_edge.core.frames import Frame, FrameKind, Hop, LabelScore, WireError, WireTensor
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import PROTOCOL_MAJOR, PROTOCOL_MINOR
from lepton_edge.wire import codec, header
from lepton_edge.wire.codec import CHECKSUMS, PREFIX, Decoder, Writing
from lepton_edge.wire.header import FrameLimits

SMALL = Writing(chunk=100)


def raw(name: str, size: int, start: int = 0) -> WireTensor:
    payload = bytes((start + i) % 251 for i in range(size))
    return WireTensor(name, "uint8", (size,), "raw", payload)  # type: ignore[arg-type]


def numbered(index: int, size: int) -> WireTensor:
    return raw(f"t/{index}", size, index)


def frame(*tensors: WireTensor, **fields: object) -> Frame:
    return dataclasses.replace(Frame(FrameKind.REQUEST, "0" * 32, tensors=tensors), **fields)  # type: ignore[arg-type]


def chunks_of(one: Frame, number: int = 1, how: Writing = SMALL) -> list[bytes]:
    return [chunk for chunk, _ in codec.chunks(one, number, how)]


def fed(decoder: Decoder, chunks: Iterable[bytes]) -> list[object]:
    return [found for found in map(decoder.feed, chunks) if found is not None]


def same(one: Frame, other: object) -> bool:
    assert isinstance(other, Frame)
    payloads = [bytes(tensor.payload) for tensor in other.tensors]
    back = [dataclasses.replace(t, payload=p) for t, p in zip(other.tensors, payloads, strict=True)]
    return dataclasses.replace(other, tensors=tuple(back)) == one


texts, ints = st.text(max_size=8), st.integers(0, 2**62)
hops = st.builds(Hop, texts, ints, ints, st.floats(0, 1), bytes_out=ints)
labels = st.builds(LabelScore, texts, ints, ints, texts, st.floats(allow_nan=False))
errors = st.builds(WireError, texts, texts, texts, texts, st.booleans(), texts, ints)
frames = st.builds(
    Frame, st.sampled_from(FrameKind), texts, texts, ints, texts, ints, ints, ints, st.integers(-9, 9), ints,
    st.integers(-1, 9),
    st.lists(st.integers(0, 400), max_size=5).map(lambda sizes: tuple(map(numbered, range(9), sizes))),
    texts, st.lists(texts, max_size=3).map(tuple), st.lists(hops, max_size=3).map(tuple), st.none() | errors,
    st.lists(labels, max_size=3).map(tuple), st.dictionaries(texts, texts, max_size=3), ints, ints,
    st.booleans(), texts,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(frames, st.integers(1, 500), st.booleans())
def test_a_frame_comes_back_as_it_went(one: Frame, chunk: int, checked: bool) -> None:
    how = Writing(chunk, checked and bool(CHECKSUMS))
    found = fed(Decoder(FrameLimits(), how.checked), chunks_of(one, 7, how))
    assert len(found) == 1
    assert same(one, found[0])


def test_chunks_of_several_frames_may_interleave() -> None:
    one, other, small = frame(raw("a", 950)), frame(raw("b", 450), raw("c", 333)), frame(raw("d", 3))
    woven = [c for pair in itertools.zip_longest(chunks_of(one, 1), chunks_of(other, 2)) for c in pair if c]
    woven.insert(3, chunks_of(small, 3)[0])
    found = fed(Decoder(FrameLimits()), woven)
    assert [f.tensors[0].name for f in found] == ["d", "b", "a"]  # type: ignore[attr-defined]
    assert all(same(*pair) for pair in zip([small, other, one], found, strict=True))


def test_payloads_are_aligned_and_cannot_be_written_to() -> None:
    found = fed(Decoder(FrameLimits()), chunks_of(frame(raw("a", 3), raw("b", 200), raw("c", 1))))
    for tensor in found[0].tensors:  # type: ignore[attr-defined]
        array = np.frombuffer(tensor.payload, np.uint8)
        assert array.ctypes.data % 64 == 0
        assert not array.flags.writeable


def test_a_chunk_holds_no_more_than_it_may() -> None:
    sizes = [len(chunk) for chunk in chunks_of(frame(raw("a", 1000)), how=Writing(chunk=256))]
    assert len(sizes) == 4
    assert max(sizes[1:]) <= 256 + PREFIX.size


def test_the_format_of_today() -> None:
    """Golden bytes: a change of these is a change of the protocol."""
    one = frame(WireTensor("x", "uint8", (4,), "raw", b"\x01\x02\x03\x04"), epoch=3, model="m")  # type: ignore[arg-type]
    head = bytes.fromhex(
        "0801" "1220" + "30" * 32 + "1a016d" "2003" "58ffffffffffffffffff01"
        "6221" "0a0178" "120575696e7438" "1a0104" "2203726177" "2804" "31000000000000f03f"
    )  # fmt: skip
    head = head.replace(b"\x62\x21", b"\x62" + bytes([len(head) - head.index(b"\x62\x21") - 2]))
    prefix = b"LEP1" + bytes([1, 0, 0, 3]) + (9).to_bytes(4, "little") + len(head).to_bytes(4, "little")
    sizes = (0).to_bytes(8, "little") + (4).to_bytes(8, "little") + bytes(8)
    yesterday = prefix + sizes + head + b"\x01\x02\x03\x04"
    today = yesterday[:5] + bytes([PROTOCOL_MINOR]) + yesterday[6:]
    assert chunks_of(one, number=9) == [today]
    for chunk in (yesterday, today):
        assert same(one, Decoder(FrameLimits()).feed(chunk))


# Every chunk of protocol 1.1, as it was released: tomorrow's reader must read it, and today's writer writes it.
GOLDEN = {
    name: bytes.fromhex(text)
    for name, text in {
        "hello": "4c4550310101010300000000290000000000000000000000000000000000000000000000000000000a056167656e741205"
        "626f6172641a03302e3120012801320478786833384040808080204880808018",
        "goodbye": "4c4550310101020300000000210000000000000000000000000000000000000000000000000000000a0a6f7665726c6f"
        "616465641208746f6f206d7563682207736572766963652801",
        "acknowledgement": "4c45503101010300000000000000000040e2010000000000808d5b00000000000000000000000000",
        "checked acknowledgement": "4c45503101010304000000000000000040e2010000000000808d5b000000000025218d9408352127",
        "first": "4c455031010100050700000036000000000000000000000006000000000000005e6634f5faf9b6ae0801120272311a016d"
        "50fa0158ffffffffffffffffff01621d0a0178120575696e74381a01062203726177280631000000000000f03f0102",
        "middle, asks": "4c4550310101000c070000000000000002000000000000000600000000000000331155a7638cfac30304",
        "last": "4c4550310101000607000000000000000400000000000000060000000000000034d9db64596f19430506",
        "unwanted": "4c455031010100100700000000000000020000000000000006000000000000000000000000000000",
        "credit": "4c455031010100030800000014000000000000000000000000000000000000000000000000000000080558ffffffffffff"
        "ffffff01980102a001ac02",
        "cancel": "4c455031010100030800000013000000000000000000000000000000000000000000000000000000080412027231400158"
        "ffffffffffffffffff01",
        "probe": "4c455031010100030800000021000000000000000000000000000000000000000000000000000000080612017058ffffff"
        "ffffffffffff0192010e0a0973697a655f646f776e120130",
    }.items()
}
ASKED = Frame(FrameKind.REQUEST, "r1", model="m", tensors=(raw("x", 6, 1),))  # type: ignore[arg-type]
CONTROL = {
    "credit": Frame(FrameKind.CREDIT, "", credit_frames=2, credit_bytes=300),  # type: ignore[arg-type]
    "cancel": Frame(FrameKind.CANCEL, "r1", attempt=1),  # type: ignore[arg-type]
    "probe": Frame(FrameKind.PROBE, "p", metadata={"size_down": "0"}),  # type: ignore[arg-type]
}


def one_chunk(piece: codec.Piece) -> bytes:
    return b"".join([piece.head, *piece.payload])


def test_golden_bytes_are_what_is_written() -> None:
    told = codec.Ack(123456, 6_000_000)
    assert codec.hello_chunk(LinkHello("agent", "board", "0.1", checksums=("xxh3",))) == GOLDEN["hello"]
    assert codec.goodbye_chunk(WireError("overloaded", "too much", retryable=True)) == GOLDEN["goodbye"]
    assert codec.ack_chunk(told) == GOLDEN["acknowledgement"]
    writer = codec.FrameWriter(ASKED, 7, Writing())
    writer.next(2)
    assert one_chunk(writer.unwanted()) == GOLDEN["unwanted"]
    for name, one in CONTROL.items():
        assert chunks_of(one, number=8, how=Writing()) == [GOLDEN[name]]


@pytest.mark.skipif(not CHECKSUMS, reason="xxhash is missing")
def test_golden_bytes_of_checked_chunks_are_what_is_written() -> None:
    assert codec.ack_chunk(codec.Ack(123456, 6_000_000), True) == GOLDEN["checked acknowledgement"]
    asked = dataclasses.replace(ASKED, remaining_ms=250)
    writer = codec.FrameWriter(asked, 7, Writing(checked=True))
    written = [one_chunk(writer.next(2, asks)) for asks in (False, True, False)]
    assert written == [GOLDEN[name] for name in ("first", "middle, asks", "last")]


@pytest.mark.skipif(not CHECKSUMS, reason="xxhash is missing")
def test_golden_bytes_are_read() -> None:
    hello = codec.read_hello(GOLDEN["hello"])
    assert isinstance(hello, LinkHello)
    assert (hello.name, hello.protocol_minor) == ("board", 1)
    checked, plain = Decoder(FrameLimits(), checked=True), Decoder(FrameLimits())
    assert checked.feed(GOLDEN["checked acknowledgement"]) == codec.Ack(123456, 6_000_000)
    (found,) = fed(checked, [GOLDEN[name] for name in ("first", "middle, asks", "last")])
    assert same(dataclasses.replace(ASKED, remaining_ms=250), found)
    assert [codec.asks(GOLDEN[name]) for name in ("first", "middle, asks", "last")] == [False, True, False]
    assert plain.feed(GOLDEN["acknowledgement"]) == codec.Ack(123456, 6_000_000)
    assert plain.feed(GOLDEN["goodbye"]) == WireError("overloaded", "too much", retryable=True)
    assert [plain.feed(GOLDEN[name]) for name in CONTROL] == list(CONTROL.values())


def test_a_frame_that_nobody_wants_any_more_gives_its_room_back() -> None:
    reader, writer = Decoder(FrameLimits()), codec.FrameWriter(ASKED, 7, Writing())
    assert reader.feed(one_chunk(writer.next(2))) is None
    assert reader.open_bytes == 6
    assert reader.feed(GOLDEN["unwanted"]) is None
    assert reader.open_bytes == 0
    with pytest.raises(CorruptFrame):
        reader.feed(GOLDEN["unwanted"])
    assert same(ASKED, fed(reader, chunks_of(ASKED, 7))[0]), "its number is free again"


def test_a_damaged_acknowledgement_is_refused() -> None:
    for broken in (GOLDEN["acknowledgement"] + b"x", GOLDEN["acknowledgement"][:-1]):
        with pytest.raises(CorruptFrame):
            Decoder(FrameLimits()).feed(broken)
    if CHECKSUMS:
        with pytest.raises(CorruptFrame):
            Decoder(FrameLimits(), checked=True).feed(GOLDEN["acknowledgement"])


def test_hello_and_goodbye_come_back_as_they_went() -> None:
    hello = LinkHello("agent", "board", "0.1", checksums=("xxh3",))
    assert codec.read_hello(codec.hello_chunk(hello)) == hello
    goodbye = WireError("overloaded", "too much", retryable=True)
    assert codec.read_hello(codec.goodbye_chunk(goodbye)) == goodbye
    assert Decoder(FrameLimits()).feed(codec.goodbye_chunk(goodbye)) == goodbye


def test_a_window_that_cannot_hold_one_frame_is_refused() -> None:
    for window, most in ((10, 11), (10, 0)):
        with pytest.raises(CorruptFrame):
            codec.read_hello(
                codec.hello_chunk(LinkHello("agent", "a", window_bytes=window, max_frame_bytes=most))
            )  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["kind", "name", "software", "checksums"])
def test_a_hello_is_short(field: str) -> None:
    long = "n" * (codec.HELLO_TEXT + 1)
    hello = dataclasses.replace(LinkHello("agent", "a"), **{field: (long,) if field == "checksums" else long})  # type: ignore[arg-type]
    with pytest.raises(CorruptFrame, match="characters"):
        codec.read_hello(codec.hello_chunk(hello))
    fits = LinkHello("agent", "n" * codec.HELLO_TEXT)
    assert codec.read_hello(codec.hello_chunk(fits)) == fits


def test_a_hello_is_no_novel() -> None:
    long = codec.hello_chunk(LinkHello("agent", "a" * (codec.HELLO_BYTES + 1)))
    with pytest.raises(CorruptFrame, match="a hello of"):
        codec.read_hello(long)


# --- hostile streams --------------------------------------------------------------------------------


def test_other_protocols_and_versions_are_told_apart() -> None:
    chunk = chunks_of(frame())[0]
    with pytest.raises(CorruptFrame, match="frame protocol"):
        Decoder(FrameLimits()).feed(b"HTTP" + chunk[4:])
    with pytest.raises(IncompatibleVersion, match="9."):
        Decoder(FrameLimits()).feed(chunk[:4] + b"\x09" + chunk[5:])
    with pytest.raises(CorruptFrame):
        Decoder(FrameLimits()).feed(chunk[:39])


def test_a_chunk_in_the_wrong_place_is_refused() -> None:
    first, second, third = chunks_of(frame(raw("a", 250)))
    for order in (
        [second],
        [first, third],
        [first, first],
        [first, second, second],
        [first, second, third, third],
    ):
        with pytest.raises(CorruptFrame):
            fed(Decoder(FrameLimits()), order)


def packed(head: bytes, payload: bytes, total: int, flags: int = 3, kind: int = 0, number: int = 1) -> bytes:
    fields = (b"LEP1", PROTOCOL_MAJOR, PROTOCOL_MINOR, kind, flags, number, len(head), 0, total, 0)
    return PREFIX.pack(*fields) + head + payload


def test_sizes_that_disagree_are_refused() -> None:
    head = header.write(frame(raw("a", 10)))
    for chunk in (
        packed(head, bytes(10), 11),
        packed(head, bytes(9), 10),
        packed(head, bytes(11), 10),
        packed(head, bytes(10), 10, flags=1),  # complete, but not marked as the last
        packed(head, b"", 10, flags=1),  # a chunk that brings nothing
        packed(head, bytes(10), 10, kind=3),
        packed(b"\xff\xff", bytes(10), 10),
        packed(head[:-3], bytes(10), 10),
        packed(head, bytes(10), 2**63),
    ):
        with pytest.raises(CorruptFrame):
            Decoder(FrameLimits()).feed(chunk)


@pytest.mark.parametrize(
    "tensor",
    [
        WireTensor("x", "float33", (1,), "raw", b"1234"),  # type: ignore[arg-type]
        WireTensor("x", "uint8", (4,), "gzip", b"1234"),  # type: ignore[arg-type]
        WireTensor("x", "uint8", (-4,), "raw", b"1234"),  # type: ignore[arg-type]
        WireTensor("x", "uint8", (-2, -2), "raw", b"1234"),  # type: ignore[arg-type]
        WireTensor("x", "float32", (2,), "raw", b"1234"),  # type: ignore[arg-type]
        WireTensor("x", "float32", (1,), "f16", b"1234"),  # type: ignore[arg-type]
        WireTensor("x", "int32", (2,), "f16", b"1234"),  # type: ignore[arg-type]
        WireTensor("x", "float32", (1 << 40, 1 << 40), "u8+zstd", b"1234"),  # type: ignore[arg-type]
        WireTensor("x", "uint8", (1,) * 17, "raw", b"1"),  # type: ignore[arg-type]
        WireTensor("x" * 2000, "uint8", (1,), "raw", b"1"),  # type: ignore[arg-type]
        WireTensor("x", "uint8", (1,), "raw", b"1", scale=float("nan")),  # type: ignore[arg-type]
        WireTensor("x", "float32", (1,), "u8", b"1", scale=-1e39),  # type: ignore[arg-type]
        WireTensor("x", "float32", (1,), "u8", b"1", zero_point=256),  # type: ignore[arg-type]
        WireTensor("x", "float32", (1,), "u8", b"1", zero_point=-1),  # type: ignore[arg-type]
    ],
)
def test_a_tensor_that_cannot_be_is_refused(tensor: WireTensor) -> None:
    with pytest.raises(CorruptFrame):
        fed(Decoder(FrameLimits()), chunks_of(frame(tensor)))


def test_frames_that_cannot_be_are_refused() -> None:
    twice = frame(raw("a", 1), raw("a", 1))
    many = frame(*(raw(str(i), 0) for i in range(300)))
    for one in (twice, many, frame(credit_bytes=-1), frame(remaining_ms=-1), frame(epoch=-1)):
        with pytest.raises(CorruptFrame):
            fed(Decoder(FrameLimits()), chunks_of(one))
    with pytest.raises(CorruptFrame, match="kind 77"):
        Decoder(FrameLimits()).feed(packed(b"\x08\x4d", b"", 0))


def test_memory_is_bounded_before_it_is_taken() -> None:
    limits = FrameLimits(frame_bytes=1000, open_bytes=1500, open_frames=3)  # type: ignore[arg-type]
    with pytest.raises(CorruptFrame, match="1001 bytes"):
        fed(Decoder(limits), chunks_of(frame(raw("a", 1001))))
    decoder = Decoder(limits)
    decoder.feed(chunks_of(frame(raw("a", 900)), 1)[0])
    with pytest.raises(CorruptFrame, match="half-sent"):
        decoder.feed(chunks_of(frame(raw("a", 900)), 2)[0])
    decoder = Decoder(limits)
    with pytest.raises(CorruptFrame, match="too many"):
        fed(decoder, (chunks_of(frame(raw("a", 150)), number)[0] for number in range(4)))


def test_memory_is_given_back_when_a_frame_is_whole() -> None:
    decoder = Decoder(FrameLimits(frame_bytes=1000, open_bytes=1000))  # type: ignore[arg-type]
    for number in range(5):
        assert len(fed(decoder, chunks_of(frame(raw("a", 1000)), number))) == 1
        assert decoder.open_bytes == 0


@pytest.mark.skipif(not CHECKSUMS, reason="no checksum library here")
def test_a_flipped_bit_is_noticed_where_checksums_were_agreed() -> None:
    chunk = chunks_of(frame(raw("a", 90)), how=Writing(100, checked=True))[0]
    for at in (5, 9, 33, 50, len(chunk) - 1):
        broken = bytearray(chunk)
        broken[at] ^= 16
        with pytest.raises(CorruptFrame):
            Decoder(FrameLimits(), checked=True).feed(bytes(broken))
    with pytest.raises(CorruptFrame, match="checksum"):
        Decoder(FrameLimits(), checked=True).feed(chunks_of(frame(raw("a", 90)))[0])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_random_damage_ends_in_a_frame_or_a_typed_error(data: st.DataObject) -> None:
    chunk = bytearray(chunks_of(frame(raw("a", 30), raw("b", 9), metadata={"k": "v"}))[0])
    for _ in range(data.draw(st.integers(1, 4))):
        chunk[data.draw(st.integers(0, len(chunk) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CorruptFrame, IncompatibleVersion):
        Decoder(FrameLimits()).feed(bytes(chunk[: data.draw(st.integers(0, len(chunk)))]))


@pytest.mark.parametrize(("lead", "stays"), [(0, True), (8, False)])
def test_a_payload_that_came_whole_and_aligned_is_not_copied(lead: int, stays: bool) -> None:
    chunk = chunks_of(frame(raw("a", 9000)), how=Writing())[0]
    room = np.zeros(len(chunk) + 128, np.uint8)
    head = len(chunk) - 9000
    begin = -(room.ctypes.data + head) % 64 + lead
    room[begin : begin + len(chunk)] = np.frombuffer(chunk, np.uint8)
    found = Decoder(FrameLimits()).feed(memoryview(room)[begin : begin + len(chunk)])
    assert isinstance(found, Frame)
    payload = np.frombuffer(found.tensors[0].payload, np.uint8)
    assert payload.ctypes.data % 64 == 0
    assert bytes(payload) == chunk[head:]
    assert np.shares_memory(payload, room) == stays
    assert not payload.flags.writeable
