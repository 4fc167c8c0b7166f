"""The same devices and link, if they were others: a faster board, a slower radio.

Law: arithmetic over profiles; asks nothing and measures nothing. What comes out is a guess by scaling, as good as
the assumption that everything on a device scales alike.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from partitioner.costs import CodecTime, DeviceProfile, LayerShare, LinkProfile, Measurement, SegmentTime
from partitioner.errors import InvalidProblem
from partitioner.units import BytesPerSecond, DeviceId, Seconds


def changed(
    board: DeviceProfile | None,
    cloud: DeviceProfile | None,
    link: LinkProfile | None,
    *,
    link_rate: tuple[float, float] | None = None,
    link_delay: tuple[float, float] | None = None,
    speed: Mapping[DeviceId, float] | None = None,
) -> tuple[DeviceProfile | None, DeviceProfile | None, LinkProfile | None]:
    """Return the profiles with the link at other rates and delays, and devices so many times as fast.

    `link_rate` is (up, down) in bytes per second, `link_delay` (up, down) in seconds; None leaves them. A device
    that `speed` does not name stays as it is. The changed link counts as declared, not measured.

    Raises:
        InvalidProblem: `speed` names a device that there is not, a factor is no positive number, or a link is
            to be changed where there is none.
        ProfileError: no link can have these rates or delays.
    """
    factors = speed or {}
    _check(factors, board, cloud)
    if (link_rate or link_delay) and link is None:
        raise InvalidProblem("there is no link to change", "connect a second device first")
    return (
        board and faster(board, factors.get(board.device, 1.0)),
        cloud and faster(cloud, factors.get(cloud.device, 1.0)),
        link and _other_link(link, link_rate, link_delay),
    )


def faster(profile: DeviceProfile, factor: float) -> DeviceProfile:
    """Return the profile of a device that takes 1 / `factor` of the seconds for everything."""
    if factor == 1.0:
        return profile
    return dataclasses.replace(
        profile,
        whole=_time(profile.whole, factor),
        segments=tuple(SegmentTime(one.first, one.last, _time(one.time, factor)) for one in profile.segments),
        pseudo=tuple(LayerShare(one.node, one.share / factor) for one in profile.pseudo),
        codecs=tuple(_codec(one, factor) for one in profile.codecs),
        overhead=Seconds(profile.overhead / factor),
        send_message=Seconds(profile.send_message / factor),
        send_byte=profile.send_byte / factor,
        receive_message=Seconds(profile.receive_message / factor),
        receive_byte=profile.receive_byte / factor,
    )


def _time(time: Measurement, factor: float) -> Measurement:
    return Measurement(Seconds(time.median / factor), Seconds(time.spread / factor), time.runs)


def _codec(time: CodecTime, factor: float) -> CodecTime:
    return dataclasses.replace(
        time, encode=Seconds(time.encode / factor), decode=Seconds(time.decode / factor)
    )


def _other_link(
    link: LinkProfile, rate: tuple[float, float] | None, delay: tuple[float, float] | None
) -> LinkProfile:
    if rate is None and delay is None:
        return link
    up, down = rate or (link.up, link.down)
    there, back = delay or (link.delay_up, link.delay_down)
    return dataclasses.replace(
        link,
        up=BytesPerSecond(up),
        down=BytesPerSecond(down),
        delay_up=Seconds(there),
        delay_down=Seconds(back),
        measured=False,
    )


def _check(
    factors: Mapping[DeviceId, float], board: DeviceProfile | None, cloud: DeviceProfile | None
) -> None:
    known = [profile.device for profile in (board, cloud) if profile is not None]
    for device, factor in factors.items():
        if device not in known:
            there = ", ".join(known) or "none"
            raise InvalidProblem(
                f"no device is called {device} (there is: {there})", "see `lepton-edge devices`"
            )
        if not (math.isfinite(factor) and factor > 0):
            raise InvalidProblem(f"{device} cannot be {factor} times as fast", "give a positive number")
