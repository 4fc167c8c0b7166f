"""A file that somebody pushed, checked and brought into one plain form.

Law: after `load` the rest of the room may trust: the graph is valid, every operator has an implementation,
node names are unique, every dynamic dimension of an input has a name, constants are initializers, and large
initializers lie in one file. Nothing here changes what the model computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import (
    GraphProto,
    ModelProto,
    TensorProto,
    helper,
    numpy_helper,
    version_converter,
)

from partitioner.compiled import READ_IR
from partitioner.errors import InvalidModel, ModelError, UnsupportedOperator
from partitioner.onnx_io import blob, domains, infer, opsets, runtime, scope
from partitioner.onnx_io.hoist import constant, hoist, replace_nodes

SOURCE_FILE = "source.bin"
MAX_GRAPH_BYTES = (1 << 31) - 1  # protobuf's own limit; more weights than that must be external data
MIN_IR_VERSION = (
    8  # initializers that are not inputs (4), local functions (8); every engine we support reads it
)

NEWEST_READ_TYPE = TensorProto.FLOAT4E2M1
"""Of the format READ_IR: what came later has larger numbers."""
_NAMES_OF_TYPES = ("to", "dtype", "output_dtype")


@dataclass(frozen=True)
class Loaded:
    """A model in plain form, and the files it came from (the graph first, then external data by name)."""

    model: ModelProto
    files: tuple[Path, ...]


def load(source: Path, into: Path, called: str = "") -> Loaded:
    """Read, check and normalise the model at `source`; its large initializers go to `into`/source.bin.

    `called` is what messages call the file, its own name without it.
    Raises InvalidModel (not an ONNX model, broken, too large for one file) or UnsupportedOperator.
    """
    called = called or source.name
    _check(source, called)
    model = _parse(source, called)
    domains.check_domains(model)
    _check_ends(model.graph)
    files = blob.external_files(scope.all_initializers(model.graph), source.parent)
    normalise(model)
    with blob.BlobWriter(into / SOURCE_FILE) as writer:
        blob.spill(scope.all_initializers(model.graph), source.parent, writer, SOURCE_FILE)
    runtime.open_session(model, runtime.options(into, runtime.OFF))
    return Loaded(model, (source, *files))


def normalise(model: ModelProto) -> None:
    """Bring `model` into the room's plain form, in place."""
    model.ir_version = max(model.ir_version, MIN_IR_VERSION)
    if model.ir_version > READ_IR and not _has_newer_types(model):
        model.ir_version = READ_IR
    _constants_to_initializers(model.graph)
    _initializers_are_no_inputs(model.graph)
    _name_dynamic_dimensions(model.graph)
    name_nodes(model.graph)
    hoist(model.graph)


def raise_opset(model: ModelProto, least: int) -> ModelProto:
    """Return `model` in opset `least` of the standard domain, or itself when it is there.

    Raises InvalidModel when it cannot be converted. Large initializers hide from the converter as inputs,
    because it would drop their external data.
    """
    if opset(model) >= least:
        return model
    slim, hidden = _without_large(model)
    try:
        raised = version_converter.convert_version(slim, least)
    except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
        hint = f"export it with opset {least} or later, or push it without picture inputs and top-k outputs"
        raise InvalidModel(
            f"the model (opset {opset(model)}) cannot be raised to opset {least}: {error}", hint
        ) from error
    _put_back(raised.graph, hidden)
    normalise(raised)
    return raised


def lower_opset(model: ModelProto, most: int) -> ModelProto:
    """Return `model` in opset `most` of the standard domain, or itself when it needs no newer one.

    Raises InvalidModel when an operator cannot be had in it. Large initializers hide as for `raise_opset`.
    """
    if opset(model) <= most:
        return model
    slim, hidden = _without_large(model)
    lowered = opsets.convert(slim, most)
    _put_back(lowered.graph, hidden)
    normalise(lowered)
    return lowered


def _has_newer_types(model: ModelProto) -> bool:
    """Return whether a weight, an end or a cast has an element type that the format READ_IR lacks."""
    for graph in scope.all_graphs(model.graph):
        kinds = [one.data_type for one in graph.initializer]
        kinds += [one.type.tensor_type.elem_type for one in (*graph.input, *graph.output, *graph.value_info)]
        kinds += [one.i for node in graph.node for one in node.attribute if one.name in _NAMES_OF_TYPES]
        if max(kinds, default=0) > NEWEST_READ_TYPE:
            return True
    return False


