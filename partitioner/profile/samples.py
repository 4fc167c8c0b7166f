"""The samples that were pushed with a model, as tensors of the composed graph.

Law: reads samples.npz and decodes pictures; runs no graph. An encoded picture gives two tensors
(NAME@encoded and NAME@picture), a decoded one NAME@picture, anything else the model's own input.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from partitioner.compiled import CompiledModel
from partitioner.errors import InvalidModel
from partitioner.plan import InputSpec
from partitioner.units import TensorName

Array = npt.NDArray[Any]
Tensors = dict[TensorName, Array]

SAMPLES_FILE = "samples.npz"
MADE_UP_SIDE = (480, 640)  # height, width of the picture that stands in when there is no sample


def read_samples(directory: Path, compiled: CompiledModel, limit: int) -> Iterator[Tensors]:
    """Yield at most `limit` samples, spread over all of them, each as the tensors that it gives.

    Neighbours among pushed files are often views of one scene, so the first few would stand for little.
    Raises InvalidModel when a picture among them cannot be decoded.
    """
    file = directory / SAMPLES_FILE
    if not file.exists():
        return
    with np.load(file, allow_pickle=False) as arrays:
        indices = list(dict.fromkeys(name.split("/", 1)[0] for name in arrays.files))
        step = max(len(indices) / limit, 1.0)
        for index in (indices[int(turn * step)] for turn in range(min(limit, len(indices)))):
            named = {name: f"{index}/{name}" for name in (one.tensor.name for one in compiled.inputs)}
            yield _given({name: arrays[key] for name, key in named.items()}, compiled)


def made_up_picture(spec: InputSpec, seed: int = 0) -> Tensors:
    """Return an encoded picture of smooth noise (JPEG, like a photograph) and its pixels."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (12, 16, 3), np.uint8)
    height, width = MADE_UP_SIDE
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    smooth.save(stream, "JPEG", quality=90)
    return _picture(spec, np.frombuffer(stream.getvalue(), np.uint8))


def encoded_picture(spec: InputSpec, pixels: Array) -> Tensors:
    """Return a picture of uint8 [height, width, 3] as it comes encoded (PNG: nothing is lost), and its pixels."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return _picture(spec, np.frombuffer(stream.getvalue(), np.uint8))


def decode_picture(encoded: Array) -> Array:
    """Return an encoded picture as uint8 [height, width, 3], RGB, upright; as devices decode it."""
    try:
        with Image.open(io.BytesIO(encoded.tobytes())) as picture:
            upright = ImageOps.exif_transpose(picture) or picture
            return np.asarray(upright.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise InvalidModel(f"a sample picture cannot be decoded: {error}", "push other samples") from error


def _given(sample: Mapping[TensorName, Array], compiled: CompiledModel) -> Tensors:
    given: Tensors = {}
    for spec in compiled.inputs:
        array = sample[spec.tensor.name]
        if spec.encoded and array.dtype == np.uint8 and array.ndim == 1:
            given |= _picture(spec, array)
        elif spec.picture and array.dtype == np.uint8 and array.ndim == 3:
            given[spec.picture] = array
        else:
            given[spec.tensor.name] = array
    return given


def _picture(spec: InputSpec, encoded: Array) -> Tensors:
    return {spec.encoded: encoded, spec.picture: decode_picture(encoded)}
