"""Training of a bottleneck's coder: what comes out of it, and what the model makes of that, shall be as without it.

Law: the coder's own weights are trained and nothing else; labels are not looked at. What lies before the coder does
not change, so the engine runs it, and torch the rest alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import torch
from onnx import ModelProto
from torch import Tensor

from lepton_edge.compress import bottlenecks
from lepton_edge.compress.errors import TooLittleData
from lepton_edge.compress.technique import Materials, Sample, Samples
from lepton_edge.compress.torch.batches import Batch, batches
from lepton_edge.compress.torch.losses import Weighing, answers, of_teacher, relative_square
from lepton_edge.compress.torch.module import OnnxModule
from lepton_edge.compress.torch.recover import LEAST_SAMPLES, batchable
from lepton_edge.compress.torch.training import Loss, Schedule, reproducible, train
from partitioner.onnx_io import runtime

NEARNESS = 1.0
"""Weight of the distance of the decoded tensor, beside that of the answers."""


def train_coder(
    model: ModelProto, without: ModelProto, neck: bottlenecks.Neck, materials: Materials, schedule: Schedule
) -> ModelProto:
    """Return `model` (with a coder at `neck`) with the coder trained to answer as `without` does.

    Raises:
        TooLittleData: there is nothing to train with.
        CompressionRefused: an operator cannot be trained.
        CompressionFailed: the loss was no number any more.
    """
    samples = materials.training if materials.training is not None else materials.calibration
    if len(samples) < LEAST_SAMPLES:
        raise TooLittleData(f"{len(samples)} samples to train with", "give some hundreds")
    crossing = _Crossing(samples, without, neck.tensor)
    names, size = list(answers(without).values()), schedule.batch if batchable(model) else 1
    frozen = {one.name for one in without.graph.initializer}
    with reproducible(materials.seed):
        student = OnnxModule(_tail(model, neck.tensor, [*names, bottlenecks.DECODED]), frozen).eval()
        teacher = OnnxModule(_tail(without, neck.tensor, names)).eval()
        train(
            student,
            lambda epoch: batches(crossing, size, materials.seed, epoch),
            _loss(student, teacher, neck.tensor, names),
            schedule,
            count=len(samples),
            progress=materials.progress,
        )
        trained: ModelProto = student.write_back()
    return _with_weights(model, trained)


def _loss(student: OnnxModule, teacher: OnnxModule, tensor: str, names: list[str]) -> Loss:
    weighing = Weighing(temperature=2.0)

    def loss(batch: Batch) -> Tensor:
        with torch.no_grad():
            theirs = teacher(batch.feeds)
        mine = student(batch.feeds)
        near = relative_square(mine[bottlenecks.DECODED], batch.feeds[tensor])
        each = [of_teacher(mine[name], theirs[name], weighing) for name in names]
        return torch.stack(each).mean() + NEARNESS * near

    return loss


class _Crossing:
    """Samples of what crosses: of each sample the tensor at which the coder is; it keeps `Samples`."""

    def __init__(self, samples: Samples, model: ModelProto, tensor: str) -> None:
        self._samples, self._tensor = samples, tensor
        inputs = [one.name for one in model.graph.input]
        extractor = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(model))
        head = extractor.extract_model([name for name in inputs if name not in _held(model)], [tensor])
        self._session = runtime.open_session(head, runtime.options(None, runtime.FULL))

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        for sample in self._samples:
            made = runtime.run(self._session, sample.feeds)
            yield Sample(made, sample.source, sample.label)


def _held(model: ModelProto) -> set[str]:
    return {one.name for one in model.graph.initializer}


def _tail(model: ModelProto, source: str, wanted: list[str]) -> ModelProto:
    extractor = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(model))
    made: ModelProto = extractor.extract_model([source], wanted)
    return made


def _with_weights(model: ModelProto, trained: ModelProto) -> ModelProto:
    """Return `model` with the coder's weights as they are in `trained`."""
    made = ModelProto()
    made.CopyFrom(model)
    found = {one.name: one for one in trained.graph.initializer}
    for tensor in made.graph.initializer:
        if tensor.name.startswith(f"{bottlenecks.PREFIX}."):
            tensor.CopyFrom(found[tensor.name])
    return made
