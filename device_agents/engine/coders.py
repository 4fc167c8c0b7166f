"""Trained codecs that are open on this device: the two graphs of each, and who holds it.

Law: arrays in, arrays out; knows no wire and no page. A coder's name is of its two graphs alone, so several epochs may
share one; it is closed when nobody holds it any more. What an encoder cannot hold (NaN, infinity) it returns as None.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

from device_agents.engine.runtime import Runtime
from device_agents.engine.sessions import OPEN_ERRORS, RUN_ERRORS, open_session, reason
from lepton_edge.core.errors import ComputeFailed, PrepareFailed
from lepton_edge.core.results import Array
from partitioner.plan import Coder
from partitioner.units import CodecName, Sha256

MOST_OPEN = 64
"""Trained codecs open at once; a book has a few."""


@dataclass
class OpenCoder:
    """One trained codec, its graphs opened; `owners` are those who hold it."""

    coder: Coder
    encoder: onnxruntime.InferenceSession
    decoder: onnxruntime.InferenceSession
    owners: set[str] = field(default_factory=set)

    def encode(self, array: Array) -> Array | None:
        """Return the uint8 code of a float32 array; None where it holds NaN or infinity, or has another shape."""
        spec = self.coder.tensor.shape
        if array.shape[1:] != tuple(spec[1:]) or len(array.shape) != len(spec) or not _is_finite(array):
            return None
        return _run(self.encoder, np.ascontiguousarray(array), self.coder.codec)

    def code_size(self, shape: tuple[int, ...]) -> int:
        """Return the bytes of the code of an array of `shape`."""
        return math.prod(self._code_shape(shape))

    def decode(self, code: bytes | memoryview, shape: tuple[int, ...]) -> Array | None:
        """Return the array of `shape` that `code_size` bytes stand for; None where they stand for another one."""
        array = np.frombuffer(code, np.uint8).reshape(self._code_shape(shape))
        made = _run(self.decoder, array, self.coder.codec)
        return made if made.shape == shape else None

    def _code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[:1], *(int(dim) for dim in self.coder.code.shape[1:]))


class Coders:
    """Every trained codec that is open on this device."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._open: dict[CodecName, OpenCoder] = {}
        self._lock = threading.Lock()

    def opened(self, name: CodecName) -> OpenCoder | None:
        """Return the coder called `name`, where it is open."""
        return self._open.get(name)

    def open(self, owner: str, coders: Sequence[Coder], files: Mapping[Sha256, Path]) -> None:
        """Open `coders` for `owner`; those that are open already are shared.

        Raises:
            PrepareFailed: there are too many, or a graph is none of such a coder.
            InvalidModel, UnsupportedOperator: see `sessions.open_session`.
        """
        with self._lock:
            for one in coders:
                held = self._open.get(one.codec)
                if held is None:
                    if len(self._open) >= MOST_OPEN:
                        raise PrepareFailed(f"{MOST_OPEN} trained codecs are open", "remove a model")
                    held = self._opened(one, files)
                    self._open[one.codec] = held
                held.owners.add(owner)

    def close(self, owner: str) -> None:
        """Let go of what `owner` holds."""
        with self._lock:
            for name, one in list(self._open.items()):
                one.owners.discard(owner)
                if not one.owners:
                    del self._open[name]

    def _opened(self, one: Coder, files: Mapping[Sha256, Path]) -> OpenCoder:
        try:
            encoder, decoder = (
                open_session(files[name].read_bytes(), self._runtime) for name in (one.encoder, one.decoder)
            )
        except (OSError, KeyError) as error:
            raise PrepareFailed(
                f"a graph of codec {one.codec} is missing: {error}", "deploy again"
            ) from error
        made = OpenCoder(one, encoder, decoder)
        _prove(made)
        return made


def _prove(one: OpenCoder) -> None:
    """Run both graphs once on zeros, so that no request is the first to find out that they do not fit."""
    shape = tuple(dim if isinstance(dim, int) else 1 for dim in one.coder.tensor.shape)
    try:
        code = one.encode(np.zeros(shape, np.float32))
        fits = code is not None and code.dtype == np.uint8 and code.size == one.code_size(shape)
        again = one.decode(code.tobytes(), shape) if code is not None and fits else None
    except ComputeFailed as error:
        raise PrepareFailed(
            f"codec {one.coder.codec} does not run: {error.message}", "push it again"
        ) from error
    if again is None or again.dtype != np.float32:
        raise PrepareFailed(f"the graphs of codec {one.coder.codec} are none of a coder", "push it again")


def _run(session: onnxruntime.InferenceSession, array: Array, name: CodecName) -> Array:
    try:
        made: Array = session.run(None, {session.get_inputs()[0].name: array})[0]
    except (*RUN_ERRORS, *OPEN_ERRORS, ValueError, TypeError) as error:
        raise ComputeFailed(f"codec {name} failed: {reason(error)}") from error
    return made


def _is_finite(array: Array) -> bool:
    """Say whether a float32 array holds numbers only: one sum tells, and costs one read."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array.sum(dtype=np.float64)))
