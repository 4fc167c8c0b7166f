"""Codec options of each tensor: measured, estimated from the same device, or nominal."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.book.crossing import codec_options, codec_seconds
from partitioner.codecs import CODECS
from partitioner.compiled import CodecSample, CompiledModel
from partitioner.costs import CodecTime, DeviceProfile
from partitioner.plan import Coder, TensorSpec
from partitioner.solve.problem import CodecOption, CodecSeconds
from partitioner.units import Bytes, CodecName, Seconds, Sha256, TensorName


def option(compiled: CompiledModel, tensor: str, codec: str) -> CodecOption:
    return next(one for one in codec_options(compiled)[TensorName(tensor)] if one.codec == codec)


def seconds(compiled: CompiledModel, profile: DeviceProfile, tensor: str, codec: str) -> CodecSeconds:
    return codec_seconds(compiled, profile)[TensorName(tensor), CodecName(codec)]


def test_a_measured_codec_costs_what_was_measured(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile
) -> None:
    assert seconds(compiled, board, "t5", "u8+zstd").encode == board.codecs[0].encode
    assert seconds(compiled, cloud, "t5", "u8+zstd").decode == cloud.codecs[0].decode
    assert option(compiled, "t5", "u8+zstd").wire_bytes == 150_528 // 5
    assert option(compiled, "t5", "u8+zstd").loss == 0.004


def test_another_tensor_costs_the_same_per_byte(compiled: CompiledModel, board: DeviceProfile) -> None:
    one = seconds(compiled, board, "t6", "u8+zstd")
    assert one.encode == pytest.approx(board.codecs[0].encode * 75_264 / 150_528)
    assert one.decode == pytest.approx(board.codecs[0].decode * 75_264 / 150_528)


def test_a_codec_never_measured_costs_the_nominal_rate_slowed(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile
) -> None:
    slowed = board.simulated_slowdown * 150_528 / CODECS["f16"].rates[0]
    assert seconds(compiled, board, "t5", "f16").encode == pytest.approx(slowed)
    assert seconds(compiled, cloud, "t5", "f16").decode == pytest.approx(150_528 / CODECS["f16"].rates[1])


def test_raw_is_free_and_always_there(compiled: CompiledModel, board: DeviceProfile) -> None:
    for name, options in codec_options(compiled).items():
        assert options[0].codec == "raw"
        assert options[0].loss == 0
        assert seconds(compiled, board, name, "raw") == CodecSeconds()


def test_the_encoded_picture_has_the_mean_size_of_the_samples(compiled: CompiledModel) -> None:
    mean = CodecSample(
        TensorName("x@encoded"), CodecName("raw"), Bytes(34_567), 0.0, 1.0, allowed=True, samples=8
    )
    known = dataclasses.replace(compiled, codecs=(*compiled.codecs, mean))
    assert option(compiled, "x@encoded", "raw").wire_bytes == 12_000
    assert option(known, "x@encoded", "raw").wire_bytes == 34_567


def test_a_codec_that_failed_the_rule_is_offered_and_not_allowed(compiled: CompiledModel) -> None:
    failed = tuple(dataclasses.replace(one, allowed=False) for one in compiled.codecs)
    told = dataclasses.replace(compiled, codecs=failed)
    assert not option(told, "t5", "u8+zstd").allowed
    assert option(told, "t5", "raw").allowed


def test_jpeg_holds_pictures_only(compiled: CompiledModel) -> None:
    holding = {
        name
        for name, options in codec_options(compiled).items()
        if any(one.codec == "jpeg" for one in options)
    }
    assert holding == {"x@picture", "x@resized"}


def test_a_trained_codec_is_offered_for_its_tensor_alone_at_what_it_was_measured(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile
) -> None:
    name, tensor = CodecName("bottleneck:t5-00000000"), TensorName("t5")
    spec = TensorSpec(tensor, "float32", (1, 37_632), Bytes(150_528))
    coder = Coder(name, spec, TensorSpec(TensorName("t5@code"), "uint8", (1, 400)), Sha256(""), Sha256(""))
    sample = CodecSample(tensor, name, Bytes(400), 0.03, 1.0, allowed=True, samples=8)
    known = dataclasses.replace(compiled, codecs=(*compiled.codecs, sample), coders=(coder,))
    offered = {
        one for one, options in codec_options(known).items() if name in {each.codec for each in options}
    }
    assert offered == {tensor}
    assert (option(known, tensor, name).wire_bytes, option(known, tensor, name).loss) == (400, 0.03)
    slow = dataclasses.replace(
        board, codecs=(*board.codecs, CodecTime(tensor, name, Seconds(0.004), Seconds(0.006), Bytes(400)))
    )
    assert seconds(known, slow, tensor, name) == CodecSeconds(Seconds(0.004), Seconds(0.006))
    assert 0 < seconds(known, cloud, tensor, name).decode < 1
    assert name not in {each.codec for each in codec_options(known.as_known_by(0))[tensor]}
