"""From a pushed file to a compiled model in a directory.

Law: only the order of the steps and the files they leave; each step is a room of its own. A failure leaves
nothing that could be mistaken for a compiled model, because model.json is written last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from onnx import ModelProto

from partitioner.compiled import READ_OPSET, CompiledModel
from partitioner.errors import InvalidManifest, InvalidModel, ModelError
from partitioner.manifest import Manifest
from partitioner.nouns_json import from_json, to_json
from partitioner.onnx_io import blob, compose, domains, generate, infer, load, optimise, quantized, scope
from partitioner.onnx_io.blob import Span
from partitioner.onnx_io.compose import Composition
from partitioner.onnx_io.contract import contract
from partitioner.onnx_io.cutting import COMPOSED_FILE, DUPLICATED_KEY
from partitioner.plan import InputSpec, OutputSpec, TensorSpec, WeightRef
from partitioner.units import Bytes, ModelName, ModelVersion, Sha256, TensorName

MODEL_FILE = "model.json"
LABELS_FOLDER = "labels"
WORK_FOLDER = "work"


def compile_model(
    source: Path,
    name: ModelName,
    into: Path,
    *,
    manifest: Manifest | None,
    shapes: Mapping[str, tuple[int, ...]],
    labels: Mapping[str, bytes],
    called: str = "",
) -> CompiledModel:
    """Compile the ONNX file `source` into the directory `into` (made if need be) and return what it came to.

    `shapes` gives a typical shape for inputs with dynamic dimensions, by input name; it goes before the
    manifest's. `labels` gives the contents of the label files the manifest names. `called` is what messages
    call the file, its own name without it. Equal arguments give equal files. Raises InvalidModel,
    UnsupportedOperator or InvalidManifest.
    """
    rules = manifest or Manifest()
    _check_labels(rules, labels)
    work = into / WORK_FOLDER
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        loaded = load.load(source, work, called)
        made = _composed(loaded.model, work, rules, shapes)
        compiled = _described(_written(made, into, work, labels), rules)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    compiled = replace(
        compiled,
        name=name,
        version=_version(loaded.files, rules, shapes, labels),
        source_bytes=Bytes(sum(one.stat().st_size for one in loaded.files)),
    )
    _write_labels(into, labels)
    _write_atomically(into / MODEL_FILE, json.dumps(to_json(compiled)).encode())
    return compiled


def _described(compiled: CompiledModel, rules: Manifest) -> CompiledModel:
    """Return the model with what its manifest says of it as a whole."""
    return replace(
        compiled,
        description=rules.description,
        queue=rules.queue,
        smaller=ModelName(rules.smaller),
        variant_of=ModelName(rules.variant_of),
    )


def load_compiled(directory: Path) -> CompiledModel:
    """Read back what `compile_model` wrote to `directory`; raise InvalidModel when there is none."""
    try:
        return from_json(CompiledModel, json.loads((directory / MODEL_FILE).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InvalidModel(
            f"{directory.name} holds no compiled model: {error}", "push the model again"
        ) from error


def _composed(
    plain: ModelProto, work: Path, rules: Manifest, shapes: Mapping[str, Sequence[int]]
) -> Composition:
    declared = {**rules.shapes, **shapes, **compose.picture_shapes(plain.graph, rules)}
    symbols = infer.bind(plain.graph, declared)
    feeds = generate.feeds(plain.graph, infer.declared(plain.graph, symbols))
    known = _readable(plain, work, feeds)
    model = _raised(known, work, feeds) if compose.needs_opset(rules) else known
    simple = optimise.optimise(model, work, feeds)
    types = infer.infer(simple, work, symbols, feeds)
    return compose.compose(simple, types, rules)


def _readable(plain: ModelProto, work: Path, feeds: infer.Feeds) -> ModelProto:
    """Return `plain` in an opset that every engine reads; itself where that cannot be, or answers otherwise."""
    try:
        lowered = load.lower_opset(plain, READ_OPSET)
        if lowered is plain:
            return plain
        wanted, found = (optimise.answers(one, work, feeds) for one in (plain, lowered))
    except ModelError:  # then only newer engines run it, and a device with an older one is refused
        return plain
    return lowered if optimise.agree(wanted, found, optimise.TOLERANCE) else plain


def _raised(plain: ModelProto, work: Path, feeds: infer.Feeds) -> ModelProto:
    raised = load.raise_opset(plain, compose.OPSET)
    if raised is plain:
        return plain
    wanted, found = (optimise.answers(one, work, feeds) for one in (plain, raised))
    if not optimise.agree(wanted, found, optimise.TOLERANCE):
        hint = f"export it with opset {compose.OPSET} or later"
        raise InvalidModel(f"the model answers otherwise once raised to opset {compose.OPSET}", hint)
    return raised


def _written(made: Composition, into: Path, work: Path, labels: Mapping[str, bytes]) -> CompiledModel:
    """Write weights.bin and composed.onnx; what is returned lacks its name and version."""
    graph = made.model.graph
    with blob.BlobWriter(into / blob.WEIGHTS_FILE) as writer:
        spans = blob.spill(scope.all_initializers(graph), work, writer, blob.WEIGHTS_FILE)
    contraction = contract(made, spans)
    if not contraction.graph.layers:
        raise InvalidModel("the model computes nothing from its inputs", "is it the right file?")
    made.model.metadata_props.add(key=DUPLICATED_KEY, value=json.dumps(sorted(contraction.duplicated)))
    (into / COMPOSED_FILE).write_bytes(made.model.SerializeToString(deterministic=True))
    return CompiledModel(
        name=ModelName(""),
        version=ModelVersion(""),
        graph=contraction.graph,
        inputs=tuple(_input(made, one) for one in made.inputs),
        outputs=tuple(_output(made, one, labels) for one in made.outputs),
        weights=tuple(_weight(one, span) for one, span in sorted(spans.items())),
        blob=Sha256(writer.sha256),
        blob_size=Bytes(writer.size),
        operators=_operators(made.model),
        integers=quantized.integer_sides(made.model, into),
        opset=load.opset(made.model),
    )


def _weight(name: str, span: Span) -> WeightRef:
    return WeightRef(TensorName(name), Bytes(span.offset), Bytes(span.length), Sha256(span.sha256))


def _input(made: Composition, name: str) -> InputSpec:
    kind = made.types[name]
    spec = TensorSpec(TensorName(name), kind.dtype, kind.shape, Bytes(kind.size))
    if name not in made.pictures:
        return InputSpec(spec)
    return InputSpec(spec, TensorName(f"{name}@picture"), TensorName(f"{name}@encoded"))


def _output(made: Composition, name: str, labels: Mapping[str, bytes]) -> OutputSpec:
    rule = made.scored.get(name)
    if rule is None:
        return OutputSpec(TensorName(name))
    sha256 = hashlib.sha256(labels[rule.labels]).hexdigest() if rule.labels else ""
    return OutputSpec(
        TensorName(name),
        TensorName(f"{name}@scores"),
        TensorName(f"{name}@indices"),
        Sha256(sha256),
        rule.keep,
    )


def _operators(model: ModelProto) -> tuple[str, ...]:
    """Return what an engine must run; the model's own functions as what they are made of."""
    own = {(one.domain, one.name) for one in model.functions}
    kinds = {(node.domain, node.op_type) for node in domains.nodes(model)} - own
    return tuple(sorted(f"{domain or 'ai.onnx'}/{name}" for domain, name in kinds))


