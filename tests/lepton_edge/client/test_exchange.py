"""Inputs become frames, answers become results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lepton_edge.client.exchange import (
    Times,
    Wanted,
    error_in,
    outputs_of,
    request_frame,
    result_of,
    wire_input,
)
from lepton_edge.client.mock import failure, reply
from lepton_edge.core.errors import ComputeFailed, CorruptFrame, InvalidInput, Overloaded
from lepton_edge.core.frames import Frame, FrameKind, Hop, WireError
from lepton_edge.wire import tensors
from partitioner.units import DeviceId, RequestId

ASKED = RequestId("ab" * 16)


def frame(inputs: Any, **wanted: Any) -> Frame:
    return request_frame(ASKED, "net", inputs, Wanted(**wanted))


def test_an_array_travels_as_it_is() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    (tensor,) = frame({"x": array}).tensors
    assert (tensor.name, tensor.dtype, tensor.shape, tensor.codec) == ("x", "float32", (2, 3), "raw")
    np.testing.assert_array_equal(tensors.unpack(tensor), array)


def test_a_picture_travels_as_its_bytes_from_memory_or_file(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8 jpeg")
    for given in (b"\xff\xd8 jpeg", bytearray(b"\xff\xd8 jpeg"), memoryview(b"\xff\xd8 jpeg"), path):
        tensor = wire_input("x", given)
        assert (tensor.dtype, tensor.shape, bytes(tensor.payload)) == ("uint8", (7,), b"\xff\xd8 jpeg")


def test_an_npy_file_travels_as_its_array(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 2), np.int64))
    tensor = wire_input("x", tmp_path / "x.npy")
    assert (tensor.dtype, tensor.shape) == ("int64", (2, 2))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=">f4").reshape(3, 4),
        np.arange(24, dtype=np.float32).reshape(2, 3, 4)[:, ::2].transpose(2, 0, 1),
        np.float32(3.5),
        np.empty((0, 4), np.float32),
        np.array([np.nan, np.inf], np.float32),
        [[1, 2], [3, 4]],
        True,
    ],
    ids=["big-endian", "strided", "scalar", "empty", "nan", "list", "bool"],
)
def test_values_and_shape_survive_whatever_the_layout(array: Any) -> None:
    tensor = wire_input("x", array)
    assert tensor.shape == np.shape(array)
    np.testing.assert_array_equal(tensors.unpack(tensor), np.asarray(array))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("photo.jpg", "text"),
        (np.array(["a"]), "dtype"),
        (np.array([object()]), "dtype"),
        (None, "dtype"),
        ([[1], [1, 2]], "no array"),
        (Path("nowhere.jpg"), "cannot read"),
        (np.array([1j]), "dtype"),
    ],
)
def test_what_no_model_can_take_is_refused_by_name(given: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=f"'x'.*{said}"):
        wire_input("x", given)


@pytest.mark.parametrize("inputs", [{}, None, b"bytes", np.zeros(3)])
def test_inputs_must_be_a_mapping_with_something_in_it(inputs: Any) -> None:
    with pytest.raises(InvalidInput, match="no input"):
        frame(inputs)


@pytest.mark.parametrize(
    "odd",
    [
        {"metadata": {"a": 1}},
        {"metadata": {1: "a"}},
        {"metadata": {"a": "\ud800"}},
        {"metadata": {"a": "x" * 2000}},
        {"metadata": {str(number): "" for number in range(100)}},
        {"metadata": {str(number): "x" * 1000 for number in range(20)}},
        {"page": 3},
        {"outputs": (3,)},
        {"outputs": ("\ud800",)},
    ],
    ids=str,
)
def test_what_the_wire_cannot_carry_never_reaches_a_link_that_others_use(odd: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        frame({"x": 1.0}, **odd)


@pytest.mark.parametrize("name", [3, "\ud800", "x" * 2000])
def test_names_are_text(name: Any) -> None:
    with pytest.raises(InvalidInput):
        frame({name: 1.0})


def test_more_dimensions_than_travel_are_refused() -> None:
    with pytest.raises(InvalidInput, match="17 dimensions"):
        frame({"x": np.zeros((1,) * 17)})


def test_more_inputs_than_travel_are_refused() -> None:
    with pytest.raises(InvalidInput, match="300 inputs"):
        frame({f"x{number}": 1.0 for number in range(300)})


def test_a_very_long_deadline_is_a_month() -> None:
    assert (
        frame({"x": 1.0}, deadline=float("inf")).remaining_ms
        == frame({"x": 1.0}, deadline=1e300).remaining_ms
        > 0
    )


def test_a_truncated_npy_is_the_callers_error(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"")
    with pytest.raises(InvalidInput, match="cannot read"):
        wire_input("x", tmp_path / "x.npy")


def test_wishes_reach_the_frame() -> None:
    asked = frame({"x": 1.0}, outputs=("y",), deadline=0.25, page="local", priority=2, metadata={"a": "b"})
    assert (asked.outputs, asked.remaining_ms, asked.page) == (("y",), 250, "local")
    assert (asked.priority, asked.metadata, asked.request_id) == (2, {"a": "b"}, ASKED)
    assert frame({"x": 1.0}).remaining_ms == 0
    assert frame({"x": 1.0}, deadline=1e-6).remaining_ms == 1, "a deadline never turns into none"


def test_a_result_carries_the_clients_own_hop_with_the_network_time() -> None:
    asked = frame({"x": 1.0})
    hops = (
        Hop(DeviceId("board"), 0, 2, total=0.030, network=0.020),
        Hop(DeviceId("cloud"), 2, 5, total=0.010),
    )
    answered = reply(asked, {"y": np.ones(2, np.float32)})
    answered = Frame(**{**vars(answered), "hops": hops})
    result = result_of(answered, outputs_of(answered), Times(encode=0.001, round_trip=0.036, decode=0.002))
    assert [hop.device for hop in result.hops] == ["client", "board", "cloud"]
    assert result.hops[0].network == pytest.approx(0.006), "round trip less what the entry reports in all"
    assert result.latency == pytest.approx(0.039)
    np.testing.assert_array_equal(result["y"], [1, 1])
    with pytest.raises(KeyError, match="'z'.*'y'"):
        result["z"]


def test_an_error_frame_is_rebuilt_as_its_type_with_place_hint_and_when_to_try_again() -> None:
    asked = frame({"x": 1.0})
    refused = error_in(failure(asked, Overloaded("queue is full", "slow down")))
    assert isinstance(refused, Overloaded)
    assert (refused.message, refused.hint, refused.retryable) == ("queue is full", "slow down", True)
    told = WireError("compute_failed", "broken", device=DeviceId("cloud"), retry_after_ms=250)
    broken = error_in(Frame(FrameKind.ERROR, ASKED, error=told))
    assert isinstance(broken, ComputeFailed)
    assert (broken.message, broken.retry_after) == ("cloud: broken", 0.25)
    assert error_in(reply(asked, {})) is None


def test_a_code_of_a_newer_peer_is_still_a_typed_error() -> None:
    told = WireError("quantum_decoherence", "odd", fault="universe", retryable=True)
    error = error_in(Frame(FrameKind.ERROR, ASKED, error=told))
    assert error is not None
    assert (error.code, error.fault, error.retryable) == ("quantum_decoherence", "service", True)


@pytest.mark.parametrize("kind", [FrameKind.REQUEST, FrameKind.CREDIT, FrameKind.ERROR])
def test_what_is_no_answer_is_a_broken_protocol(kind: FrameKind) -> None:
    assert isinstance(error_in(Frame(kind, ASKED)), CorruptFrame)
