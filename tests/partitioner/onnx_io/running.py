"""Runs blocks as a device would, in a few lines, for tests that compare answers."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from PIL import Image

from partitioner.onnx_io import CutBlock

WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"


def session(file: bytes, folder: Path, full: bool = False) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry(WEIGHTS_FOLDER, str(folder))
    if not full:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def run_blocks(
    blocks: Iterable[CutBlock], folder: Path, given: Mapping[str, Any], full: bool = False
) -> dict[str, Any]:
    """Run blocks in order, each seeing only what it declares; return every tensor that crossed."""
    env = dict(given)
    for one in blocks:
        names = [output.name for output in one.block.outputs]
        feeds = {spec.name: env[spec.name] for spec in one.block.inputs}
        if one.block.kind == "decode_picture":
            picture = Image.open(io.BytesIO(next(iter(feeds.values())).tobytes())).convert("RGB")
            env[names[0]] = np.asarray(picture)
        else:
            env.update(zip(names, session(one.file, folder, full).run(names, feeds), strict=True))
    return env
