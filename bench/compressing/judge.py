"""What a compressed model is judged by: its file, its answers to pictures it was not made with, its time.

Law: the engine runs everything, in batches where only answers are wanted, one by one where time is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from bench.compressing.fashion import Pictures, training
from lepton_edge.compress.measure import LocalMeasure
from lepton_edge.compress.platforms import this_machine
from lepton_edge.compress.recipe import Value
from lepton_edge.compress.technique import Materials, Samples
from lepton_edge.compress.techniques import technique
from partitioner.onnx_io import runtime
from partitioner.units import Seconds

CALIBRATION, BATCH = 512, 200
Steps: TypeAlias = Sequence[tuple[str, Mapping[str, Value]]]


def materials(
    original: onnx.ModelProto,
    scratch: Path,
    calibration: Samples | None = None,
    labelled: Samples | None = None,
) -> Materials:
    """Return what techniques may use: by default 512 of the pictures to train with, without labels."""
    chosen = calibration if calibration is not None else training().first(CALIBRATION)
    return Materials(original, chosen, this_machine(), scratch, labelled)


def applied(model: onnx.ModelProto, given: Materials, steps: Steps) -> onnx.ModelProto:
    """Return `model` after `steps` (technique and options; the rest are its first choices)."""
    for name, options in steps:
        one = technique(name)
        if why := one.refuse(model, given.target):
            raise RuntimeError(f"{name}: {why}")
        first = {key: values[0] for key, values in one.choices.items()}
        model = one.apply(model, given, {**first, **options})
    return model


def accuracy(model: onnx.ModelProto, pictures: Pictures) -> float:
    """Return the share of `pictures` whose class is the largest logit."""
    session = runtime.open_session(model, runtime.options(None, runtime.FULL))
    samples, right = list(pictures), 0
    for start in range(0, len(samples), BATCH):
        some = samples[start : start + BATCH]
        feeds = {"picture": np.concatenate([one.feeds["picture"] for one in some])}
        logits = next(iter(runtime.run(session, feeds).values()))
        right += int((logits.argmax(1) == np.array([one.label for one in some])).sum())
    return right / len(samples)


def cosines(model: onnx.ModelProto, original: onnx.ModelProto, samples: Samples) -> NDArray[np.float64]:
    """Return the cosine of the first outputs of both, sample by sample."""
    both = [runtime.open_session(one, runtime.options(None, runtime.FULL)) for one in (model, original)]
    name = original.graph.output[0].name
    found = []
    for sample in samples:
        one, other = (runtime.run(session, sample.feeds, [name])[name].ravel() for session in both)
        found.append(float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other))))
    return np.array(found)


def size(model: onnx.ModelProto) -> int:
    """Return the bytes of the ONNX file."""
    return int(model.ByteSize())


def times_faster(
    model: onnx.ModelProto, original: onnx.ModelProto, feeds: Sequence[Mapping[str, NDArray[np.generic]]]
) -> float:
    """Return how many times as fast as the original: medians of both, in turns, one thread."""
    with tempfile.TemporaryDirectory(prefix="lepton-compress-") as folder:
        paths = [Path(folder) / name for name in ("candidate.onnx", "original.onnx")]
        for path, one in zip(paths, (model, original), strict=True):
            onnx.save(one, path)
        (compared,) = LocalMeasure(list(feeds), seconds=Seconds(4.0))(*paths)
    return compared.original.median / compared.candidate.median
