"""A model in another version of the standard operators.

Law: by onnx's converter; where that lacks a step down, by the number alone, if every operator's older definition reads
the same: the versions then differ in the types they allow. Whoever calls compares the answers.
"""

from __future__ import annotations

import onnx
from onnx import ModelProto, NodeProto, version_converter

from partitioner.errors import InvalidModel
from partitioner.onnx_io import scope

STANDARD = ("", "ai.onnx")


def convert(model: ModelProto, to: int) -> ModelProto:
    """Return `model` in version `to` of the standard operators.

    Raises:
        InvalidModel: an operator cannot be had in it; names it.
    """
    try:
        made: ModelProto = version_converter.convert_version(model, to)
    except (RuntimeError, ValueError) as error:  # what onnx raises where it has no adapter
        has = max((one.version for one in model.opset_import if one.domain in STANDARD), default=0)
        for graph in scope.all_graphs(model.graph):
            for node in graph.node:
                if to > has or not _reads_alike(node, has, to):
                    raise InvalidModel(
                        f"{node.op_type} {node.name!r} cannot be had in opset {to}",
                        "export the model with it",
                    ) from error
        return _renumbered(model, to)
    return made


def _reads_alike(node: NodeProto, has: int, to: int) -> bool:
    if node.domain not in STANDARD:
        return True
    try:
        new, old = (onnx.defs.get_schema(node.op_type, version, "") for version in (has, to))
    except onnx.defs.SchemaError:
        return False
    if new.since_version == old.since_version:
        return True
    return _formal(new) == _formal(old) and all(
        _default(new, one) == _default(old, one) for one in new.attributes
    )


def _formal(schema: onnx.defs.OpSchema) -> tuple[list[str], list[str], set[str]]:
    return ([one.name for one in schema.inputs], [one.name for one in schema.outputs], set(schema.attributes))


def _default(schema: onnx.defs.OpSchema, name: str) -> bytes:
    told: bytes = schema.attributes[name].default_value.SerializeToString()
    return told


def _renumbered(model: ModelProto, to: int) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(model)
    for one in made.opset_import:
        if one.domain in STANDARD:
            one.version = to
    return made