def opset(model: ModelProto) -> int:
    """Return the version of the standard operator set that `model` imports (0 when it imports none)."""
    return max((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=0)


def name_nodes(graph: GraphProto) -> None:
    """Give every node of `graph` a name of its own, keeping the names that are there."""
    taken: set[str] = set()
    for index, node in enumerate(graph.node):
        base = node.name or f"{node.op_type}_{index}"
        name, count = base, 1
        while name in taken:
            name, count = f"{base}_{count}", count + 1
        node.name = name
        taken.add(name)


def _check(source: Path, called: str) -> None:
    """Let the C++ checker read the file first: it survives anything, and names an unknown operator."""
    try:
        _check_size(source.stat().st_size, called)
        onnx.checker.check_model(str(source))
    except OSError as error:
        raise InvalidModel(f"{called} cannot be read: {error.strerror or error}", "check the path") from error
    except onnx.checker.ValidationError as error:
        raise _invalid(error, called) from error


def _check_size(size: int, called: str) -> None:
    if not size:
        raise InvalidModel(f"{called} is empty", "give the .onnx file that the export wrote")
    if size > MAX_GRAPH_BYTES:
        raise InvalidModel(f"{called} has over {MAX_GRAPH_BYTES} bytes", "store weights as external data")


def _invalid(error: onnx.checker.ValidationError, called: str) -> ModelError:
    refused = runtime.refusal(str(error))
    if isinstance(refused, UnsupportedOperator):
        return refused
    if any(words in str(error) for words in _NOT_ONNX):
        return InvalidModel(f"{called} is not an ONNX file, or not a whole one", _EXPORT_HINT)
    return InvalidModel(f"{called} is no valid ONNX model: {_first_line(error)}", _EXPORT_HINT)


def _parse(source: Path, called: str) -> ModelProto:
    model = onnx.load(str(source), load_external_data=False)
    if not model.graph.node or not model.graph.output:
        raise InvalidModel(f"the graph of {called} is empty", _EXPORT_HINT)
    return model


def _check_ends(graph: GraphProto) -> None:
    """Refuse inputs that no caller could give, and outputs that nothing computes."""
    weights = {one.name for one in graph.initializer}
    inputs = {one.name: one.type for one in graph.input if one.name not in weights}
    for name, kind in inputs.items():
        if not infer.is_dense(kind):
            raise InvalidModel(
                f"input `{name}` is no dense tensor of numbers", "only such inputs can be given"
            )
        if not kind.tensor_type.HasField("shape"):
            raise InvalidModel(
                f"input `{name}` declares no shape", "declare its rank; dimensions may be dynamic"
            )
    for output in graph.output:
        if output.type.WhichOneof("value") and not infer.is_dense(output.type):
            raise InvalidModel(
                f"output `{output.name}` is no dense tensor of numbers",
                "drop it, or give its tensors one by one",
            )
        if output.name in inputs:
            raise InvalidModel(
                f"output `{output.name}` is an input: nothing computes it", "drop it from the outputs"
            )


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip() if lines else type(error).__name__


def _initializers_are_no_inputs(graph: GraphProto) -> None:
    """Drop inputs that have a default: here a weight is a weight, and nobody overrides it by request."""
    weights = {one.name for one in graph.initializer}
    kept = [one for one in graph.input if one.name not in weights]
    del graph.input[:]
    graph.input.extend(kept)


def _name_dynamic_dimensions(graph: GraphProto) -> None:
    for one in graph.input:
        for axis, dim in enumerate(one.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value") and not dim.dim_param:
                dim.dim_param = f"{one.name}@{axis}"


def _constants_to_initializers(graph: GraphProto) -> None:
    kept = []
    for node in graph.node:
        tensor = constant(node) if node.op_type == "Constant" and not node.domain else None
        if tensor is None:
            kept.append(node)
        else:
            graph.initializer.append(tensor)
    if len(kept) < len(graph.node):
        replace_nodes(graph, kept)


def _without_large(model: ModelProto) -> tuple[ModelProto, list[TensorProto]]:
    slim = ModelProto()
    slim.CopyFrom(model)
    hidden = [one for one in model.graph.initializer if blob.is_external(one)]
    names = {one.name for one in hidden}
    kept = [one for one in model.graph.initializer if one.name not in names]
    del slim.graph.initializer[:]
    slim.graph.initializer.extend(kept)
    for one in hidden:
        slim.graph.input.append(helper.make_tensor_value_info(one.name, one.data_type, one.dims))
    return slim, hidden


def _put_back(graph: GraphProto, hidden: Sequence[TensorProto]) -> None:
    names = {one.name for one in hidden}
    kept = [one for one in graph.input if one.name not in names]
    del graph.input[:]
    graph.input.extend(kept)
    graph.initializer.extend(hidden)


def constant_value(tensor: TensorProto, folder: Path) -> Any:
    """Return the numpy array of an initializer, wherever its bytes lie."""
    inside = TensorProto()
    inside.CopyFrom(tensor)
    if blob.is_external(inside):
        blob.take_in(inside, folder)
    return numpy_helper.to_array(inside)


_EXPORT_HINT = "export the model to ONNX again, and check it with onnx.checker"
_NOT_ONNX = ("Unable to parse proto", "does not have an ir_version")  # the checker's words for a foreign file
