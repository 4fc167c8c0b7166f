"""A graph without some of its channels.

Law: slices weights and the counts that nodes hold of them; it decides nothing. The graph it is given is not changed.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from onnx import ModelProto, numpy_helper

from lepton_edge.compress.channels.ties import Ties
from lepton_edge.core.results import Array


def without(model: ModelProto, ties: Ties, gone: Collection[int]) -> ModelProto:
    """Return `model` without the channels `gone` (roots of `ties`, none of them held)."""
    made = ModelProto()
    made.CopyFrom(model)
    cut: dict[str, Array] = {}
    weights = {one.name: one for one in made.graph.initializer}
    places = {(place.initializer, place.axis): ids for place, ids in ties.places.items()}
    for (name, axis), ids in places.items():
        stays = ~np.isin(ties.roots(ids), list(gone))
        if not stays.all():
            before = cut[name] if name in cut else numpy_helper.to_array(weights[name])
            cut[name] = np.compress(stays, before, axis=axis)
    for name, value in cut.items():
        weights[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), name))
    _recount(made, cut)
    del made.graph.value_info[:]  # the shapes written there are of before
    return made


def _recount(model: ModelProto, cut: dict[str, Array]) -> None:
    """Correct the number of groups of depthwise convolutions that were cut."""
    for node in model.graph.node:
        if node.op_type in ("Conv", "ConvTranspose") and node.input[1] in cut:
            for attribute in node.attribute:
                if attribute.name == "group" and attribute.i > 1:
                    attribute.i = cut[node.input[1]].shape[0]
