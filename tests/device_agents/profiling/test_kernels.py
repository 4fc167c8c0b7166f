"""Kernel times by onnxruntime's profiler."""

from __future__ import annotations

from device_agents.engine.runtime import start_runtime
from device_agents.profiling.attribution import attribute
from device_agents.profiling.graph_nodes import graph_nodes
from device_agents.profiling.kernels import kernel_timer, median_by_kernel
from tests.device_agents.engine.models import small_model


def event(name, ts, dur, tid=1, cat="Node"):
    return {"cat": cat, "name": name, "ts": ts, "dur": dur, "tid": tid}


def test_the_median_leaves_the_cold_run_out():
    events = [event("a_kernel_time", ts, dur) for ts, dur in ((0, 900), (1000, 10), (2000, 30), (3000, 20))]
    assert median_by_kernel(events) == {"a": 20e-6}


def test_kernels_in_a_body_are_their_control_flow_nodes_time():
    events = [
        event("loop_kernel_time", 100, 50),
        event("inner_kernel_time", 110, 20),
        event("next_kernel_time", 150, 5),
        event("SequentialExecutor::Execute", 0, 500, cat="Session"),
        event("loop_fence_before", 99, 1),
    ]
    assert set(median_by_kernel(events)) == {"loop", "next"}


def test_nearly_all_kernel_time_is_attributed(tmp_path):
    model = small_model(tmp_path)
    graph = model.whole_file.read_bytes()
    with kernel_timer(graph, start_runtime(1), tmp_path) as timer:
        for _ in range(4):
            timer.run({"x": model.input()})
        kernels, optimised = timer.finish()
    shares, coverage = attribute(kernels, graph_nodes(graph), optimised)
    assert coverage > 0.95
    assert abs(sum(one.share for one in shares) - 1) < 1e-9
    conv2 = sum(one.share for one in shares if one.node in ("conv/2", "relu/2"))
    assert conv2 > 0.4  # it has most of the arithmetic
