"""The asyncio client: deadlines, bounds, typed errors, documents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from lepton_edge.client import AsyncClient, MockTransport, asking, failure, reply
from lepton_edge.core import messages
from lepton_edge.core.errors import (
    DeadlineExceeded,
    IncompatibleVersion,
    InvalidInput,
    Overloaded,
    RequestError,
    Unavailable,
    UnknownModel,
)
from lepton_edge.core.frames import Frame, WireError
from lepton_edge.core.messages import AdminCall, AdminEvent, Document, Progress

X = {"x": np.ones(3, np.float32)}


def doubled(frame: Frame) -> Frame:
    return reply(frame, {"y": np.frombuffer(frame.tensors[0].payload, np.float32) * 2})


async def test_infer_asks_once_and_returns_the_answer() -> None:
    transport = MockTransport(doubled)
    async with AsyncClient(transport=transport) as client:
        result = await client.infer("net", X, metadata={"who": "me"})
    np.testing.assert_array_equal(result["y"], [2, 2, 2])
    (frame,) = transport.frames
    assert (frame.model, frame.metadata, frame.attempt) == ("net", {"who": "me"}, 0)
    assert result.request_id == frame.request_id
    assert len(frame.request_id) == 32
    assert transport.closed


async def test_a_client_says_whether_a_smaller_model_would_do() -> None:
    for accepted in (True, False):
        transport = MockTransport(doubled)
        await AsyncClient(transport=transport, accept_degraded=accepted).infer("net", X)
        assert transport.frames[0].degraded is accepted


async def test_one_output_may_be_named_as_it_is_and_a_deadline_be_endless() -> None:
    transport = MockTransport(doubled)
    await AsyncClient(transport=transport).infer("net", X, outputs="logits", deadline=float("inf"))
    assert transport.frames[0].outputs == ("logits",)


async def test_each_request_has_its_own_id() -> None:
    transport = MockTransport(doubled)
    client = AsyncClient(transport=transport)
    await asyncio.gather(*(client.infer("net", X) for _ in range(20)))
    assert len({frame.request_id for frame in transport.frames}) == 20


async def test_a_far_error_is_raised_as_its_type() -> None:
    client = AsyncClient(
        transport=MockTransport(lambda frame: failure(frame, UnknownModel("no net", "push it")))
    )
    with pytest.raises(UnknownModel, match="push it"):
        await client.infer("net", X)


@pytest.mark.parametrize("deadline", [0, -1, float("nan")])
async def test_a_deadline_already_past_sends_nothing(deadline: float) -> None:
    transport = MockTransport(doubled)
    with pytest.raises(DeadlineExceeded, match="already past"):
        await AsyncClient(transport=transport).infer("net", X, deadline=deadline)
    assert transport.frames == []


async def test_the_deadline_ends_a_silent_request_and_cancels_it() -> None:
    cancelled = asyncio.Event()

    async def silent(frame: Frame) -> Frame:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return frame

    with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
        await AsyncClient(transport=MockTransport(silent)).infer("net", X, deadline=0.05)
    assert cancelled.is_set()


async def test_patience_ends_a_silent_request_but_is_told_to_nobody() -> None:
    async def silent(frame: Frame) -> Frame:
        await asyncio.sleep(60)
        return frame

    transport = MockTransport(silent)
    with pytest.raises(DeadlineExceeded, match="patience"):
        await AsyncClient(transport=transport, patience=0.05).infer("net", X)
    assert transport.frames[0].remaining_ms == 0


async def test_calls_in_flight_are_bounded_and_waiting_takes_off_the_deadline() -> None:
    gate, busy, most = asyncio.Event(), 0, 0

    async def gated(frame: Frame) -> Frame:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await gate.wait()
        busy -= 1
        return doubled(frame)

    transport = MockTransport(gated)
    client = AsyncClient(transport=transport, max_in_flight=2)
    calls = [asyncio.create_task(client.infer("net", X, deadline=10)) for _ in range(6)]
    await asyncio.sleep(0.05)
    assert len(transport.frames) == 2
    gate.set()
    await asyncio.gather(*calls)
    assert most == 2
    assert transport.frames[0].remaining_ms == 10_000 or transport.frames[0].remaining_ms > 9_990
    assert transport.frames[5].remaining_ms < 9_980, "0.05 s were spent in the queue"


async def test_too_many_waiting_calls_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MAX_WAITING", 1)
    gate = asyncio.Event()

    async def gated(frame: Frame) -> Frame:
        await gate.wait()
        return doubled(frame)

    client = AsyncClient(transport=MockTransport(gated), max_in_flight=1)
    calls = [asyncio.create_task(client.infer("net", X)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded):
        await client.infer("net", X)
    gate.set()
    await asyncio.gather(*calls)


async def test_a_failed_call_gives_its_slot_back() -> None:
    client = AsyncClient(
        transport=MockTransport(lambda frame: failure(frame, Overloaded("full"))), max_in_flight=1
    )
    for _ in range(3):
        with pytest.raises(Overloaded, match="full"):
            await client.infer("net", X, deadline=1)


async def test_a_wrong_input_costs_nothing_on_the_network() -> None:
    transport = MockTransport(doubled)
    with pytest.raises(InvalidInput):
        await AsyncClient(transport=transport).infer("net", {"x": "text"})
    assert transport.frames == []


async def test_a_closed_client_says_so() -> None:
    client = AsyncClient(transport=MockTransport(doubled))
    await client.close()
    await client.close()
    with pytest.raises(RequestError, match="closed"):
        await client.infer("net", X)
    with pytest.raises(RequestError, match="closed"):
        await client.models()


def telling(*events: AdminEvent) -> MockTransport:
    def admin(calls: list[AdminCall]) -> Iterable[AdminEvent]:
        return events

    return MockTransport(doubled, admin)


async def test_a_document_ends_the_call_and_progress_is_shown() -> None:
    seen: list[Progress] = []
    step = Progress("c", "profile", 1, 2, "board")
    transport = telling(step, Document("lepton-edge/deployment/1", json.dumps({"epoch": 3})))
    client = AsyncClient(transport=transport)
    told = await client.deploy("net", keep_input_on_board=True, devices=("pi", ""), progress=seen.append)
    assert (told, seen) == ({"epoch": 3}, [step])
    assert transport.calls == [messages.Deploy("net", True, False, "pi", "", "")]  # type: ignore[arg-type]


async def test_a_coordinators_error_is_typed() -> None:
    client = AsyncClient(transport=telling(WireError("unknown_model", "no net", "push it first", "caller")))
    with pytest.raises(UnknownModel, match="push it first"):
        await client.explain("net")


async def test_a_conversation_without_an_answer_is_an_error() -> None:
    with pytest.raises(Unavailable, match="hung up"):
        await AsyncClient(transport=telling(Progress("c", "plan", 0, 0))).status()


async def test_a_document_of_another_version_is_refused() -> None:
    with pytest.raises(IncompatibleVersion, match="lepton-edge/models/2"):
        await AsyncClient(transport=telling(Document("lepton-edge/models/2", "{}"))).models()


async def test_push_sends_every_file_in_order(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"onnx")
    transport = telling(Document("lepton-edge/model/1", "{}"))
    await AsyncClient(transport=transport).push("net", tmp_path / "net.onnx", shapes={"x": (1, 3)})
    first, second = transport.calls
    assert first == messages.PushModel("net", (messages.ShapeBinding("x", (1, 3)),))  # type: ignore[arg-type]
    assert second == messages.Upload("model", b"onnx", last=True)


async def test_a_queue_policy_that_there_is_not_is_refused_before_anything_is_asked() -> None:
    client = AsyncClient(transport=MockTransport(reply))
    with pytest.raises(InvalidInput, match="no queue policy 'lifo'"):
        await client.deploy("net", queue="lifo")
