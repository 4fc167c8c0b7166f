"""How good an answer is: one number a sample, higher is better.

Law: arithmetic over arrays; it runs no model and reads no file. A metric judges against the label, against the
original's answer, or both; it says which it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto

from lepton_edge.compress.errors import CompressionRefused, UnusableData
from lepton_edge.core.results import Array
from partitioner.manifest import Manifest

Answers = Mapping[str, Array]
Judge = Callable[[Answers, Answers, "Array | None"], float]
"""Told the answers, the original's answers to the same sample, and the label or None; returns higher for better."""


@dataclass(frozen=True)
class Metric:
    """A named judge.

    Attributes:
        name: "top1", "agreement", "cosine", or that of the user's function.
        judge: what returns the number.
        needs_labels: whether it is of no use without.
        own_score: what the original reaches by definition (1 for what compares with it); None where it is measured.
    """

    name: str
    judge: Judge
    needs_labels: bool = False
    own_score: float | None = None


def top1(answers: Answers, reference: Answers, label: Array | None) -> float:
    """Return the share of rows whose largest score is that of the label."""
    wanted = np.asarray(label).reshape(-1)
    found = _best(answers)
    if wanted.size != found.size or wanted.dtype.kind not in "iu":
        raise UnusableData(
            f"a label is {wanted.dtype} of {wanted.size} values, the answer has {found.size} rows",
            "a label is the number of the class, one a sample",
        )
    classes = _rows(answers).shape[1]
    if wanted.size and not 0 <= int(wanted.min()) <= int(wanted.max()) < classes:
        raise UnusableData(
            f"the label {wanted.max() if wanted.min() >= 0 else wanted.min()} is none of {classes} classes",
            f"classes are numbered from 0 to {classes - 1}",
        )
    return float(np.mean(found == wanted))


def agreement(answers: Answers, reference: Answers, label: Array | None) -> float:
    """Return the share of rows whose largest score is where the original has it."""
    return float(np.mean(_best(answers) == _best(reference)))


def cosine(answers: Answers, reference: Answers, label: Array | None) -> float:
    """Return the cosine between the answer and the original's; of several outputs, that of the worst."""
    found = [_cosine(answers[name], wanted) for name, wanted in reference.items() if wanted.dtype.kind == "f"]
    if not found:
        raise CompressionRefused(
            "no output of the model is a float, so there is no cosine", "choose another metric"
        )
    return min(found)


def _cosine(one: Array, other: Array) -> float:
    left, right = one.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    if left.shape != right.shape:
        return 0.0
    lengths = float(np.linalg.norm(left) * np.linalg.norm(right))
    if lengths == 0.0:
        return float(not left.any() and not right.any())
    return float(left @ right) / lengths


def _best(answers: Answers) -> Array:
    """Return where the largest score of each row of the first output is, int64 [rows]."""
    found: Array = np.argmax(_rows(answers), axis=1)
    return found


def _rows(answers: Answers) -> Array:
    """Return the first output as [rows, scores]."""
    first = next(iter(answers.values()))
    if not first.size:
        raise UnusableData(
            f"the answer is empty: {first.shape}", "choose another metric, or mend that sample"
        )
    return first.reshape(first.shape[0] if first.ndim > 1 else 1, -1)


METRICS = {
    "top1": Metric("top1", top1, needs_labels=True),
    "agreement": Metric("agreement", agreement, own_score=1.0),
    "cosine": Metric("cosine", cosine, own_score=1.0),
}


def metric(wanted: str | Judge | Metric) -> Metric:
    """Return the metric called `wanted`, or a user's function as one.

    Raises:
        CompressionRefused: none is called so.
    """
    if isinstance(wanted, Metric):
        return wanted
    if callable(wanted):
        return Metric(str(getattr(wanted, "__name__", "own")), wanted)
    if wanted not in METRICS:
        raise CompressionRefused(
            f"there is no metric {wanted!r}", f"known: {', '.join(METRICS)}, or a function"
        )
    return METRICS[wanted]


def usual(model: ModelProto, manifest: Manifest | None, labelled: bool) -> Metric:
    """Return the metric for who chose none: top-1 with labels, agreement of classifiers, else the cosine."""
    if labelled:
        return METRICS["top1"]
    ranked = manifest is not None and any(one.top_k for one in manifest.outputs)
    first = model.graph.output[0].name
    softmax = any(first in node.output and node.op_type == "Softmax" for node in model.graph.node)
    return METRICS["agreement" if ranked or softmax else "cosine"]
