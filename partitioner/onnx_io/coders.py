"""Trained codecs as they are pushed: a folder of two graphs and what is said of them; checked, and kept with the model.

Law: understands the files and holds them against the compiled model; what a codec loses is measured elsewhere. Nothing
in the folder is believed but what running the graphs shows: shapes and dtypes are found by running them.

    bottleneck.json   {"format": 1, "name", "tensor", "parent": sha256 of the model's file, "measured": {...}, ...}
    encoder.onnx      one input, float32, the tensor; one output, uint8, the code; weights included
    decoder.onnx      back
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import zstandard
from onnx import ModelProto, TensorProto

from partitioner.codecs import LEAST_PACKED, TRAINED
from partitioner.compiled import CompiledModel
from partitioner.errors import InvalidModel
from partitioner.graph import CostGraph, CostTensor
from partitioner.onnx_io import runtime
from partitioner.plan import Coder, TensorSpec
from partitioner.units import Bytes, CodecName, ModelVersion, Sha256, TensorName

DESCRIPTION, ENCODER, DECODER = "bottleneck.json", "encoder.onnx", "decoder.onnx"
FILES = (DESCRIPTION, ENCODER, DECODER)
FOLDER = "coders"
FORMAT = 1
ZSTD_LEVEL = 1  # as on the wire
MOST_BYTES = 32 << 20
"""Of one graph: a coder is small, or it is no use."""
MOST_CODERS = 16
MOST_NAME = 64

Side = Literal["encoder", "decoder"]


@dataclasses.dataclass(frozen=True)
class Description:
    """What a folder says of itself: its name, the tensor that it codes, and the model that it was trained for."""

    name: str
    tensor: TensorName
    parent: Sha256


def coder_file(directory: Path, name: Sha256) -> Path:
    """Return where a compiled model keeps the graph `name` of a trained codec."""
    return directory / FOLDER / f"{name}.onnx"


def add_coders(
    compiled: CompiledModel, directory: Path, folders: Mapping[str, Mapping[str, bytes]], parent: Sha256
) -> CompiledModel:
    """Return the model with the trained codecs of `folders` (files by name, by folder), their graphs kept beside it.

    `parent` is the sha256 of the model's file. The version tells models with other codecs apart.

    Raises:
        InvalidModel: a folder is no trained codec of this model; says which, and why.
    """
    if len(folders) > MOST_CODERS:
        raise InvalidModel(f"{len(folders)} bottlenecks, and {MOST_CODERS} at most are taken", "push fewer")
    found = []
    for called, files in sorted(folders.items()):
        found.append(_coder(called, files, parent, compiled.graph))
        for graph in (files[ENCODER], files[DECODER]):
            path = coder_file(directory, _digest(graph))
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(graph)
    if not found:
        return compiled
    said = "".join(one.codec + one.encoder + one.decoder for one in found)
    version = hashlib.sha256(f"{compiled.version}{said}".encode()).hexdigest()[: len(compiled.version)]
    return dataclasses.replace(compiled, version=ModelVersion(version), coders=tuple(found))


def _coder(called: str, files: Mapping[str, bytes], parent: Sha256, graph: CostGraph) -> Coder:
    missing = [name for name in FILES if name not in files]
    if missing:
        raise InvalidModel(
            f"bottleneck {called} lacks {', '.join(missing)}", "give the folder as it was made"
        )
    said = _description(called, files[DESCRIPTION])
    if said.parent != parent:
        raise InvalidModel(
            f"bottleneck {said.name} was made for another model than the one pushed",
            "make it for this file: lepton-edge compress MODEL --bottleneck auto",
        )
    tensor = _tensor(said, graph)
    encoder, decoder = files[ENCODER], files[DECODER]
    code = _proven(said, tensor, _opened(said, "encoder", encoder), _opened(said, "decoder", decoder))
    name = f"{TRAINED}{said.name}-{hashlib.sha256(encoder + decoder).hexdigest()[:8]}"
    spec = TensorSpec(tensor.name, tensor.dtype, tensor.shape, tensor.size)
    return Coder(CodecName(name), spec, code, _digest(encoder), _digest(decoder))


def _description(called: str, content: bytes) -> Description:
    try:
        said = json.loads(content)
        made = Description(str(said["name"]), TensorName(str(said["tensor"])), Sha256(str(said["parent"])))
        known = int(said["format"]) == FORMAT
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidModel(f"{called}/{DESCRIPTION} is no description of a bottleneck: {error}") from error
    if not known or not re.fullmatch(rf"[A-Za-z0-9._-]{{1,{MOST_NAME}}}", made.name):
        raise InvalidModel(f"{called}/{DESCRIPTION} has another format, or no plain name", "make it again")
    return made


def _tensor(said: Description, graph: CostGraph) -> CostTensor:
    found = next((one for one in graph.tensors if one.name == said.tensor and one.consumers), None)
    if found is None:
        raise InvalidModel(
            f"bottleneck {said.name} codes {said.tensor!r}, which crosses at no cut of the compiled model",
            "take a tensor behind an activation or an addition",
        )
    if found.dtype != "float32" or not all(isinstance(dim, int) for dim in found.shape[1:]):
        raise InvalidModel(
            f"{said.tensor!r} is {found.dtype} {list(found.shape)}: a coder takes float32 of one size"
        )
    return found


def _opened(said: Description, side: Side, content: bytes) -> Any:
    """Return a session of a graph that is whole, small and plain.

    Raises InvalidModel, UnsupportedOperator.
    """
    what = f"the {side} of bottleneck {said.name}"
    if len(content) > MOST_BYTES:
        raise InvalidModel(
            f"{what} has {len(content) / 1e6:.0f} MB, and {MOST_BYTES >> 20} at most are taken"
        )
    try:
        onnx.checker.check_model(content)  # bytes that are none it refuses too
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise InvalidModel(f"{what} is no ONNX model: {str(error)[:200]}") from error
    model = onnx.load_from_string(content)
    _check_plain(what, model)
    return runtime.open_session(model, runtime.options(None, runtime.FULL))


def _check_plain(what: str, model: ModelProto) -> None:
    held = {one.name for one in model.graph.initializer}
    doors = ([one for one in model.graph.input if one.name not in held], model.graph.output)
    if any(len(side) != 1 for side in doors):
        raise InvalidModel(f"{what} has more than one input or output", "it takes one tensor and makes one")
    if any(one.data_location == TensorProto.EXTERNAL for one in model.graph.initializer):
        raise InvalidModel(f"{what} has weights in another file", "keep them in the graph")


def _proven(said: Description, tensor: CostTensor, encoder: Any, decoder: Any) -> TensorSpec:
    """Return what the code looks like, having run both graphs; with two rows where the tensor may have several."""
    rows = tensor.shape[0] if tensor.shape and isinstance(tensor.shape[0], int) else 2
    given = np.zeros((rows, *(int(dim) for dim in tensor.shape[1:])), np.float32)
    code = _run(encoder, given)
    again = _run(decoder, code)
    whole = code.ndim >= 1 and code.shape[0] == rows and code.dtype == np.uint8
    if not whole or again.shape != given.shape or again.dtype != np.float32:
        raise InvalidModel(
            f"bottleneck {said.name} makes {code.dtype} {list(code.shape)} of float32 {list(given.shape)}, "
            f"and {again.dtype} {list(again.shape)} of that",
            "an encoder makes uint8 with a row for each row, and the decoder the tensor again",
        )
    row = int(np.prod(code.shape[1:], dtype=np.int64))
    size = Bytes(row * (rows if tensor.shape and isinstance(tensor.shape[0], int) else 1))
    return TensorSpec(TensorName(f"{tensor.name}@code"), "uint8", (tensor.shape[0], *code.shape[1:]), size)


def _run(session: Any, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    made: np.ndarray[Any, Any] = next(
        iter(runtime.run(session, {session.get_inputs()[0].name: array}).values())
    )
    return made


def file_digest(path: Path) -> Sha256:
    """Return the sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return Sha256(digest.hexdigest())


def _digest(content: bytes) -> Sha256:
    return Sha256(hashlib.sha256(content).hexdigest())


def _wire_bytes(code: bytes) -> int:
    if len(code) < LEAST_PACKED:
        return len(code)
    return len(zstandard.ZstdCompressor(ZSTD_LEVEL).compress(code))


class OpenCoders:
    """The trained codecs of a compiled model, opened to measure what they lose."""

    def __init__(self, directory: Path, coders: Sequence[Coder]) -> None:
        plain = runtime.options(None, runtime.FULL)
        self._sides = {
            one.codec: [
                runtime.open_session(coder_file(directory, name), plain)
                for name in (one.encoder, one.decoder)
            ]
            for one in coders
        }

    def journey(self, codec: CodecName, array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], int]:
        """Return what arrives when `array` travels by `codec`, and its bytes; what it cannot hold travels raw."""
        if not array.size or not np.isfinite(array).all():
            return array, array.nbytes
        encoder, decoder = self._sides[codec]
        code = _run(encoder, np.ascontiguousarray(array))
        return _run(decoder, code), _wire_bytes(code.tobytes())
