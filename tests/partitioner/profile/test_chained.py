"""What blocks make one after another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from partitioner.graph import chain
from partitioner.onnx_io import cut, load_compiled
from partitioner.profile.chained import chained
from tests.partitioner.onnx_io import quantized_pair


def test_blocks_run_in_their_order_and_what_was_given_stays(tmp_path: Path) -> None:
    folder, _ = quantized_pair.compiled(tmp_path)
    compiled = load_compiled(folder)
    blocks = cut(folder, compiled, [chain(compiled.graph)[2]])
    x = np.random.default_rng(0).standard_normal((1, quantized_pair.WIDTH)).astype(np.float32)
    made = chained(folder, blocks, {"x": x})
    assert set(made) == {"x", "b1", "y"}
    wanted = onnxruntime.InferenceSession(quantized_pair.net().SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(made["y"], wanted, rtol=1e-5, atol=1e-6)
    assert made["x"] is x
