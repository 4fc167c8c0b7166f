"""A profile scaled by speed probes: what is scaled, what stays, how uncertain it says it is."""

from __future__ import annotations

import math

import pytest

from partitioner.costs import CodecTime, DeviceProfile, LayerShare, Measurement, SegmentTime
from partitioner.errors import ProfileError
from partitioner.predict import SIBLING_ERROR, estimated
from partitioner.predict.siblings import SIGMA_PER_HALF_IQR
from partitioner.units import Bytes, CodecName, DeviceId, NodeName, Seconds, TensorName

SIBLING = DeviceProfile(
    DeviceId("known"),
    Measurement(Seconds(0.02), Seconds(0.001), 20),
    (LayerShare(NodeName("a"), 0.25), LayerShare(NodeName("b"), 0.75)),
    (SegmentTime(0, 1, Measurement(Seconds(0.006), Seconds(0.0), 20)),),
    (LayerShare(NodeName("decode"), 0.003),),
    (CodecTime(TensorName("t"), CodecName("f16"), Seconds(0.001), Seconds(0.002), Bytes(100)),),
    overhead=Seconds(0.0005),
    send_message=Seconds(1e-4),
    receive_byte=1e-9,
    activation_peak=Bytes(1_000_000),
)


def estimate() -> DeviceProfile:
    return estimated(SIBLING, Seconds(0.01), Seconds(0.03), DeviceId("new"))


def test_seconds_scale_and_shares_and_bytes_stay() -> None:
    found = estimate()
    assert found.whole.median == pytest.approx(0.06)
    assert found.segments[0].time.median == pytest.approx(0.018)
    assert found.pseudo[0].share == pytest.approx(0.009)
    assert (found.codecs[0].encode, found.codecs[0].decode) == pytest.approx((0.003, 0.006))
    assert (found.overhead, found.send_message) == pytest.approx((0.0015, 3e-4))
    assert found.receive_byte == pytest.approx(3e-9)
    assert (found.layers, found.codecs[0].wire_bytes) == (SIBLING.layers, 100)
    assert found.activation_peak == SIBLING.activation_peak


def test_it_is_marked_and_as_uncertain_as_such_guesses_are() -> None:
    found = estimate()
    assert (found.device, found.estimated_from) == ("new", "known")
    sigma = SIGMA_PER_HALF_IQR * found.whole.spread / found.whole.median
    assert sigma == pytest.approx(math.hypot(SIBLING_ERROR, SIGMA_PER_HALF_IQR * 0.05))


def test_an_estimate_of_an_estimate_names_what_was_measured() -> None:
    again = estimated(estimate(), Seconds(0.03), Seconds(0.01), DeviceId("third"))
    assert again.estimated_from == "known"


@pytest.mark.parametrize("probe", [0.0, -1.0, math.nan, math.inf])
def test_no_estimate_without_both_probes(probe: float) -> None:
    with pytest.raises(ProfileError, match="known"):
        estimated(SIBLING, Seconds(probe), Seconds(0.01), DeviceId("new"))
    with pytest.raises(ProfileError, match="new"):
        estimated(SIBLING, Seconds(0.01), Seconds(probe), DeviceId("new"))