def _version(
    files: Sequence[Path], rules: Manifest, shapes: Mapping[str, Sequence[int]], labels: Mapping[str, bytes]
) -> ModelVersion:
    """Return what names these inputs of the compiler: equal ones give the same version."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(_file_digest(path))
    said = {"manifest": _said(rules), "shapes": {one: list(shapes[one]) for one in sorted(shapes)}}
    digest.update(json.dumps(said, sort_keys=True).encode())
    for one in sorted(labels):
        digest.update(one.encode() + hashlib.sha256(labels[one]).digest())
    return ModelVersion(digest.hexdigest()[:16])


def _said(rules: Manifest) -> dict[str, Any]:
    """Return the rules by name, without those that a manifest of before did not have and this one leaves out."""
    return {
        name: rule
        for name, rule in to_json(rules).items()
        if name not in ("queue", "smaller", "variant_of") or getattr(rules, name) != getattr(Manifest, name)
    }


def _file_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.digest()


def _check_labels(rules: Manifest, labels: Mapping[str, bytes]) -> None:
    for one in rules.outputs:
        if one.labels and one.labels not in labels:
            raise InvalidManifest(
                f"the label file {one.labels!r} of output `{one.name}` is missing", "push it as well"
            )
    for name, content in labels.items():
        _check_utf8(name, content)


def _check_utf8(name: str, content: bytes) -> None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidManifest(f"the label file {name!r} is not UTF-8: {error}", "convert it") from error


def _write_labels(into: Path, labels: Mapping[str, bytes]) -> None:
    folder = into / LABELS_FOLDER
    folder.mkdir(exist_ok=True)
    for name, content in labels.items():
        (folder / Path(name).name).write_bytes(content)


def _write_atomically(path: Path, content: bytes) -> None:
    """Write so that a crash leaves the old file or the new one."""
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
