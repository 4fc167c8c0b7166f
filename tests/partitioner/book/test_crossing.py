"""Codec options of each tensor: measured, estimated from the same device, or nominal."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.book.crossing import NOMINAL, codec_options
from partitioner.compiled import CodecSample, CompiledModel
from partitioner.costs import DeviceProfile
from partitioner.solve import CodecOption
from partitioner.units import Bytes, CodecName, TensorName


def option(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile, tensor: str, codec: str
) -> CodecOption:
    options = codec_options(compiled, board, cloud)[TensorName(tensor)]
    return next(one for one in options if one.codec == codec)


def test_a_measured_codec_costs_what_was_measured(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile
) -> None:
    one = option(compiled, board, cloud, "t5", "u8+zstd")
    assert one.encode == board.codecs[0].encode
    assert one.decode == cloud.codecs[0].decode
    assert one.wire_bytes == 150_528 // 5


def test_another_tensor_costs_the_same_per_byte(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile
) -> None:
    one = option(compiled, board, cloud, "t6", "u8+zstd")
    assert one.encode == pytest.approx(board.codecs[0].encode * 75_264 / 150_528)
    assert one.decode == pytest.approx(cloud.codecs[0].decode * 75_264 / 150_528)


def test_a_codec_never_measured_costs_the_nominal_rate_slowed(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile
) -> None:
    one = option(compiled, board, cloud, "t5", "f16")
    assert one.encode == pytest.approx(board.simulated_slowdown * NOMINAL["f16"][0] * 150_528)
    assert one.decode == pytest.approx(NOMINAL["f16"][1] * 150_528)


def test_raw_is_free_and_always_there(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile
) -> None:
    for options in codec_options(compiled, board, cloud).values():
        assert options[0].codec == "raw"
        assert options[0].encode == options[0].decode == 0


def test_the_encoded_picture_has_the_mean_size_of_the_samples(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile
) -> None:
    mean = CodecSample(
        TensorName("x@encoded"), CodecName("raw"), Bytes(34_567), 0.0, 1.0, allowed=True, samples=8
    )
    known = dataclasses.replace(compiled, codecs=(*compiled.codecs, mean))
    assert option(compiled, board, cloud, "x@encoded", "raw").wire_bytes == 12_000
    assert option(known, board, cloud, "x@encoded", "raw").wire_bytes == 34_567


def test_jpeg_holds_pictures_only(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile
) -> None:
    holding = {
        name
        for name, options in codec_options(compiled, board, cloud).items()
        if any(one.codec == "jpeg" for one in options)
    }
    assert holding == {"x@picture", "x@resized"}
