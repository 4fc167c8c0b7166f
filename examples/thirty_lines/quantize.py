"""MobileNetV2 in int8, by onnxruntime's own static quantization, and how often it agrees with fp32.

    python -m examples.thirty_lines.quantize DIR [OUT.onnx]

Law: the documented recipe, well used: fold first, then QDQ, weights s8 per channel, activations u8,
ranges from the samples. No repair of what quantization breaks (MobileNetV2 would want bias correction):
its answers are shown.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from examples.thirty_lines.picture import Floats, preprocess


@dataclass(frozen=True)
class Comparison:
    """The class index that each of the two models names first for one picture."""

    picture: str
    fp32: int
    int8: int


def quantize(model: Path, samples: Sequence[Path], out: Path) -> None:
    """Write the int8 version of `model` to `out`, calibrated on the encoded pictures `samples`.

    Raises:
        ValueError: no samples; calibration needs some.
        PictureError: a sample is not a picture.
    """
    if not samples:
        raise ValueError("quantization needs sample pictures to measure ranges; give at least one")
    # onnxruntime advises in log lines to do what is done here already.
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        folded = Path(scratch) / "folded.onnx"
        quant_pre_process(model, folded, skip_symbolic_shape=True)
        quantize_static(
            folded,
            out,
            _Samples(samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def compare(model: Path, quantized: Path, pictures: Sequence[Path]) -> list[Comparison]:
    """Ask both models about each of the encoded `pictures`.

    Raises:
        PictureError: one of them is not a picture.
    """
    reference, candidate = _session(model), _session(quantized)
    compared = []
    for path in pictures:
        pixels = preprocess(path.read_bytes())
        compared.append(Comparison(path.name, _first(reference, pixels), _first(candidate, pixels)))
    return compared


def report(compared: Sequence[Comparison], labels: Sequence[str]) -> dict[str, object]:
    """Return how often the models agree, and by name what they say where they do not."""
    differing = {
        item.picture: {"fp32": labels[item.fp32], "int8": labels[item.int8]}
        for item in compared
        if item.fp32 != item.int8
    }
    return {"same": len(compared) - len(differing), "of": len(compared), "differing": differing}


class _Samples(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime carries no types
    """Feeds the samples to the calibrator, one preprocessed picture at a time."""

    def __init__(self, samples: Sequence[Path]) -> None:
        self._batches: Iterator[Floats] = (preprocess(path.read_bytes()) for path in samples)

    def get_next(self) -> dict[str, Floats] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"input": batch}


def _session(model: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _first(session: Any, pixels: Floats) -> int:
    return int(np.argmax(session.run(None, {"input": pixels})[0]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Quantize the demo's model to int8.")
    parser.add_argument("folder", type=Path, help="written by python -m examples.demo.prepare")
    parser.add_argument("out", type=Path, nargs="?", help="default: FOLDER/mobilenetv2_int8.onnx")
    options = parser.parse_args(arguments)
    model, out = options.folder / "mobilenetv2.onnx", options.out or options.folder / "mobilenetv2_int8.onnx"
    samples = sorted((options.folder / "samples").glob("*.jpg"))
    quantize(model, samples, out)
    pictures = sorted((options.folder / "pictures").glob("*.jpg"))
    labels = (options.folder / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    for name, paths in (("pictures", pictures), ("calibration_samples", samples)):
        print(json.dumps({"compared": name, **report(compare(model, out, paths), labels)}))


if __name__ == "__main__":
    main()
