"""What every codec does to real activations: bytes, speed of one thread, loss at the outputs: `python -m bench.codecs`.

    python -m bench.codecs [--model NAME]

Law: report, no goal. Models are pushed as a coordinator does it (samples, accuracy rule, time limit), tensors are those
that a plan would most likely send; all codecs take turns on each tensor in one run. Speed is bytes of the tensor, not
of the wire, a second. Planning is timed with all codecs and with those of protocol 1.0, in turns.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.questions import on_devices
from bench.rows import Row
from bench.subjects import SUBJECTS, Subject
from device_agents.engine.codecs import TensorCodec
from device_agents.engine.runtime import start_runtime
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.jobs import PushJob
from lepton_edge.coordinator.pushing import push
from lepton_edge.core.results import Array
from partitioner.book.crossing import codec_options
from partitioner.codecs import CODECS, Codec
from partitioner.compiled import CodecSample, CompiledModel
from partitioner.onnx_io import load_compiled
from partitioner.profile import activations
from partitioner.profile.measure import plausible
from partitioner.solve import solve
from partitioner.units import ModelName, TensorName

TENSORS = 8  # the most plausible to be sent, floats only
TIMES = 30
PLANS = 7


def main() -> None:
    """Print rows for each model and codec."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", choices=list(SUBJECTS), action="append", help="MobileNetV2 and MiniLM if not given"
    )
    for name in parser.parse_args().model or ("mobilenetv2", "minilm"):
        with tempfile.TemporaryDirectory(prefix="lepton-codecs-") as folder:
            for row in rows(SUBJECTS[name](Path(folder) / "subject"), Path(folder)):
                row.print()


def rows(subject: Subject, folder: Path) -> Iterator[Row]:
    """Yield how long the push took, each codec's figures, and what planning with all of them costs."""
    began = time.perf_counter()
    compiled = pushed(subject, folder)
    took = round(time.perf_counter() - began, 2)
    measured = len({one.tensor for one in compiled.codecs})
    yield Row(
        "codecs", f"{subject.name}: push", took, "s", f"{measured} tensors, {len(compiled.unmeasured)} not"
    )
    yield from codec_rows(subject.name, compiled, folder / "compiled")
    yield from plan_rows(subject.name, compiled)


def pushed(subject: Subject, folder: Path) -> CompiledModel:
    """Compile the subject and measure its codecs as a coordinator does."""
    artifacts = Artifacts(folder)
    artifacts.prepare()
    samples = (
        sorted(subject.samples.iterdir())
        if subject.samples and subject.samples.is_dir()
        else [subject.samples]
    )
    job = PushJob(
        ModelName(subject.name),
        str(subject.model),
        str(folder / "compiled"),
        str(subject.manifest or ""),
        tuple((path.name, str(path)) for path in subject.model.parent.glob("*labels*.txt")),
        tuple((path.name, str(path)) for path in samples if path),
        tuple(subject.shapes.items()),
    )
    push(job, artifacts, lambda *_: None)
    return load_compiled(folder / "compiled")


def codec_rows(name: str, compiled: CompiledModel, directory: Path) -> Iterator[Row]:
    """Yield ratio, speeds and loss of each codec on the tensors that a plan would most likely send."""
    arrays = tensors(compiled, directory)
    bench = TensorCodec(start_runtime(1))
    speeds = {
        codec.name: [turn(bench, codec, array) for array in arrays.values()] for codec in CODECS.values()
    }
    size = sum(array.nbytes for array in arrays.values())
    for codec in CODECS.values():
        if codec.pictures_only:
            continue
        encode, decode, wire = (sum(column) for column in zip(*speeds[codec.name], strict=True))
        told = f"{len(arrays)} tensors, {size} bytes; {loss(compiled, codec)}"
        yield Row("codecs", f"{name}: {codec.name}: bytes in / bytes out", round(size / wire, 2), "1", told)
        yield Row("codecs", f"{name}: {codec.name}: encode", round(size / encode / 1e6), "MB/s", told)
        yield Row("codecs", f"{name}: {codec.name}: decode", round(size / decode / 1e6), "MB/s", told)


def tensors(compiled: CompiledModel, directory: Path) -> dict[TensorName, Array]:
    """Return the most plausible float tensors as the first sample makes them."""
    names = [one.tensor.name for one in plausible(compiled.graph) if one.tensor.dtype == "float32"][:TENSORS]
    return next(iter(activations(directory, compiled, names, 1)))


def turn(bench: TensorCodec, codec: Codec, array: Array) -> tuple[float, float, int]:
    """Return median seconds to encode and to decode one tensor, and its bytes on the wire."""
    encode, decode = list[float](), list[float]()
    for _ in range(TIMES):
        began = time.perf_counter()
        wire = bench.encode(TensorName("t"), array, codec.name)
        middle = time.perf_counter()
        np.asarray(bench.decode(wire))
        encode.append(middle - began)
        decode.append(time.perf_counter() - middle)
    return statistics.median(encode), statistics.median(decode), memoryview(wire.payload).nbytes


def loss(compiled: CompiledModel, codec: Codec) -> str:
    """Return what was measured at push of all tensors that it holds."""
    found: list[CodecSample] = [one for one in compiled.codecs if one.codec == codec.name]
    if codec.lossless or not found:
        return "lossless" if codec.lossless else "not measured"
    median, worst = statistics.median(one.loss for one in found), max(one.loss for one in found)
    return f"loss median {median:.2g}, worst {worst:.2g}, allowed {sum(one.allowed for one in found)} of {len(found)}"


def plan_rows(name: str, compiled: CompiledModel) -> Iterator[Row]:
    """Yield the time to plan with all codecs beside that with those of protocol 1.0."""
    problems = {}
    for minor in (0, 1):
        known = compiled.as_known_by(minor)
        problems[minor] = dataclasses.replace(on_devices(compiled.graph), options=codec_options(known))
    times: dict[int, list[float]] = {minor: [] for minor in problems}
    for _ in range(PLANS):
        for minor, problem in problems.items():
            began = time.perf_counter()
            solve(problem)
            times[minor].append(time.perf_counter() - began)
    old, new = (round(statistics.median(times[minor]) * 1e3, 1) for minor in (0, 1))
    yield Row("codecs", f"{name}: one plan with {len(CODECS)} codecs", new, "ms", f"with four: {old} ms")


if __name__ == "__main__":
    main()
