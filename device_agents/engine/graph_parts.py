"""The arithmetic of the codecs, float32 to what travels and back: one short piece a graph part.

Law: arrays in, arrays out; knows no codec, no bytes of the wire, no page. An encoder returns None for a tensor that
its part cannot hold: NaN, infinity, above 65504 in f16. A new part is one class and one entry in `graph_parts`.

f16 and u8 run in small onnxruntime sessions, made by `partitioner.onnx_io.codec_graphs`, because they beat numpy;
bfloat16 in numpy, which has no such dtype but is as fast on its bits, where an onnxruntime session cannot hand
bfloat16 to Python (docs/decisions/codec-arithmetic.md has the figures). A session is opened when first needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime

from device_agents.engine.runtime import Runtime
from device_agents.engine.sessions import open_session
from lepton_edge.core.results import Array

GRAPHS = Path(__file__).with_name("graphs")  # importlib.resources would cost an idle agent 1.4 MB
_HALF = np.uint32(0x8000)  # half of the last place that bfloat16 keeps


@dataclass(frozen=True)
class Coded:
    """What a graph part makes of a float32 tensor, of the same shape."""

    array: Array
    scale: float = 1.0
    zero_point: int = 0


class GraphPart(Protocol):
    """One arithmetic."""

    def encode(self, array: Array) -> Coded | None:
        """Return float32 `array` coded, or None where this part cannot hold it."""
        ...

    def decode(self, coded: Coded) -> Array:
        """Return the float32 array."""
        ...


class _Sessions:
    """The two sessions of one part, each opened when it is first needed."""

    def __init__(self, part: str, runtime: Runtime) -> None:
        self._part, self._runtime = part, runtime
        self._open: dict[str, onnxruntime.InferenceSession] = {}

    def run(self, direction: str, feed: Mapping[str, Array]) -> list[Any]:
        session = self._open.get(direction)
        if session is None:
            graph = (GRAPHS / f"{self._part}_{direction}.onnx").read_bytes()
            session = self._open[direction] = open_session(graph, self._runtime)
        made: list[Any] = session.run(None, feed)
        return made


class _CastF16:
    """IEEE half precision."""

    def __init__(self, runtime: Runtime) -> None:
        self._sessions = _Sessions("cast_f16", runtime)

    def encode(self, array: Array) -> Coded | None:
        half, check = self._sessions.run("encode", {"x": np.ascontiguousarray(array)})
        return Coded(half) if np.isfinite(check) else None

    def decode(self, coded: Coded) -> Array:
        array: Array = self._sessions.run("decode", {"y": coded.array})[0]
        return array


class _AffineU8:
    """x = (q - zero_point) * scale, one scale a tensor (ONNX DynamicQuantizeLinear)."""

    def __init__(self, runtime: Runtime) -> None:
        self._sessions = _Sessions("affine_u8", runtime)

    def encode(self, array: Array) -> Coded | None:
        steps, scale, zero_point, check = self._sessions.run("encode", {"x": np.ascontiguousarray(array)})
        return Coded(steps, float(scale), int(zero_point)) if np.isfinite(check) else None

    def decode(self, coded: Coded) -> Array:
        scale, zero = np.asarray(coded.scale, np.float32), np.asarray(coded.zero_point, np.uint8)
        array: Array = self._sessions.run("decode", {"q": coded.array, "scale": scale, "zero_point": zero})[0]
        return array


class _RoundBf16:
    """The upper half of a float32, rounded to nearest, ties away from zero: all of its range, 8 bits of precision."""

    def encode(self, array: Array) -> Coded | None:
        bits = np.ascontiguousarray(array).reshape(-1).view(np.uint32)
        if not max(array.max(), -array.min()) < _LARGEST:  # also where one of them is NaN
            return None
        return Coded((bits + _HALF).view(np.uint16)[_UPPER::2].reshape(array.shape))

    def decode(self, coded: Coded) -> Array:
        bits = np.zeros(coded.array.size, np.uint32)
        bits.view(np.uint16)[_UPPER::2] = coded.array.reshape(-1)
        array: Array = bits.view(np.float32).reshape(coded.array.shape)
        return array


_UPPER = 1 if np.little_endian else 0
_LARGEST = np.float32(3.3961775e38)  # from here on bfloat16 rounds to infinity


def graph_parts(runtime: Runtime) -> dict[str, GraphPart]:
    """Return every graph part by name."""
    return {"cast_f16": _CastF16(runtime), "affine_u8": _AffineU8(runtime), "round_bf16": _RoundBf16()}
