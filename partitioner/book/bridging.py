"""What it costs a device that holds floats to send or take a tensor as integers: one pass over it, beside its codec.

Law: arithmetic over profiles. The pass is taken to be as long as that of the codec u8 on the device, which does the
same work and looks for the range before. What the integers' own codecs take is what the device took for them where it
was measured with the variant that has them.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from partitioner.book.joint import Bridges
from partitioner.codecs import RAW, U8
from partitioner.costs import CodecTime, DeviceProfile
from partitioner.graph import CostGraph
from partitioner.units import Bytes, Seconds, TensorName


@dataclass(frozen=True)
class _Pass:
    """Seconds for each byte of floats: to integers, and back."""

    quantize: float
    dequantize: float


def with_bridges(
    profile: DeviceProfile, own: CostGraph, bridges: Bridges, variant: DeviceProfile | None
) -> DeviceProfile:
    """Return the profile of a float variant on a device, with the times of what crosses as integers.

    `own` is the float variant's graph, `variant` the quantized one's profile on the same device, if there is one.
    """
    sizes = {tensor.name: tensor.size for tensor in own.tensors}
    rate = _rate(profile, sizes)
    added = []
    for name, (_, spec) in bridges.items():
        there = [one for one in (variant.codecs if variant else ()) if one.tensor == spec.name]
        if not any(one.codec == RAW.name for one in there):
            there.append(CodecTime(spec.name, RAW.name, Seconds(0.0), Seconds(0.0), spec.size))
        added += [_longer(one, rate, sizes[name]) for one in there]
    return dataclasses.replace(profile, codecs=(*profile.codecs, *added))


def _longer(time: CodecTime, rate: _Pass, size: Bytes) -> CodecTime:
    encode, decode = time.encode + rate.quantize * size, time.decode + rate.dequantize * size
    return dataclasses.replace(time, encode=Seconds(encode), decode=Seconds(decode))


def _rate(profile: DeviceProfile, sizes: Mapping[TensorName, Bytes]) -> _Pass:
    """Return what u8 took on the device, a byte; where it was not measured, its nominal rates."""
    known = [one for one in profile.codecs if one.codec == U8.name and sizes.get(one.tensor, 0) > 0]
    if not known:
        encode, decode = U8.rates
        return _Pass(profile.simulated_slowdown / encode, profile.simulated_slowdown / decode)
    return _Pass(
        statistics.median(one.encode / sizes[one.tensor] for one in known),
        statistics.median(one.decode / sizes[one.tensor] for one in known),
    )
