"""Which codecs each tensor may cross by, and what each costs on either side.

Law: arithmetic over what was measured at push (bytes, loss) and on the devices (seconds). A codec
that was not measured is not offered (but raw); one that fails the accuracy rule is offered as not allowed, so that a
report can say so. Times that were not measured are estimated from a line through what the same codec took
for other tensors on that device (a fixed cost plus seconds per byte), else from nominal rates times the
device's simulated slowdown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from partitioner.codecs import CODECS, RAW, Codec, codec_named
from partitioner.compiled import CodecSample, CompiledModel
from partitioner.costs import CodecTime, DeviceProfile
from partitioner.graph import CostTensor
from partitioner.solve.problem import CodecKey, CodecOption, CodecSeconds
from partitioner.units import Bytes, CodecName, Seconds, TensorName

Samples = dict[tuple[TensorName, CodecName], CodecSample]


@dataclass(frozen=True)
class _Line:
    """Seconds = fixed + per_byte x bytes."""

    fixed: float
    per_byte: float

    def at(self, size: int) -> float:
        """Return the seconds for a tensor of `size` bytes."""
        return self.fixed + self.per_byte * size


class _Clock:
    """Codec times of one device."""

    def __init__(self, profile: DeviceProfile, sizes: dict[TensorName, Bytes]) -> None:
        self._slowdown = profile.simulated_slowdown
        self._times = {(time.tensor, time.codec): time for time in profile.codecs}
        self._lines = {name: _lines(profile.codecs, name, sizes) for name in CODECS if name != RAW.name}

    def seconds(self, tensor: CostTensor, codec: Codec) -> CodecSeconds:
        """Return the seconds to encode and to decode."""
        if time := self._times.get((tensor.name, codec.name)):
            return CodecSeconds(time.encode, time.decode)
        if lines := self._lines.get(codec.name):
            return CodecSeconds(Seconds(lines[0].at(tensor.size)), Seconds(lines[1].at(tensor.size)))
        encode, decode = codec.rates
        slow = self._slowdown * tensor.size
        return CodecSeconds(Seconds(slow / encode), Seconds(slow / decode))


def codec_options(compiled: CompiledModel) -> dict[TensorName, tuple[CodecOption, ...]]:
    """Return, for each tensor of the graph, the codecs that hold it and were measured; raw first."""
    samples: Samples = {(sample.tensor, sample.codec): sample for sample in compiled.codecs}
    return {
        tensor.name: tuple(
            _option(tensor, codec, samples.get((tensor.name, codec.name)))
            for codec in (*CODECS.values(), *_trained(compiled, tensor))
            if _holds(codec, tensor) and (codec is RAW or (tensor.name, codec.name) in samples)
        )
        for tensor in compiled.graph.tensors
        if tensor.consumers
    }


def _trained(compiled: CompiledModel, tensor: CostTensor) -> list[Codec]:
    """Return the codecs that were trained for a tensor."""
    named = [codec_named(one.codec) for one in compiled.coders if one.tensor.name == tensor.name]
    return [codec for codec in named if codec is not None]


def codec_seconds(compiled: CompiledModel, profile: DeviceProfile) -> dict[CodecKey, CodecSeconds]:
    """Return what encoding and decoding each tensor by each codec that it is offered takes on a device."""
    clock = _Clock(profile, {tensor.name: tensor.size for tensor in compiled.graph.tensors})
    tensors = {tensor.name: tensor for tensor in compiled.graph.tensors}
    return {
        (name, option.codec): clock.seconds(tensors[name], codec_named(option.codec) or RAW)
        for name, options in codec_options(compiled).items()
        for option in options
    }


def _holds(codec: Codec, tensor: CostTensor) -> bool:
    if codec is RAW:
        return True  # whatever may cross at all may cross as it is
    return tensor.dtype in codec.holds and (tensor.picture or not codec.pictures_only)


def _option(tensor: CostTensor, codec: Codec, sample: CodecSample | None) -> CodecOption:
    return CodecOption(
        codec.name,
        sample.wire_bytes if sample else Bytes(round(tensor.size / codec.nominal_ratio)),
        loss=sample.loss if sample else 0.0,
        allowed=codec.lossless or (sample is not None and sample.allowed),
    )


def _lines(
    times: tuple[CodecTime, ...], codec: CodecName, sizes: dict[TensorName, Bytes]
) -> tuple[_Line, _Line] | None:
    known = [time for time in times if time.codec == codec and sizes.get(time.tensor, 0) > 0]
    if not known:
        return None
    bytes_ = np.array([sizes[time.tensor] for time in known], dtype=float)
    return (
        _fit(bytes_, np.array([time.encode for time in known])),
        _fit(bytes_, np.array([time.decode for time in known])),
    )


def _fit(
    sizes: np.ndarray[tuple[int], np.dtype[np.float64]], seconds: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> _Line:
    """Fit the line with the least squares of relative errors; neither coefficient is negative."""
    if len(set(sizes.tolist())) == 1:
        return _Line(0.0, float(np.median(seconds)) / float(sizes[0]))
    weight = 1 / np.maximum(seconds, 1e-9)
    columns = np.stack([weight, weight * sizes / sizes.max()], axis=1)
    fixed, slope = nnls(columns, np.ones_like(seconds))[0]
    return _Line(float(fixed), float(slope) / float(sizes.max()))
