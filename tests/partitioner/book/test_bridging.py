"""What crosses as integers costs a device of floats a pass over it, and what its codec takes there."""

from __future__ import annotations

import dataclasses

import pytest

from partitioner.book.bridging import with_bridges
from partitioner.book.crossing import codec_seconds
from partitioner.book.joint import bridges, joint_model, over_joint
from partitioner.book.meeting import meeting
from partitioner.codecs import U8
from partitioner.compiled import CodecSample, CompiledModel
from partitioner.costs import CodecTime, DeviceProfile
from tests.partitioner.book.test_joint import profile
from tests.partitioner.book.test_meeting import LINE, model

ZSTD = CodecSample("a_q", "zstd", 3, 0.0, 1.0, True, 2)


@pytest.fixture
def pair() -> tuple[CompiledModel, CompiledModel]:
    """A model, and its variant that has the tensor a as integers; 16 bytes there, 4 here."""
    return model(3, LINE), dataclasses.replace(model(3, LINE, integers=("a",)), codecs=(ZSTD,))


def seconds(
    pair: tuple[CompiledModel, CompiledModel], own: DeviceProfile, other: DeviceProfile | None = None
) -> dict[str, tuple[float, float]]:
    """What the float device takes for a_q, by codec."""
    found = meeting(*pair)
    told = with_bridges(own, pair[0].graph, bridges(0, *pair, found), other)
    joint = joint_model(*pair, found)
    times = codec_seconds(joint, over_joint(told, 0, found, joint.graph))
    return {codec: (one.encode, one.decode) for (name, codec), one in times.items() if name == "a_q"}


def test_raw_integers_take_a_pass_as_long_as_that_of_u8(pair: tuple[CompiledModel, CompiledModel]) -> None:
    own = dataclasses.replace(
        profile(pair[0], "cloud", [1.0] * 3), codecs=(CodecTime("b", "u8", 0.16, 0.08, 4),)
    )
    assert seconds(pair, own)["raw"] == pytest.approx((0.16, 0.08))


def test_unmeasured_the_pass_takes_nominal_rates_as_slow_as_the_device(
    pair: tuple[CompiledModel, CompiledModel],
) -> None:
    own = dataclasses.replace(profile(pair[0], "cloud", [1.0] * 3), simulated_slowdown=3.0)
    encode, decode = U8.rates
    assert seconds(pair, own)["raw"] == pytest.approx((48 / encode, 48 / decode))


def test_the_integers_codecs_take_what_the_device_took_for_the_variant_and_the_pass(
    pair: tuple[CompiledModel, CompiledModel],
) -> None:
    own = dataclasses.replace(
        profile(pair[0], "cloud", [1.0] * 3), codecs=(CodecTime("b", "u8", 0.16, 0.08, 4),)
    )
    other = dataclasses.replace(
        profile(pair[1], "cloud", [1.0] * 3), codecs=(CodecTime("a_q", "zstd", 0.5, 0.25, 3),)
    )
    assert seconds(pair, own, other)["zstd"] == pytest.approx((0.66, 0.33))


def test_the_quantized_variant_is_told_nothing_new(pair: tuple[CompiledModel, CompiledModel]) -> None:
    found = meeting(*pair)
    own = profile(pair[1], "board", [1.0] * 3)
    assert with_bridges(own, pair[1].graph, bridges(1, pair[1], pair[0], found), None) == own
