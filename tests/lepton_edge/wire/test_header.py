"""Where payloads lie, and what a header carries beside them."""

from __future__ import annotations

import dataclasses

import pytest

from lepton_edge.core.errors import CorruptFrame, InvalidInput
from lepton_edge.core.frames import Frame, FrameKind, Hop, LabelScore, WireTensor
from lepton_edge.wire import header
from lepton_edge.wire.header import MAX_KNOWN, FrameLimits, layout, payload_size


def test_payloads_lie_one_after_the_other_on_multiples_of_64() -> None:
    assert layout([]) == ([], 0)
    assert layout([1, 64, 0, 130, 5]) == ([0, 64, 128, 128, 320], 325)


def test_the_size_of_a_frame_counts_bytes_and_padding() -> None:
    tensors = tuple(WireTensor(n, "uint8", (70,), "raw", memoryview(bytes(70))) for n in ("a", "b"))  # type: ignore[arg-type]
    assert payload_size(Frame(FrameKind.REPLY, "r", tensors=tensors)) == 128 + 70  # type: ignore[arg-type]


def test_credits_given_by_the_link_ride_in_the_header_of_any_frame() -> None:
    message = header.parse(header.write(Frame(FrameKind.REPLY, "r"), credit_frames=3, credit_bytes=99))  # type: ignore[arg-type]
    found = header.read(message, header.check(message, 0, FrameLimits()), memoryview(b""))
    assert (found.credit_frames, found.credit_bytes) == (3, 99)


def test_a_score_may_be_nan() -> None:
    label = LabelScore("logits", 0, 1, "", float("nan"))  # type: ignore[arg-type]
    message = header.parse(header.write(Frame(FrameKind.REPLY, "r", labels=(label,))))  # type: ignore[arg-type]
    assert header.read(message, [], memoryview(b"")).labels[0].score != 0


def test_a_hop_with_a_time_that_is_no_number_is_refused() -> None:
    message = header.parse(header.write(Frame(FrameKind.REPLY, "r")))  # type: ignore[arg-type]
    message.hops.add(device="cloud", compute=float("nan"))
    for _ in range(2):
        with pytest.raises(CorruptFrame, match="compute"):
            header.read(message, [], memoryview(b""))
        message.hops[0].simulated_slowdown = 1.0  # as a peer of today tells it


def test_a_frame_made_of_its_fields_lacks_none() -> None:
    one = Frame(FrameKind.REPLY, "r", hops=(Hop("cloud", 0, 1, compute=0.5, batch=2),), outputs=("y",))  # type: ignore[arg-type]
    message = header.parse(header.write(one))
    found = header.read(message, header.check(message, 0, FrameLimits()), memoryview(b""))
    assert vars(found).keys() == {field.name for field in dataclasses.fields(Frame)}
    assert found == one


def test_a_hop_of_an_older_peer_that_does_not_tell_its_slowdown_was_not_slowed() -> None:
    message = header.parse(header.write(Frame(FrameKind.REPLY, "r")))  # type: ignore[arg-type]
    message.hops.add(device="cloud", compute=0.25)
    assert header.read(message, [], memoryview(b"")).hops[0].simulated_slowdown == 1.0


def test_looks_that_passed_are_known_and_bounded_and_others_are_checked_anew() -> None:
    limits = FrameLimits()
    for size in range(MAX_KNOWN + 10):
        tensor = WireTensor("a", "uint8", (size,), "raw", bytes(size))  # type: ignore[arg-type]
        for _ in range(2):
            header.write(Frame(FrameKind.REPLY, "r", tensors=(tensor,)), limits=limits)  # type: ignore[arg-type]
        assert 0 < len(limits.known) <= MAX_KNOWN
        wrong = dataclasses.replace(tensor, payload=bytes(size + 1))
        with pytest.raises(InvalidInput, match="bytes"):
            header.write(Frame(FrameKind.REPLY, "r", tensors=(wrong,)), limits=limits)  # type: ignore[arg-type]
    assert limits == FrameLimits()
