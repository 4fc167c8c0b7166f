"""Several requests as one: only where it is proven, and with the answers that each would have had."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from device_agents.engine.batching import changed, prove_rows, rows_of, run_together, time_rows
from device_agents.engine.blocks import OpenBlock, OpenBlocks, run_span
from device_agents.engine.runtime import start_runtime
from device_agents.engine.sessions import open_block
from lepton_edge.core.errors import ComputeFailed, InvalidInput
from partitioner.plan import Block, TensorSpec

RUNTIME = start_runtime(1)


def spec(name, shape, dtype="float32"):
    return TensorSpec(name, dtype, shape)


def block(inputs, outputs, index=0):
    return Block(index, "onnx", tuple(inputs), tuple(outputs))


def opened(nodes, given=("batch", 4), made=("batch", 4), constants=(), dtype=TensorProto.FLOAT):
    """Open a block x -> y of these nodes."""
    infos = [
        [helper.make_tensor_value_info(name, dtype, shape)] for name, shape in (("x", given), ("y", made))
    ]
    graph = helper.make_graph(nodes, "block", *infos, initializer=list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    name = "float32" if dtype == TensorProto.FLOAT else "int64"
    told = block([spec("x", given, name)], [spec("y", made, name)])
    return OpenBlock(told, open_block(told, onnx.ModelProto.SerializeToString(model), RUNTIME, None))


def node(kind, *inputs, made="y", **attributes):
    return helper.make_node(kind, list(inputs), [made], name=f"{kind}/{made}", **attributes)


def ints(name, *values):
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


GOLDEN = {"x": np.random.default_rng(3).normal(0, 1, (1, 4)).astype(np.float32)}


def test_a_block_whose_rows_stay_apart_is_proven():
    assert prove_rows(opened([node("Relu", "x")]), GOLDEN, 1e-3)
    assert prove_rows(opened([node("Softmax", "x", axis=1)]), GOLDEN, 1e-3)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("ReduceMean", "x", made="m", axes=[0, 1], keepdims=1), node("Sub", "x", "m")],
        [node("ReduceMax", "x", made="m", axes=[0], keepdims=1), node("Sub", "x", "m")],
        [node("Softmax", "x", axis=0)],
        [node("CumSum", "x", "zero")],
        [node("Reshape", "x", "one_row")],
        [node("Slice", "x", "zero", "one", "zero", made="s"), node("Expand", "s", "one_row")],
    ],
    ids=[
        "mean",
        "maximum",
        "softmax over rows",
        "running sum",
        "constant shape",
        "first row only",
    ],
)
def test_a_block_that_mixes_rows_is_found_out(nodes):
    used = {name for one in nodes for name in one.input}
    constants = [ints("zero", 0), ints("one", 1), ints("one_row", 1, 4)]
    mixing = opened(nodes, constants=[one for one in constants if one.name in used])
    mixing.runner.run(GOLDEN)  # it runs for one
    assert not prove_rows(mixing, GOLDEN, 1e-3)


def test_a_range_that_is_found_anew_for_each_quantization_is_found_out():
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        node("DequantizeLinear", "q", "scale", "zero"),
    ]
    assert not prove_rows(opened(nodes), {"x": np.float32([[0.1, -0.2, 0.31, 0.5]])}, 1e-3)


def test_nothing_is_proven_without_a_sample():
    assert not prove_rows(opened([node("Relu", "x")]), {}, 1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8", "bool"])
def test_a_changed_copy_differs_within_the_values_that_there_are(dtype):
    array = np.arange(24).reshape(2, 12).astype(dtype)
    for turn in (1, 2):
        copy = changed(array, turn)
        assert copy.dtype == array.dtype
        assert copy.shape == array.shape
        assert not np.array_equal(copy, array)
        assert copy.max() <= array.max()
        assert copy.min() >= array.min()


def test_rows_of_arrays_that_agree():
    assert rows_of([{"a": np.zeros((2, 3)), "b": np.zeros(2)}]) == 2
    assert rows_of([{"a": np.zeros((2, 3))}, {"a": np.zeros((1, 3))}]) is None
    assert rows_of([{"a": np.zeros(())}]) is None


class Twice:
    """y = 2x, and notes the rows that it was given at once."""

    def __init__(self, given, made):
        self.given, self.made, self.rows = given, made, []

    def run(self, env, run_options=None):
        self.rows.append(len(env[self.given]))
        return {self.made: 2 * env[self.given]}


def line(*by_rows):
    """Return blocks a -> b -> c ... that double, each batched or not."""
    names = "abcdefg"
    steps = []
    for place, rows in enumerate(by_rows):
        told = block([spec(names[place], ("n", 2))], [spec(names[place + 1], ("n", 2))], place)
        steps.append(OpenBlock(told, Twice(names[place], names[place + 1]), by_rows=rows))
    return OpenBlocks(dict(enumerate(steps))).span(0, len(steps))


def run(one, env):
    return one.runner.run(env)


def test_batched_and_single_blocks_alternate_and_answers_are_those_of_single_runs():
    span = line(False, True, True, False, True)
    given = [{"a": np.full((1, 2), n, np.float32)} for n in range(3)]
    keep = frozenset("bcdf")
    together = run_together(span, given, keep, run)
    assert [one.runner.rows for one in span.steps] == [[1, 1, 1], [3], [3], [1, 1, 1], [3]]
    for env, alone in zip(together, (run_span(span, one, keep, run) for one in given), strict=True):
        assert env.keys() == alone.keys()
        for name in keep:
            np.testing.assert_array_equal(env[name], alone[name])
    assert together[1]["f"].base is not None, "a view of the batch, no copy"


def test_requests_of_unlike_shapes_run_one_by_one():
    span = line(True)
    given = [{"a": np.zeros((1, 2), np.float32)}, {"a": np.zeros((1, 5), np.float32)}]
    assert [env["b"].shape for env in run_together(span, given, frozenset("b"), run)] == [(1, 2), (1, 5)]
    assert span.steps[0].runner.rows == [1, 1]


def test_requests_that_are_batches_themselves_come_back_whole():
    span = line(True)
    given = [{"a": np.full((3, 2), n, np.float32)} for n in (1, 2)]
    found = run_together(span, given, frozenset("b"), run)
    np.testing.assert_array_equal(found[1]["b"], np.full((3, 2), 4))
    assert span.steps[0].runner.rows == [6]


def test_a_missing_tensor_is_the_callers_fault():
    with pytest.raises(InvalidInput, match="needs"):
        run_together(line(True), [{"a": np.zeros((1, 2))}, {}], frozenset("b"), run)


def test_a_batch_that_comes_out_with_other_rows_is_refused():
    span = line(True)
    span.steps[0].runner.run = lambda env, options=None: {"b": env["a"][:1]}
    with pytest.raises(ComputeFailed):
        run_together(span, [{"a": np.zeros((1, 2))}] * 2, frozenset("b"), run)


def test_what_a_batch_saves_is_measured_a_request():
    span = line(True)
    slow = span.steps[0]
    quick = slow.runner.run
    slow.runner.run = lambda env: time.sleep(0.004) or quick(env)  # however many rows
    alone, shared = time_rows(slow, {"a": np.zeros((1, 2), np.float32)}, 0.1)
    assert alone >= 0.004
    assert 0.001 <= shared < alone / 2
    assert set(slow.runner.rows) == {1, 4}


def test_timing_ends_when_its_time_is_over():
    slow = line(True).steps[0]
    quick, begin = slow.runner.run, time.perf_counter()
    slow.runner.run = lambda env: time.sleep(0.05) or quick(env)
    time_rows(slow, {"a": np.zeros((1, 2), np.float32)}, 0.01)
    assert time.perf_counter() - begin < 0.4


def test_the_gain_of_a_range_is_that_of_the_steps_that_may_share():
    steps = line(False, True, True).steps
    timed = [dataclasses.replace(one, alone=1.0, shared=0.6) if one.by_rows else one for one in steps]
    assert OpenBlocks(dict(enumerate(timed))).span(0, 3).gain == pytest.approx(0.4)
    assert OpenBlocks(dict(enumerate(timed))).span(0, 1).gain == 0
