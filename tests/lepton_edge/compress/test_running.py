"""Runs that end, runs that do not, and Ctrl-C in the middle of one."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lepton_edge.compress import running
from lepton_edge.compress.errors import UnusableData
from lepton_edge.compress.evaluate import Reference, Runner
from lepton_edge.compress.technique import Sample
from partitioner.errors import InvalidModel
from tests.lepton_edge.compress import small

FEEDS = {"x": np.ones((1, 16), np.float32)}


def endless() -> ModelProto:
    """Return x [1, 16] -> y: a loop without a number of turns, whose condition stays true."""
    inner = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"]), helper.make_node("Relu", ["v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [1, 16]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [1, 16]),
        ],
    )
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 16]) for name in ("x", "y")]
    yes = numpy_helper.from_array(np.array(True), "yes")
    nodes = [helper.make_node("Loop", ["", "yes", "x"], ["y"], body=inner)]
    graph = helper.make_graph(nodes, "endless", ends[:1], ends[1:], [yes])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def ended() -> bool:
    """Wait for the threads of all runs; return whether they have ended."""
    runs = [one for one in threading.enumerate() if one.name == "compress-run"]
    for one in runs:
        one.join(10)
    return not any(one.is_alive() for one in runs)


def test_a_run_answers_as_the_engine_does() -> None:
    model = small.classifier()
    np.testing.assert_allclose(Runner(model).run(FEEDS)["y"], small.answer(model, FEEDS["x"]), rtol=1e-5)
    with pytest.raises(InvalidModel, match="does not run"):
        Runner(model).run({"x": np.ones((1, 3), np.float32)})


def test_a_model_that_never_ends_is_given_up_and_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PATIENCE", 0.1)
    with pytest.raises(InvalidModel, match="gave no answer within 0.1 s"):
        Runner(endless()).run(FEEDS)
    assert ended()
    with pytest.raises(UnusableData, match="the first: the model gave no answer"):
        Reference(endless()).answers(Sample(FEEDS, "the first"))


def test_an_interrupt_ends_a_run() -> None:
    runner, begin = Runner(endless()), time.monotonic()
    threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        runner.run(FEEDS)
    assert time.monotonic() - begin < running.PATIENCE / 2
    assert ended()
