"""Optimisation that is right on every device: constants and BatchNorm folded, dead nodes removed.

Law: what comes out uses no operator domain that did not go in, and answers as the model did before, or it is
not used at all. Device-dependent rewriting (layouts, fused kernels) is each device's own business, after the
cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto, helper

from partitioner.errors import ModelError
from partitioner.onnx_io import blob, load, runtime, scope
from partitioner.onnx_io.hoist import replace_nodes

Array = npt.NDArray[np.generic]

OPTIMISED_FILE = "optimised.onnx"
OPTIMISED_WEIGHTS = "optimised.bin"
TOLERANCE = 1e-5  # of the largest value of an output
GROWTH = 1.1  # of the weights: folding more (a tied table transposed) costs more to send than to compute


def optimise(model: ModelProto, folder: Path, feeds: Mapping[str, Array]) -> ModelProto:
    """Return a simpler graph that computes what `model` does, or `model` itself where none was found.

    `folder` holds the external data of `model` and receives that of the result. `feeds` is the input on which
    the answers must agree.
    """
    try:
        simpler = _rewrite(model, folder)
        if _weight(simpler, folder) > GROWTH * _weight(model, folder):
            simpler = _rewrite(model, folder, ("ConstantFolding",))
        same = agree(answers(model, folder, feeds), answers(simpler, folder, feeds), TOLERANCE)
    except ModelError:
        return model
    return simpler if same and _domains(simpler) <= _domains(model) and _has_schemas(simpler) else model


def _has_schemas(model: ModelProto) -> bool:
    """Return whether ONNX itself knows every standard operator of `model` (the engine knows some more)."""
    version = load.opset(model)
    names = {node.op_type for one in scope.all_graphs(model.graph) for node in one.node if not node.domain}
    return all(onnx.defs.has(name, version, "") for name in names)


def answers(model: ModelProto, folder: Path, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Run `model` with optimisation off and return its outputs by name."""
    session = runtime.open_session(model, runtime.options(folder, runtime.OFF))
    return runtime.run(session, feeds)


def agree(wanted: Mapping[str, Array], found: Mapping[str, Array], tolerance: float) -> bool:
    """Return whether every output differs by at most `tolerance` of its largest value."""
    return wanted.keys() == found.keys() and all(
        difference(wanted[name], found[name]) <= tolerance for name in wanted
    )


def difference(wanted: Array, found: Array) -> float:
    """Return max|wanted - found| / max|wanted|; infinite when shapes, dtypes or the places of NaN differ.

    What is no array (a sequence) or no number differs by 0 or infinitely.
    """
    if not (isinstance(wanted, np.ndarray) and isinstance(found, np.ndarray)):
        return 0.0 if _equal(wanted, found) else np.inf
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        return np.inf
    if wanted.dtype.kind not in "fiub" or wanted.size == 0:
        return 0.0 if np.array_equal(wanted, found) else np.inf
    one, other = wanted.astype(np.float64), found.astype(np.float64)
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return np.inf
    largest = float(np.abs(one[finite]).max(initial=0.0))
    apart = float(np.abs(one[finite] - other[finite]).max(initial=0.0))
    return apart / largest if largest else (0.0 if apart == 0 else np.inf)


def _equal(wanted: object, found: object) -> bool:
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_equal, wanted, found))
    if isinstance(wanted, np.ndarray) and isinstance(found, np.ndarray):
        return difference(wanted, found) == 0
    return bool(wanted == found)


def _weight(model: ModelProto, folder: Path) -> int:
    numbers = (one for one in model.graph.initializer if one.data_type != TensorProto.STRING)
    return sum(blob.content_size(one, folder) for one in numbers)


def _rewrite(model: ModelProto, folder: Path, disabled: Sequence[str] = ()) -> ModelProto:
    chosen = runtime.options(folder, runtime.BASIC)
    path = folder / OPTIMISED_FILE
    chosen.optimized_model_filepath = str(path)
    entries = {"file_name": OPTIMISED_WEIGHTS, "min_size_in_bytes": str(blob.MIN_EXTERNAL)}
    for key, value in entries.items():
        chosen.add_session_config_entry(f"session.optimized_model_external_initializers_{key}", value)
    runtime.open_session(model, chosen, disabled)
    simpler = onnx.load(str(path), load_external_data=False)
    _outputs_are_made(simpler)
    _tidy(simpler)
    return simpler


def _outputs_are_made(model: ModelProto) -> None:
    """Give an output that folded to a constant a node that makes it."""
    outputs = {one.name for one in model.graph.output}
    for tensor in model.graph.initializer:
        if tensor.name in outputs:
            name, tensor.name = tensor.name, f"{tensor.name}@constant"
            for node in model.graph.node:  # it may be read as well; bodies capture the output itself
                node.input[:] = [tensor.name if one == name else one for one in node.input]
            made = helper.make_node("Identity", [tensor.name], [name])
            replace_nodes(model.graph, [made, *model.graph.node])


def _tidy(model: ModelProto) -> None:
    """Make the engine's file deterministic and ours: known producer, used domains, sorted initializers."""
    used = _domains(model)
    imports = sorted((one.domain, one.version) for one in model.opset_import if one.domain in used)
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in imports)
    tensors = sorted(model.graph.initializer, key=lambda one: one.name)
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensors)
    load.normalise(model)


def _domains(model: ModelProto) -> set[str]:
    found = {
        "" if node.domain == "ai.onnx" else node.domain
        for one in scope.all_graphs(model.graph)
        for node in one.node
    }
    found |= {"" if node.domain == "ai.onnx" else node.domain for one in model.functions for node in one.node}
    return found
