"""A profile for a device that was never measured: a sibling's, scaled by both devices' speed probes.

Law: pure arithmetic over two profiles' nouns. The result is marked as an estimate, and as uncertain as such
estimates were found to be.
"""

from __future__ import annotations

import dataclasses
import math

from partitioner.costs import CodecTime, DeviceProfile, LayerShare, Measurement, SegmentTime
from partitioner.errors import ProfileError
from partitioner.units import DeviceId, Seconds

SIBLING_ERROR = 0.2  # relative, one sigma: what scaling by a probe errs by
SIGMA_PER_HALF_IQR = 1.4826  # of a normal distribution


def estimated(
    sibling: DeviceProfile, probe_sibling: Seconds, probe_device: Seconds, device: DeviceId
) -> DeviceProfile:
    """Return a profile of `device`, which was never measured, from that of `sibling`.

    Everything takes `probe_device / probe_sibling` times as long: shares stay. The uncertainty of the whole
    is widened by `SIBLING_ERROR`, and `estimated_from` names the sibling.

    Raises:
        ProfileError: a probe is not a positive number of seconds.
    """
    factor = _factor(probe_sibling, probe_device, sibling.device, device)

    def longer(seconds: float) -> Seconds:
        return Seconds(seconds * factor)

    return dataclasses.replace(
        sibling,
        device=device,
        whole=_widened(_scaled(sibling.whole, factor)),
        segments=tuple(
            SegmentTime(one.first, one.last, _scaled(one.time, factor)) for one in sibling.segments
        ),
        pseudo=tuple(LayerShare(one.node, longer(one.share)) for one in sibling.pseudo),
        codecs=tuple(_codec(one, factor) for one in sibling.codecs),
        overhead=longer(sibling.overhead),
        send_message=longer(sibling.send_message),
        send_byte=longer(sibling.send_byte),
        receive_message=longer(sibling.receive_message),
        receive_byte=longer(sibling.receive_byte),
        estimated_from=sibling.estimated_from or str(sibling.device),
    )


def _factor(probe_sibling: Seconds, probe_device: Seconds, sibling: DeviceId, device: DeviceId) -> float:
    for name, probe in ((sibling, probe_sibling), (device, probe_device)):
        if not (math.isfinite(probe) and probe > 0):
            raise ProfileError(
                f"{name}: its speed probe is {probe} s, nothing can be estimated from that",
                "restart its agent, or profile the model on it",
            )
    return probe_device / probe_sibling


def _scaled(time: Measurement, factor: float) -> Measurement:
    return Measurement(Seconds(time.median * factor), Seconds(time.spread * factor), time.runs)


def _widened(time: Measurement) -> Measurement:
    """Add `SIBLING_ERROR` to the spread, which is half of an interquartile range; no run here made it less."""
    guess = SIBLING_ERROR * time.median / SIGMA_PER_HALF_IQR
    return Measurement(time.median, Seconds(math.hypot(time.spread, guess)), 0)


def _codec(one: CodecTime, factor: float) -> CodecTime:
    return dataclasses.replace(one, encode=Seconds(one.encode * factor), decode=Seconds(one.decode * factor))
