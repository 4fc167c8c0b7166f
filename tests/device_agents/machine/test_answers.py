"""How a request ends, and what is remembered of it."""

from __future__ import annotations

from device_agents.machine import step
from device_agents.machine.commands import Fail, Reply, RunSegment
from device_agents.machine.events import SegmentDone, SegmentFailed
from lepton_edge.core.frames import WireError


def test_a_reply_repeats_what_correlates_it_and_keeps_the_order_of_the_outputs(world) -> None:
    state = world.agent(simulated_slowdown=4.0)
    fields = {"page": "local", "attempt": 2, "traceparent": "00-1-2-01"}
    run = world.only(world.ask(state, **fields), RunSegment)
    outputs = (world.tensor("y@indices", "int64", (1, 5)), world.tensor("y@scores", "float32", (1, 5)))
    frame = world.only(step(state, SegmentDone(run.work, 1, outputs=outputs), 0.2), Reply).frame
    assert (frame.request_id, frame.attempt, frame.traceparent, frame.model) == ("r1", 2, "00-1-2-01", "net")
    assert [tensor.name for tensor in frame.tensors] == ["y@scores", "y@indices"]
    assert (frame.hops[0].simulated_slowdown, frame.reason) == (
        4.0,
        "this page was asked for (board alone)",
    )


def test_an_error_frame_names_the_device_and_what_it_answers(world) -> None:
    state = world.agent()
    run = world.only(world.ask(state, attempt=1), RunSegment)
    error = WireError("compute_failed", "broke", fault="device", retryable=True)
    frame = world.only(step(state, SegmentFailed(run.work, 1, error), 0.1), Fail).frame
    assert (frame.request_id, frame.attempt, frame.error.device) == ("r1", 1, "board")


def test_only_others_faults_count_as_failures(world) -> None:
    state = world.agent()
    for number, fault in enumerate(["caller", "device", "network"]):
        run = world.only(world.ask(state, request_id=f"r{number}"), RunSegment)
        step(state, SegmentFailed(run.work, 1, WireError("x", "", fault=fault)), 0.1)
    assert (state.failed, state.served) == (2, 0)
