"""Somebody who says that he is the cloud of the plan: whatever he answers, callers get right answers, and in time."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import lepton_edge
from lepton_edge.core.frames import Frame, FrameKind, WireError
from lepton_edge.core.links import LinkHello
from lepton_edge.link import link
from lepton_edge.wire import tensors
from tests.journeys.conftest import House, until
from tests.journeys.models import small_model

pytestmark = [pytest.mark.journey, pytest.mark.measured]
INSECURE = True  # it speaks for itself, and in the open

Answers = Callable[[Frame], list[Frame]]


class Deployed:
    """A board whose cloud has died, a question, and its right answer."""

    def __init__(self, house: House) -> None:
        self.house = house
        path = house.directory / "small.onnx"
        onnx.save(small_model(), str(path))
        self.x = np.random.default_rng(1).standard_normal((1, 3, 32, 32)).astype(np.float32)
        self.y = onnxruntime.InferenceSession(str(path)).run(None, {"x": self.x})[0]
        control = house.start_coordinator()
        self.board = house.start_agent("board", "board")
        house.start_agent("cloud", "cloud")
        with lepton_edge.Client(control) as client:
            client.push("small", path)
            client.deploy("small", devices=("board", "cloud"))
        house.kill("cloud")
        until(lambda: "peer lost" in house.log("board"))


@pytest.fixture(scope="module")
def deployed(lasting: House) -> Iterator[Deployed]:
    yield Deployed(lasting)
    assert lasting.processes["board"].poll() is None
    assert "Traceback" not in (lasting.directory / "board.log").read_text()


@contextlib.asynccontextmanager
async def impostor(board: str, answers: Answers) -> AsyncIterator[list[Frame]]:
    """Be "cloud" for a while; yield what was asked."""
    asked: list[Frame] = []

    async def handle(here: link.Link, frame: Frame) -> None:
        if frame.kind is FrameKind.REQUEST:
            asked.append(frame)
            for answer in answers(frame):
                await here.send(answer)

    here = await link.dial(board, LinkHello("agent", "cloud"), handle)
    try:
        yield asked
    finally:
        await here.close()


def answer(asked: Frame, *carried: Any, **fields: Any) -> Frame:
    made = Frame(FrameKind.REPLY, asked.request_id, attempt=asked.attempt, tensors=tuple(carried))
    return dataclasses.replace(made, **fields)


def refusal(asked: Frame) -> Frame:
    return answer(asked, kind=FrameKind.ERROR, error=WireError("compute_failed", "no"))


def lies(y: Any) -> dict[str, Answers]:
    right = tensors.pack("y", y)
    return {
        "no tensors": lambda asked: [answer(asked)],
        "another tensor": lambda asked: [answer(asked, tensors.pack("z", y))],
        "another dtype": lambda asked: [answer(asked, tensors.pack("y", y.astype(np.float64)))],
        "no error": lambda asked: [answer(asked, kind=FrameKind.ERROR)],
        "a probe's reply": lambda asked: [answer(asked, kind=FrameKind.PROBE_REPLY)],
        "an error, then the answer": lambda asked: [refusal(asked), answer(asked, right)],
        "the answer twice": lambda asked: [answer(asked, right)] * 2,
        "what was never asked": lambda asked: [answer(asked, right, request_id="f" * 32)],
        "another attempt": lambda asked: [answer(asked, right, attempt=9)],
        "the question": lambda asked: [asked],
        "nothing": lambda asked: [],
    }  # fmt: skip


@pytest.mark.parametrize("which", list(lies(np.zeros((1, 10), np.float32))))
async def test_what_an_impostor_answers_is_the_answer_or_a_reason_to_answer_here(
    deployed: Deployed, which: str
) -> None:
    async with (
        impostor(deployed.board, lies(deployed.y)[which]) as asked,
        lepton_edge.AsyncClient(deployed.board, retries=0) as client,
    ):
        for _ in itertools.repeat(None, 2):
            result = await client.infer("small", {"x": deployed.x}, page="cloud-raw", deadline=5.0)
            np.testing.assert_allclose(result["y"], deployed.y, rtol=1e-4, atol=1e-5)
        assert asked, "it was asked"
        assert result.page == ("cloud-raw" if which == "the answer twice" else "local")
    await asyncio.sleep(0.1)
