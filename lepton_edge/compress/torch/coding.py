"""Training of a bottleneck's coder: what comes out of it, and what the model makes of that, shall be as without it.

Law: the coder's own weights are trained and nothing else; labels are not looked at.
"""

from __future__ import annotations

import torch
from onnx import ModelProto
from torch import Tensor

from lepton_edge.compress import bottlenecks
from lepton_edge.compress.errors import TooLittleData
from lepton_edge.compress.technique import Materials
from lepton_edge.compress.torch.batches import Batch, batches
from lepton_edge.compress.torch.losses import Weighing, answer, of_teacher, relative_square
from lepton_edge.compress.torch.module import OnnxModule
from lepton_edge.compress.torch.recover import LEAST_SAMPLES, batchable
from lepton_edge.compress.torch.training import Schedule, reproducible, train

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
    size = schedule.batch if batchable(model) else 1
    frozen = {one.name for one in without.graph.initializer}
    with reproducible(materials.seed):
        student, teacher = OnnxModule(model, frozen).eval(), OnnxModule(without).eval()
        name, weighing = answer(without), Weighing(temperature=2.0)

        def loss(batch: Batch) -> Tensor:
            with torch.no_grad():
                theirs = teacher(batch.feeds, keep=[name, neck.tensor])
            mine = student(batch.feeds, keep=[name, bottlenecks.DECODED])
            near = relative_square(mine[bottlenecks.DECODED], theirs[neck.tensor])
            return of_teacher(mine[name], theirs[name], weighing) + NEARNESS * near

        train(
            student,
            lambda epoch: batches(samples, size, materials.seed, epoch),
            loss,
            schedule,
            count=len(samples),
            progress=materials.progress,
        )
        made: ModelProto = student.write_back()
    return made
