"""From an upload to a compiled model with its samples, its codecs measured and its label files kept.

Law: runs in the worker process; only the order of the steps. What each does stands in `partitioner`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from lepton_edge.coordinator.artifacts import Artifacts, write_whole
from lepton_edge.coordinator.jobs import Compiled, PushJob
from lepton_edge.coordinator.records import ModelRecord
from lepton_edge.coordinator.samples import read_samples, write_samples
from partitioner.compiled import CompiledModel
from partitioner.errors import InvalidManifest, InvalidModel
from partitioner.manifest import Accuracy, Manifest, read_manifest
from partitioner.nouns_json import to_json
from partitioner.onnx_io import compile_model
from partitioner.onnx_io.coders import MOST_BYTES, add_coders, file_digest
from partitioner.profile import measure_codecs
from partitioner.units import Bytes, Seconds

CODEC_BUDGET = Seconds(30.0)
MOST_WEIGHTS = 50_000
"""A command to measure names each weight some five times, in 540 bytes: 27 MB of them (see `rpc.LONGEST_COMMAND`)."""

Tell = Callable[[str, int, int, str], None]


def push(job: PushJob, artifacts: Artifacts, tell: Tell) -> Compiled:
    """Compile the upload of `job` into its folder; raises what is wrong with it."""
    manifest = _manifest(job)
    labels = {name: Path(path).read_bytes() for name, path in job.labels}
    into = Path(job.into)
    tell("compiling", 0, 0, "checking, optimising and composing the graph")
    compiled = compile_model(
        Path(job.model),
        job.name,
        into,
        manifest=manifest,
        shapes=dict(job.shapes),
        labels=labels,
        called=f"the file pushed as {job.name!r}",
    )
    _check_count(compiled)
    compiled = _with_coders(compiled, job, into)
    for content in labels.values():
        artifacts.put(content)
    samples = read_samples([(name, Path(path)) for name, path in job.samples], compiled.inputs)
    write_samples(samples, into)
    compiled = dataclasses.replace(compiled, sample_count=len(samples))
    _write(compiled, into, artifacts)  # measuring reads it
    compiled = _measured(compiled, into, manifest, tell)
    _write(compiled, into, artifacts)
    return Compiled(_record(compiled), compiled.weights)


def _with_coders(compiled: CompiledModel, job: PushJob, into: Path) -> CompiledModel:
    """Return the model with the trained codecs that came along."""
    folders: dict[str, dict[str, bytes]] = {}
    for name, path in job.coders:
        folder, _, file = name.rpartition("/")
        if Path(path).stat().st_size > MOST_BYTES:
            raise InvalidModel(f"{name} of a bottleneck has over {MOST_BYTES >> 20} MB", "make it smaller")
        folders.setdefault(folder, {})[file] = Path(path).read_bytes()
    return add_coders(compiled, into, folders, file_digest(Path(job.model)))


def _check_count(compiled: CompiledModel) -> None:
    """Refuse a model of more weights than a command can name, before an agent's stream breaks on one."""
    count = len(compiled.weights)
    if count > MOST_WEIGHTS:
        raise InvalidModel(
            f"{compiled.name!r} has {count:,} weight tensors, and {MOST_WEIGHTS:,} at most can be told to a device",
            "join small weights before the export",
        )


def _manifest(job: PushJob) -> Manifest | None:
    if not job.manifest:
        return None
    try:
        return read_manifest(Path(job.manifest).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidManifest(f"the manifest is not UTF-8 text: {error}", "save it as UTF-8") from error


def _measured(compiled: CompiledModel, into: Path, manifest: Manifest | None, tell: Tell) -> CompiledModel:
    """Return the model with what each codec costs in bytes and accuracy."""

    def progress(done: int, total: int, samples: int) -> None:
        tell("measuring codecs", done, total, f"on {samples} of {compiled.sample_count} samples")

    rule = manifest.accuracy if manifest else Accuracy()
    found = measure_codecs(into, compiled, budget=CODEC_BUDGET, rule=rule, progress=progress)
    return dataclasses.replace(compiled, codecs=found.codecs, unmeasured=found.unmeasured)


def _write(compiled: CompiledModel, into: Path, artifacts: Artifacts) -> None:
    write_whole(into / "model.json", json.dumps(to_json(compiled)).encode(), artifacts.scratch)


def _record(compiled: CompiledModel) -> ModelRecord:
    distinct = {ref.sha256: ref.length for ref in compiled.weights}
    return ModelRecord(
        compiled.name,
        compiled.version,
        Bytes(sum(distinct.values())),
        compiled.inputs,
        compiled.outputs,
        compiled.operators,
        len(compiled.graph.layers),
        compiled.sample_count,
        compiled.source_bytes,
        compiled.description,
        compiled.variant_of,
        compiled.opset,
    )
