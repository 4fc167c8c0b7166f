"""Headers of frames that look alike: read quicker, and never differently."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_edge.core.errors import CorruptFrame
from lepton_edge.core.frames import Frame, FrameKind, Hop, LabelScore, WireError, WireTensor
from lepton_edge.wire import alike, header
from lepton_edge.wire.header import MAX_ALIKE, FrameLimits

PAYLOAD = memoryview(bytes(range(12)))


def tensor(name: str = "x", shape: tuple[int, ...] = (12,), codec: str = "raw") -> WireTensor:
    return WireTensor(name, "uint8", shape, codec, PAYLOAD[: shape[0]], 1.0, 0)  # type: ignore[arg-type]


ASKED = Frame(FrameKind.REQUEST, "a" * 32, "m", 3, "cut-4", tensors=(tensor(),), outputs=("y",))  # type: ignore[arg-type]


def read(encoded: bytes, limits: FrameLimits) -> Frame:
    return alike.read(encoded, 12, limits).frame(PAYLOAD)


def remembered(limits: FrameLimits) -> int:
    return sum(len(alike) for alike in limits.seen.values())


def test_what_a_frame_shares_with_others_is_remembered_and_what_is_its_own_is_not() -> None:
    limits = FrameLimits()
    for number in range(3):
        one = dataclasses.replace(
            ASKED, request_id=f"{number:032x}", remaining_ms=number, flow=f"app#{number}"
        )
        assert read(header.write(one, number, 7 * number, FrameLimits()), limits) == dataclasses.replace(
            one, credit_frames=number, credit_bytes=7 * number
        )
    assert remembered(limits) == 1


def test_answers_with_times_labels_and_metadata_share_too() -> None:
    limits = FrameLimits()
    for number in range(3):
        hop = Hop("cloud", 0, 3, compute=0.25 * number, total=1.0)  # type: ignore[arg-type]
        label = LabelScore("y", 0, number, "cat", 0.5)  # type: ignore[arg-type]
        one = dataclasses.replace(
            ASKED, kind=FrameKind.REPLY, hops=(hop, hop), labels=(label,), metadata={"n": str(number)}
        )
        assert read(header.write(one, limits=FrameLimits()), limits) == one
    assert remembered(limits) == 1


def test_the_layout_of_old_peers_is_read_and_not_remembered() -> None:
    limits = FrameLimits()
    for _ in range(2):
        assert read(header.write(ASKED), limits) == ASKED
    assert not remembered(limits)


numbers = st.integers(0, 1 << 40)
words = st.text(max_size=8)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"request_id": words, "flow": words, "reason": words, "page": st.sampled_from(["", "local"])},
            optional={
                "step": numbers, "attempt": numbers, "remaining_ms": numbers, "priority": st.integers(-2, 2),
                "state_position": st.integers(-1, 1), "degraded": st.booleans(), "traceparent": words,
                "error": st.just(WireError("overloaded", "later")), "outputs": st.just(("a", "b")),
                "epoch": st.integers(0, 1), "kind": st.sampled_from(list(FrameKind)),
            },
        ),
        max_size=8,
    )
)  # fmt: skip
def test_a_stream_is_read_as_each_of_its_headers_is_alone(fields: list[dict[str, Any]]) -> None:
    writing, reading = FrameLimits(), FrameLimits()
    for one in fields:
        frame = dataclasses.replace(ASKED, **one)
        encoded = header.write(frame, limits=writing)
        assert read(encoded, reading) == read(encoded, FrameLimits()) == frame


def test_a_shared_part_that_comes_with_something_else_before_it_is_read_as_protobuf_reads_it() -> None:
    limits = FrameLimits()
    encoded = header.write(ASKED, limits=limits)
    read(encoded, limits)
    for more in (
        b"\x08\x01",
        b"\x1a\x01m",
        b"\x58\x00",
        b"\x72\x01z",
    ):  # kind, model, state position, outputs
        assert read(more + encoded, limits) == read(more + encoded, FrameLimits())
    with pytest.raises(CorruptFrame, match="0 came"):  # a tensor more
        read(b"\x62\x0f\x0a\x01z\x12\x05uint8\x22\x03raw" + encoded, limits)
    with pytest.raises(CorruptFrame, match="cannot be read"):  # half of a field
        read(b"\x12\xff\xff" + encoded, limits)
    with pytest.raises(CorruptFrame, match="negative"):
        read(b"\x50" + b"\xff" * 9 + b"\x01" + encoded, limits)
    with pytest.raises(CorruptFrame, match="announced"):
        alike.read(encoded, 13, limits)


def test_what_is_remembered_is_bounded_and_does_not_hold_what_differs_each_time() -> None:
    writing, reading = FrameLimits(), FrameLimits()
    for number in range(3 * MAX_ALIKE):
        read(header.write(dataclasses.replace(ASKED, epoch=number + 1), limits=writing), reading)  # type: ignore[arg-type]
    for number in range(2 * alike.LENGTHS):
        read(header.write(dataclasses.replace(ASKED, model="m" * number), limits=writing), reading)  # type: ignore[arg-type]
    assert len(writing.written) == MAX_ALIKE
    assert len(reading.seen) == alike.LENGTHS
    assert all(len(found) <= MAX_ALIKE for found in reading.seen.values())
    before = len(writing.written), remembered(reading)
    packed = dataclasses.replace(ASKED, model="z", tensors=(tensor(codec="zstd"),))  # type: ignore[arg-type]
    read(header.write(packed, limits=writing), reading)
    read(header.write(dataclasses.replace(ASKED, model="z" * 2000), limits=writing), reading)  # type: ignore[arg-type]
    assert (len(writing.written), remembered(reading)) == before
