"""What the inputs and outputs of a converted model are called: plain words, as whoever made it knows them.

Law: names only; nothing that is computed changes. A name that is taken already stays as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from onnx import ModelProto

from partitioner.onnx_io import scope

OUTPUT = "output"
_DECORATION = re.compile(r"^serving_default_|:\d+$")
_NAMELESS = re.compile(r"(Stateful)?PartitionedCall(_\d+)?|Identity(_\d+)?")
"""What TensorFlow calls an output that nobody gave a name."""


def plain(model: ModelProto) -> ModelProto:
    """Rename the ends of `model`, which TensorFlow wrote, in place: "picture" for "serving_default_picture:0"."""
    inputs = {one.name: _DECORATION.sub("", one.name) for one in model.graph.input}
    outputs = {one.name: _DECORATION.sub("", one.name) for one in model.graph.output}
    many = len(outputs) > 1
    for index, (name, told) in enumerate(outputs.items()):
        if _NAMELESS.fullmatch(told):
            outputs[name] = f"{OUTPUT}_{index}" if many else OUTPUT
    _rename(model, {**inputs, **outputs})
    return model


def _rename(model: ModelProto, names: Mapping[str, str]) -> None:
    taken = {name for graph in scope.all_graphs(model.graph) for name in scope.defined(graph)}
    wanted = list(names.values())
    chosen = {old: new for old, new in names.items() if new and new not in taken and wanted.count(new) == 1}
    for graph in scope.all_graphs(model.graph):
        for one in (*graph.input, *graph.output, *graph.value_info):
            one.name = chosen.get(one.name, one.name)
        for node in graph.node:
            node.input[:] = [chosen.get(name, name) for name in node.input]
            node.output[:] = [chosen.get(name, name) for name in node.output]


def of_answer(answer: Any, taken: Sequence[str]) -> list[str] | None:
    """Return what to call the outputs of a torch module that answers `answer`; None where that cannot be told.

    The keys of a dict, the fields of a named tuple, "output" for one tensor, "output_0" and so on for several.
    """
    if hasattr(answer, "dtype"):
        names = [OUTPUT]
    elif isinstance(answer, Mapping):
        names = [str(name) for name in answer]
        answer = list(answer.values())
    elif isinstance(answer, (tuple, list)):
        names = list(getattr(answer, "_fields", [f"{OUTPUT}_{index}" for index in range(len(answer))]))
    else:
        return None
    tensors = names == [OUTPUT] or all(hasattr(one, "dtype") for one in answer)
    return names if tensors and not set(names) & set(taken) else None
