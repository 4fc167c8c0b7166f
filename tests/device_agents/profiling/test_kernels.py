"""Kernel times by onnxruntime's profiler."""

from __future__ import annotations

import pytest

from device_agents.engine.runtime import start_runtime
from device_agents.profiling.attribution import attribute
from device_agents.profiling.graph_nodes import graph_nodes
from device_agents.profiling.kernels import kernel_timer, seconds_by_kernel, usual
from tests.device_agents.engine.models import small_model


def event(name, ts, dur, tid=1, cat="Node"):
    return {"cat": cat, "name": name, "ts": ts, "dur": dur, "tid": tid}


def test_the_cold_run_is_left_out():
    events = [event("a_kernel_time", ts, dur) for ts, dur in ((0, 900), (1000, 10), (2000, 30), (3000, 20))]
    assert seconds_by_kernel(events) == {"a": pytest.approx(20e-6)}


def test_a_twentieth_at_either_end_does_not_count():
    assert usual([1.0, *[5.0] * 18, 99.0]) == 5.0
    assert usual([3.0]) == 3.0


def test_a_device_that_is_slow_in_bursts_has_shares_of_what_kernels_take_in_all():
    """A burst of 8 falls into every fourth run of the short kernel, and into each of the long one four times."""
    short, long = [1.0, 1.0, 1.0, 9.0] * 6, [4.0 + 8.0] * 24
    assert usual(long) / usual(short) == pytest.approx(4.0, rel=0.1)


def test_kernels_in_a_body_are_their_control_flow_nodes_time():
    events = [
        event("loop_kernel_time", 100, 50),
        event("inner_kernel_time", 110, 20),
        event("next_kernel_time", 150, 5),
        event("SequentialExecutor::Execute", 0, 500, cat="Session"),
        event("loop_fence_before", 99, 1),
    ]
    assert set(seconds_by_kernel(events)) == {"loop", "next"}


def test_nearly_all_kernel_time_is_attributed(tmp_path):
    model = small_model(tmp_path)
    graph = model.whole_file.read_bytes()
    with kernel_timer(graph, start_runtime(1), tmp_path) as timer:
        for _ in range(40):  # of few runs, one that others held up is too large a part
            timer.run({"x": model.input()})
        kernels, optimised = timer.finish()
    shares, coverage = attribute(kernels, graph_nodes(graph), optimised)
    assert coverage > 0.95
    assert abs(sum(one.share for one in shares) - 1) < 1e-9
    conv2 = sum(one.share for one in shares if one.node in ("conv/2", "relu/2"))
    assert conv2 > 0.4  # it has most of the arithmetic
