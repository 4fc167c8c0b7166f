"""How much a model's outputs change when one layer alone loses its smallest weights.

Law: runs the model, changes nothing. One session serves every trial: the weights are inputs of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import ModelProto, helper

from lepton_edge.compress.masks import smallest
from lepton_edge.compress.technique import Progress, Samples, silent
from lepton_edge.core.results import Array
from partitioner.onnx_io import runtime

SHARES = (0.3, 0.5, 0.65, 0.8, 0.9, 0.95)


def tolerances(
    model: ModelProto,
    weights: Mapping[str, Array],
    samples: Samples,
    progress: Progress = silent,
    shares: Sequence[float] = SHARES,
) -> dict[str, list[float]]:
    """Return for each weight the outputs' relative squared error at each of `shares` of its weights set to zero."""
    session = runtime.open_session(_with_inputs(model, weights), runtime.options(None, runtime.BASIC))
    held = [sample.feeds for sample in samples]
    wanted = [runtime.run(session, {**feeds, **weights}) for feeds in held]
    errors: dict[str, list[float]] = {}
    for done, (name, values) in enumerate(weights.items(), 1):
        errors[name] = []
        for share in shares:
            changed = {**weights, name: np.where(smallest(values, share), values.dtype.type(0), values)}
            found = [runtime.run(session, {**feeds, **changed}) for feeds in held]
            errors[name].append(_error(found, wanted))
        progress("how much each layer tolerates", done, len(weights))
    return errors


def _with_inputs(model: ModelProto, weights: Mapping[str, Array]) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(model)
    kept = [one for one in made.graph.initializer if one.name not in weights]
    moved = [one for one in made.graph.initializer if one.name in weights]
    there = {one.name for one in made.graph.input}
    for one in moved:
        if one.name not in there:
            made.graph.input.append(helper.make_tensor_value_info(one.name, one.data_type, one.dims))
    del made.graph.initializer[:]
    made.graph.initializer.extend(kept)
    return made


def _error(found: Sequence[Mapping[str, Array]], wanted: Sequence[Mapping[str, Array]]) -> float:
    lost = total = 0.0
    for mine, original in zip(found, wanted, strict=True):
        for name, values in original.items():
            if values.dtype.kind == "f":
                lost += float(np.sum((mine[name].astype(np.float64) - values) ** 2))
                total += float(np.sum(values.astype(np.float64) ** 2))
    return lost / total if total else 0.0
