"""What named tensors of a compiled model hold, sample by sample.

Law: one session for each way in (encoded picture, array, ...), the whole graph in it, the named tensors as
its outputs. What a sample already gives is handed through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import onnxruntime

from partitioner.compiled import CompiledModel
from partitioner.errors import InvalidProblem
from partitioner.onnx_io import Cutter, runtime
from partitioner.profile.samples import Array, Tensors, encoded_picture, made_up_picture, read_samples
from partitioner.units import TensorName

SAMPLES = 8


class Part:
    """A part of the composed graph that makes `wanted` from `given`, opened and ready."""

    def __init__(
        self, directory: Path, cutter: Cutter, given: Collection[TensorName], wanted: Sequence[TensorName]
    ) -> None:
        self._wanted = [name for name in wanted if name not in given]
        self._handed = [name for name in wanted if name in given]
        self._session: onnxruntime.InferenceSession | None = None
        if self._wanted:
            file = cutter.between(frozenset(given), self._wanted).file
            self._session = runtime.open_session(file, runtime.options(directory, runtime.FULL))
            self._reads = [one.name for one in self._session.get_inputs()]

    def run(self, given: Mapping[TensorName, Array]) -> Tensors:
        """Return the wanted tensors."""
        made: Tensors = {}
        if self._session is not None:
            feeds = {name: given[TensorName(name)] for name in self._reads}
            answers = runtime.run(self._session, feeds, self._wanted)
            made = {name: answers[name] for name in self._wanted}
        return made | {name: given[name] for name in self._handed}


def activations(
    directory: Path, compiled: CompiledModel, names: Sequence[TensorName], limit: int = SAMPLES
) -> Iterator[Tensors]:
    """Yield the tensors `names` for at most `limit` samples.

    Raises InvalidProblem when a sample does not give what a name needs (an encoded picture, from an array).
    """
    cutter = Cutter(directory, compiled)
    parts: dict[frozenset[TensorName], Part] = {}
    for sample in read_samples(directory, compiled, limit):
        given = frozenset(sample)
        if given not in parts:
            parts[given] = Part(directory, cutter, given, names)
        yield parts[given].run(sample)


def golden(directory: Path, compiled: CompiledModel, names: Sequence[TensorName]) -> Tensors:
    """Return the tensors `names` for the first sample, or for made-up inputs where it does not give them.

    Equal calls give equal arrays.
    """
    cutter = Cutter(directory, compiled)
    sample = next(read_samples(directory, compiled, 1), None)
    try:
        if sample is not None:
            return Part(directory, cutter, frozenset(sample), names).run(sample)
    except InvalidProblem:  # the sample is an array where the model's own way in is a picture
        pass
    given = _encoded(compiled, sample) or made_up(cutter)
    return Part(directory, cutter, frozenset(given), names).run(given)


def _encoded(compiled: CompiledModel, sample: Tensors | None) -> Tensors:
    """Return a sample of decoded pictures with these encoded, so that both ways in are there; else nothing."""
    specs = [spec for spec in compiled.inputs if spec.picture]
    if sample is None or not specs or any(spec.picture not in sample for spec in specs):
        return {}
    encoded = [encoded_picture(spec, sample[spec.picture]) for spec in specs]
    return {**sample, **{name: array for one in encoded for name, array in one.items()}}


def made_up(cutter: Cutter) -> Tensors:
    """Return made-up inputs of the composed graph: pictures of smooth noise, arrays in range."""
    given: Tensors = dict(cutter.made_up_inputs())
    for spec in cutter.compiled.inputs:
        if spec.encoded:
            given |= made_up_picture(spec)
    return given
