"""Which codecs each tensor may cross by, and what each costs on either side.

Law: arithmetic over what was measured at push (bytes, loss) and on the devices (seconds). A lossy codec
that was not measured is not offered; one that fails the accuracy rule is offered as not allowed, so that a
report can say so. Times that were not measured are estimated from the same codec's seconds per byte on that
device, else from nominal rates times the device's simulated slowdown.
"""

from __future__ import annotations

from partitioner.codecs import CODECS, RAW, Codec
from partitioner.compiled import CodecSample, CompiledModel
from partitioner.costs import CodecTime, DeviceProfile
from partitioner.graph import CostTensor
from partitioner.solve import CodecOption
from partitioner.units import Bytes, CodecName, Seconds, TensorName

# Seconds per byte of the tensor, (encode, decode), of one core at full speed; DESIGN D5 and section 6.
NOMINAL = {"f16": (1 / 1.7e9, 1 / 1.7e9), "u8+zstd": (1 / 3e8, 1 / 6e8), "jpeg": (1 / 6e7, 1 / 8e7)}

Samples = dict[tuple[TensorName, CodecName], CodecSample]


class _Clock:
    """Codec times of one device."""

    def __init__(self, profile: DeviceProfile, sizes: dict[TensorName, Bytes]) -> None:
        self._slowdown = profile.simulated_slowdown
        self._times = {(time.tensor, time.codec): time for time in profile.codecs}
        self._rates = {name: _seconds_per_byte(profile.codecs, name, sizes) for name in CODECS}

    def seconds(self, tensor: CostTensor, codec: Codec) -> tuple[float, float]:
        """Return the seconds to encode and to decode."""
        if time := self._times.get((tensor.name, codec.name)):
            return time.encode, time.decode
        if rates := self._rates[codec.name]:
            return rates[0] * tensor.size, rates[1] * tensor.size
        encode, decode = NOMINAL.get(codec.name, (0.0, 0.0))
        return self._slowdown * encode * tensor.size, self._slowdown * decode * tensor.size


def codec_options(
    compiled: CompiledModel, board: DeviceProfile, cloud: DeviceProfile
) -> dict[TensorName, tuple[CodecOption, ...]]:
    """Return, for each tensor of the graph, the codecs that hold it and whose loss is known; raw first."""
    sizes = {tensor.name: tensor.size for tensor in compiled.graph.tensors}
    clocks = _Clock(board, sizes), _Clock(cloud, sizes)
    samples: Samples = {(sample.tensor, sample.codec): sample for sample in compiled.codecs}
    return {
        tensor.name: tuple(
            _option(tensor, codec, samples.get((tensor.name, codec.name)), clocks)
            for codec in CODECS.values()
            if _holds(codec, tensor) and (codec.lossless or (tensor.name, codec.name) in samples)
        )
        for tensor in compiled.graph.tensors
        if tensor.consumers
    }


def _holds(codec: Codec, tensor: CostTensor) -> bool:
    if codec is RAW:
        return True  # whatever may cross at all may cross as it is
    return tensor.dtype in codec.holds and (tensor.picture or not codec.pictures_only)


def _option(
    tensor: CostTensor, codec: Codec, sample: CodecSample | None, clocks: tuple[_Clock, _Clock]
) -> CodecOption:
    near, far = clocks
    size = sample.wire_bytes if sample else Bytes(round(tensor.size / codec.nominal_ratio))
    return CodecOption(
        codec.name,
        size,
        Seconds(near.seconds(tensor, codec)[0]),
        Seconds(far.seconds(tensor, codec)[1]),
        allowed=codec.lossless or (sample is not None and sample.allowed),
    )


def _seconds_per_byte(
    times: tuple[CodecTime, ...], codec: CodecName, sizes: dict[TensorName, Bytes]
) -> tuple[float, float] | None:
    known = [time for time in times if time.codec == codec and sizes.get(time.tensor, 0) > 0]
    total = sum(sizes[time.tensor] for time in known)
    if not total:
        return None
    return sum(time.encode for time in known) / total, sum(time.decode for time in known) / total
