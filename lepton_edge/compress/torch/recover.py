"""Training that wins back what compression lost: by labels, by the original's answers, or by both.

Law: one way for fine-tuning, quantization-aware training and distillation; they differ in what they weigh. It reads
the samples that it is handed and no others, and changes no model that it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from onnx import ModelProto, numpy_helper
from torch import Tensor

from lepton_edge.compress.errors import TooLittleData
from lepton_edge.compress.technique import Materials, Samples
from lepton_edge.compress.torch.batches import Batch, batches
from lepton_edge.compress.torch.losses import Weighing, answers, of_attention, of_labels, of_teacher
from lepton_edge.compress.torch.module import OnnxModule
from lepton_edge.compress.torch.training import Schedule, reproducible, train

LEAST_STATISTICS = 16
"""Samples of a batch from which on normalisations learn their statistics from it."""
FEATURES = 4
"""Tensors inside the graph at most that are compared with the teacher's."""
_ENDS = ("Add", "Concat", "Sum", "MaxPool")
LEAST_SAMPLES = 2


@dataclass(frozen=True)
class Recovery:
    """How to train: for how long, and what counts."""

    schedule: Schedule
    weighing: Weighing


def recover(model: ModelProto, materials: Materials, how: Recovery) -> ModelProto:
    """Return `model` trained: with labels where there are any and `how` weighs them, and by the original's answers.

    Raises:
        TooLittleData: there is nothing to train with.
        CompressionRefused: an operator of one of the models cannot be trained.
        CompressionFailed: the loss was no number any more.
    """
    samples: Samples = materials.training if materials.training is not None else materials.calibration
    if len(samples) < LEAST_SAMPLES:
        raise TooLittleData(f"{len(samples)} samples to train with", "give some hundreds")
    weighing = how.weighing if materials.training is not None else replace(how.weighing, labels=0.0)
    schedule = how.schedule if batchable(model) else replace(how.schedule, batch=1)
    with reproducible(materials.seed):
        student = OnnxModule(model).train(schedule.batch >= LEAST_STATISTICS)
        loss = _Comparison(student, materials.original, model, weighing)
        train(
            student,
            lambda epoch: batches(samples, schedule.batch, materials.seed, epoch),
            loss,
            schedule,
            count=len(samples),
            progress=materials.progress,
        )
        made: ModelProto = student.write_back()
    return made


class _Comparison:
    """A loss: the student's answers against labels and against the original's, as they are weighed.

    Labels are those of the first output; every output is compared with the original's, all alike.
    """

    def __init__(
        self, student: OnnxModule, original: ModelProto, model: ModelProto, weighing: Weighing
    ) -> None:
        self._student, self._weighing = student, weighing
        self._teacher = OnnxModule(original).eval() if weighing.labels < 1 or weighing.features else None
        mine, theirs = answers(model), answers(original)
        self._answers = {mine[name]: theirs[name] for name in mine if name in theirs}
        self._labelled = next(iter(mine.values()))
        self._features = shared_features(model, original) if weighing.features else []

    def __call__(self, batch: Batch) -> Tensor:
        mine = self._student(batch.feeds, keep=[self._labelled, *self._answers, *self._features])
        share = self._weighing.labels if batch.labels is not None else 0.0
        loss = torch.zeros(())
        if share and batch.labels is not None:
            loss = loss + share * of_labels(mine[self._labelled], batch.labels, self._weighing.focal)
        if self._teacher is not None and share < 1:
            with torch.no_grad():
                theirs = self._teacher(batch.feeds, keep=[*self._answers.values(), *self._features])
            loss = loss + (1 - share) * self._of_teacher(mine, theirs)
            for name in self._features:
                loss = loss + self._weighing.features * of_attention(mine[name], theirs[name])
        return loss

    def _of_teacher(self, mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Tensor:
        each = [of_teacher(mine[one], theirs[other], self._weighing) for one, other in self._answers.items()]
        return torch.stack(each).mean()


def shared_features(model: ModelProto, original: ModelProto) -> list[str]:
    """Return up to `FEATURES` tensors, spread over the depth, where blocks of both graphs end under one name."""
    theirs = set(_block_ends(original))
    both = [name for name in _block_ends(model) if name in theirs]
    if len(both) <= FEATURES:
        return both
    return [both[(index + 1) * len(both) // FEATURES - 1] for index in range(FEATURES)]


def _block_ends(model: ModelProto) -> Sequence[str]:
    held = {one.name for one in model.graph.initializer}
    return [
        node.output[0]
        for node in model.graph.node
        if node.op_type in _ENDS and not any(name in held for name in node.input)
    ]


def batchable(model: ModelProto) -> bool:
    """Return whether the graph takes batches: no Reshape in it fixes the first axis to a number."""
    shapes = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Reshape" and node.input[1] in shapes:
            shape = numpy_helper.to_array(shapes[node.input[1]]).reshape(-1)
            if shape.size and shape[0] > 0:
                return False
    return True
