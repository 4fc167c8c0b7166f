"""The names of the top-k classes, added by the entry.

Law: reads outputs, changes none. A class beyond the label file's end has an empty name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lepton_edge.core.frames import Frame, LabelScore, WireTensor
from lepton_edge.wire import tensors
from partitioner.plan import OutputSpec
from partitioner.units import Sha256, TensorName

Labels = Mapping[Sha256, Sequence[str]]


def label_scores(frame: Frame, outputs: Iterable[OutputSpec], labels: Labels) -> tuple[LabelScore, ...]:
    """Return the top-k answers of every output that has them, best first, row by row."""
    carried = {tensor.name: tensor for tensor in frame.tensors}
    return tuple(
        score
        for spec in outputs
        if spec.scores in carried and spec.indices in carried
        for score in _of(spec, carried, labels.get(spec.labels, ()))
    )


def _of(
    spec: OutputSpec, carried: Mapping[TensorName, WireTensor], names: Sequence[str]
) -> Iterable[LabelScore]:
    scores = tensors.unpack(carried[spec.scores])
    indices = tensors.unpack(carried[spec.indices])
    rows = zip(indices.reshape(-1, indices.shape[-1]), scores.reshape(-1, scores.shape[-1]), strict=True)
    for row, (places, values) in enumerate(rows):
        for index, score in zip(places.tolist(), values.tolist(), strict=True):
            name = names[index] if 0 <= index < len(names) else ""
            yield LabelScore(spec.tensor, row, index, name, score)
