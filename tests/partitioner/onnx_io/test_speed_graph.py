"""The speed probe's graph: the committed file is the generated one, and it computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort

from partitioner.onnx_io.speed_graph import SPEED_FILE, speed_graph

COMMITTED = Path(__file__).parents[3] / "device_agents" / "engine" / "graphs" / SPEED_FILE


def test_the_committed_file_is_what_is_generated() -> None:
    assert COMMITTED.read_bytes() == speed_graph()


def test_it_computes_finite_numbers_that_are_not_all_zero() -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(speed_graph(), options, providers=["CPUExecutionProvider"])
    feed = {one.name: np.full(one.shape, 0.5, np.float32) for one in session.get_inputs()}
    y, n = session.run(None, feed)
    assert (y.shape, n.shape) == ((1, 32, 1, 1), (64, 512))
    for one in (y, n):
        assert np.isfinite(one).all()
        assert (one > 0).all()
