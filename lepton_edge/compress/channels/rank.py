"""Which channels matter least, from the weights alone.

Law: a number a channel, comparable within its group only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from onnx import ModelProto, numpy_helper

from lepton_edge.compress.channels.ties import MADE, READ, Ids, Ties
from lepton_edge.core.results import Array


def importance(model: ModelProto, ties: Ties) -> dict[int, float]:
    """Return how much each channel carries: how large it is made, times how strongly it is read.

    Where a normalisation follows, its scale says how large a channel is, whatever the weights before it are (Liu et
    al., "Learning Efficient Convolutional Networks through Network Slimming", 2017); else their L2 norm does.
    """
    weights = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    scales = {node.input[1] for node in model.graph.node if node.op_type == "BatchNormalization"}
    made, scaled, read = (
        _strengths(weights, ties, role=MADE),
        _strengths(weights, ties, only=scales),
        _strengths(weights, ties, role=READ),
    )
    every = {one for ids in ties.groups() for one in ids.tolist()}
    return {
        one: float(np.sqrt(scaled.get(one, made.get(one, 0.0)) * read.get(one, 1.0))) for one in sorted(every)
    }


def _strengths(
    weights: Mapping[str, Array], ties: Ties, role: str = "", only: Collection[str] = ()
) -> dict[int, float]:
    """Return the sum of squares over a channel's slices, by channel."""
    sums: dict[int, float] = {}
    for place, ids in ties.places.items():
        if place.role != role and place.initializer not in only:
            continue
        value = weights[place.initializer].astype(np.float64)
        squares = np.square(value).sum(axis=tuple(axis for axis in range(value.ndim) if axis != place.axis))
        for one, square in zip(ties.roots(ids).tolist(), squares.tolist(), strict=True):
            sums[one] = sums.get(one, 0.0) + square
    return sums


def weakest(ties: Ties, scores: Mapping[int, float], ratio: float, multiple: int) -> set[int]:
    """Return what to remove: of each group the least important share `ratio`; a multiple of `multiple` stays."""
    gone: set[int] = set()
    for group in ties.groups():
        gone.update(_of_group(group, scores, ratio, multiple))
    return gone


def _of_group(group: Ids, scores: Mapping[int, float], ratio: float, multiple: int) -> list[int]:
    stays = len(group) * (1 - ratio)
    stays = max(multiple, int(np.ceil(stays / multiple)) * multiple)
    ranked = sorted(group.tolist(), key=lambda one: (scores[one], one))
    return ranked[: max(0, len(group) - stays)]
