"""What training makes small: the distance to labels, to a teacher's answers, to a teacher's features.

Law: pure functions of tensors; each returns a scalar, mean over the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from onnx import ModelProto, NodeProto, TensorProto
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

_FLOATS = (TensorProto.FLOAT, TensorProto.UNDEFINED)
_PASSES = ("Softmax", "LogSoftmax", "Identity")


@dataclass(frozen=True)
class Weighing:
    """How the terms of a distillation are weighed.

    Attributes:
        temperature: divides teacher's and student's logits before they are compared.
        labels: share of the labels' term, 0 to 1; the rest is the teacher's. Without labels it counts as 0.
        focal: exponent by which samples that are answered well already weigh less; 0 weighs all alike.
        features: weight of the distance between features, beside the other two.
    """

    temperature: float = 4.0
    labels: float = 0.3
    focal: float = 0.0
    features: float = 0.0


def answers(model: ModelProto) -> dict[str, str]:
    """Return for each float output the tensor that is compared: itself, or what went into the softmax that makes it.

    Whole numbers (the best class, say) have no gradient and are left out; of a model that answers nothing else, the
    first output is what remains.
    """
    makers = {output: node for node in model.graph.node for output in node.output}
    floats = [one.name for one in model.graph.output if one.type.tensor_type.elem_type in _FLOATS]
    return {name: _before_softmax(name, makers) for name in floats or [model.graph.output[0].name]}


def _before_softmax(name: str, makers: Mapping[str, NodeProto]) -> str:
    while name in makers and makers[name].op_type in _PASSES:
        name = makers[name].input[0]
    return name


def of_labels(logits: Tensor, labels: Tensor, focal: float = 0.0) -> Tensor:
    """Return the cross-entropy of `logits` [n, classes] with `labels` int64 [n], each weighed by (1 - p) ** focal.

    Source of the weighing: Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """
    each = F.cross_entropy(logits.flatten(1), labels, reduction="none")
    return (each * (1 - torch.exp(-each)).clamp(min=0) ** focal).mean() if focal else each.mean()


def of_teacher(logits: Tensor, teacher: Tensor, weighing: Weighing) -> Tensor:
    """Return how far `logits` are from the teacher's: classes by Kullback-Leibler at a temperature, else by distance.

    Source: Hinton et al., "Distilling the Knowledge in a Neural Network", 2015. Answers that are no classes
    (more axes than two, or fewer than two columns) are compared by their mean square, relative to the teacher's.
    """
    if logits.dim() != 2 or logits.shape[1] < 2:
        return relative_square(logits, teacher)
    heat = weighing.temperature
    each = F.kl_div(
        F.log_softmax(logits / heat, -1), F.log_softmax(teacher / heat, -1), reduction="none", log_target=True
    ).sum(-1)
    if weighing.focal:
        right = (F.softmax(logits, -1) * F.softmax(teacher, -1)).sum(-1)
        each = each * (1 - right).clamp(min=0) ** weighing.focal
    return each.mean() * heat * heat


def relative_square(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean square of the difference, relative to the mean square of `other`."""
    return F.mse_loss(one, other) / other.square().mean().clamp(min=1e-12)


def of_attention(mine: Tensor, theirs: Tensor) -> Tensor:
    """Return how differently two feature maps look at the picture, whatever their numbers of channels are.

    Compared are the mean squares over the channels, each brought to length 1. Source: Zagoruyko and Komodakis, "Paying
    More Attention to Attention", 2017. Tensors of less than three axes are compared as they are, if they can be.
    """
    if mine.dim() < 3:
        return relative_square(mine, theirs) if mine.shape == theirs.shape else mine.new_zeros(())
    one, other = (F.normalize(x.square().mean(1).flatten(1), dim=1) for x in (mine, theirs))
    return (one - other).square().sum(1).mean() if one.shape == other.shape else mine.new_zeros(())
