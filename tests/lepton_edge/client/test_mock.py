"""An application's test against the mock sees what it would see over a network."""

from __future__ import annotations

import numpy as np
import pytest

from lepton_edge import errors
from lepton_edge.client import AsyncClient, Client, MockTransport
from lepton_edge.client.mock import failure, reply
from lepton_edge.core.frames import Frame, FrameKind, LabelScore
from lepton_edge.core.messages import AdminEvent, Document, ListDevices

X = np.arange(3, dtype=np.float32)


def test_an_answer_is_a_result_and_the_question_is_kept() -> None:
    labels = (LabelScore("y", 0, 7, "seven", 0.5),)
    transport = MockTransport(lambda frame: reply(frame, {"y": X * 2}, labels, page="cut-3"))
    with Client(transport=transport) as client:
        result = client.infer("net", {"x": X})
        pinned = client.infer("net", {"x": X}, page="local")
    np.testing.assert_array_equal(result["y"], [0, 2, 4])
    assert (result.page, pinned.page, result.epoch) == ("cut-3", "local", 1)
    assert result.labels == labels
    asked, again = transport.frames
    assert (asked.model, asked.tensors[0].name, again.page) == ("net", "x", "local")
    assert result.request_id == asked.request_id != again.request_id


async def test_an_answer_may_be_awaited() -> None:
    async def answer(frame: Frame) -> Frame:
        return reply(frame, {"y": X})

    async with AsyncClient(transport=MockTransport(answer)) as client:
        np.testing.assert_array_equal((await client.infer("net", {"x": X}))["y"], X)


@pytest.mark.parametrize("error", [errors.UnknownModel("no net", "push it"), errors.Unavailable("link lost")])
def test_an_error_is_raised_as_its_type_with_its_hint(error: errors.LeptonError) -> None:
    def refuse(frame: Frame) -> Frame:
        raise error

    for answer in (refuse, lambda frame: failure(frame, error)):
        with Client(transport=MockTransport(answer)) as client, pytest.raises(type(error)) as raised:
            client.infer("net", {"x": X})
        assert (raised.value.message, raised.value.hint) == (error.message, error.hint)
        assert raised.value.retryable == error.retryable


def test_frames_answer_their_question() -> None:
    asked = Frame(FrameKind.REQUEST, "r1", model="net", epoch=4, page="cut-2", attempt=3)
    told, failed = reply(asked, {}), failure(asked, errors.Overloaded("full", "wait"))
    assert (told.kind, failed.kind) == (FrameKind.REPLY, FrameKind.ERROR)
    for frame in (told, failed):
        assert (frame.request_id, frame.attempt, frame.model) == ("r1", 3, "net")
    assert (told.epoch, told.page) == (4, "cut-2")
    assert failed.error is not None
    assert (failed.error.code, failed.error.hint, failed.error.retryable) == ("overloaded", "wait", True)


def test_admin_calls_are_answered_and_kept() -> None:
    events: list[AdminEvent] = [Document("lepton-edge/devices/1", '{"devices": []}')]
    transport = MockTransport(lambda frame: frame, admin=lambda calls: events)
    with Client(transport=transport) as client:
        assert client.devices() == {"devices": []}
    assert transport.calls == [ListDevices()]


def test_a_mock_without_a_coordinator_says_how_to_get_one() -> None:
    with (
        Client(transport=MockTransport(lambda frame: frame)) as client,
        pytest.raises(errors.NotFound) as raised,
    ):
        client.devices()
    assert "admin=" in raised.value.hint


def test_closing_the_client_closes_it() -> None:
    transport = MockTransport(lambda frame: frame)
    with Client(transport=transport):
        assert not transport.closed
    assert transport.closed
