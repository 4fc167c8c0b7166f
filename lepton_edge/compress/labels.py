"""Labels to train with: numbers of classes that the model has, before anything is trained.

Law: arithmetic over what a collection says of its labels; no sample is read and no model run.
"""

from __future__ import annotations

import math

from onnx import ModelProto

from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.samples import Chosen


def check(training: Chosen, model: ModelProto) -> None:
    """Return where every label of `training` is a class of `model`, or where that cannot be told.

    Raises:
        UnusableData: a label is none.
    """
    found, classes = training.collection.label_range(), _classes(model)
    if found is None or not classes or (found[0] >= 0 and found[1] < classes):
        return
    wrong = found[0] if found[0] < 0 else found[1]
    raise UnusableData(
        f"the label {wrong} of the training data is none of {classes} classes",
        f"classes are numbered from 0 to {classes - 1}",
    )


def _classes(model: ModelProto) -> int:
    """Return how many scores the first output has in a row; 0 where that is known only when it runs."""
    dims = model.graph.output[0].type.tensor_type.shape.dim
    rest = [one.dim_value for one in (dims[1:] if len(dims) > 1 else dims)]
    return math.prod(rest) if rest and all(rest) else 0
