"""A transport without a network, to test an application against.

Law: no I/O, no threads, no knowledge of models. The application's test says what is answered.

    def answer(frame: Frame) -> Frame:
        return reply(frame, {"logits": numpy.zeros((1, 1000), "float32")})

    client = lepton_edge.Client(transport=MockTransport(answer))
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

from lepton_edge.core.errors import LeptonError, NotFound
from lepton_edge.core.frames import Frame, FrameKind, LabelScore, WireError
from lepton_edge.core.messages import AdminCall, AdminEvent
from lepton_edge.core.results import Array
from lepton_edge.wire import tensors
from partitioner.units import Epoch, PageName, TensorName

Answer = Callable[[Frame], "Frame | Awaitable[Frame]"]
AdminAnswer = Callable[[list[AdminCall]], Iterable[AdminEvent]]


class MockTransport:
    """Answers frames by `answer` and admin calls by `admin`; `frames` and `calls` keep what was asked.

    A LeptonError that `answer` raises reaches the application as it would over a network: `Unavailable` as a
    broken link, any other as the far side's ERROR frame (`failure(frame, error)` makes one by hand).
    """

    def __init__(self, answer: Answer, admin: AdminAnswer | None = None) -> None:
        self.answer = answer
        self.admin_answer = admin
        self.frames: list[Frame] = []
        self.calls: list[AdminCall] = []
        self.closed = False

    async def call(self, frame: Frame) -> Frame:
        """Return what `answer` returns for `frame`."""
        self.frames.append(frame)
        answered = self.answer(frame)
        return await answered if inspect.isawaitable(answered) else answered

    async def admin(self, calls: AsyncIterator[AdminCall]) -> AsyncIterator[AdminEvent]:
        """Yield what the admin answer yields for the whole call."""
        asked = [call async for call in calls]
        self.calls.extend(asked)
        if self.admin_answer is None:
            raise NotFound("this mock has no coordinator", "give MockTransport(answer, admin=...)")
        for event in self.admin_answer(asked):
            yield event

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


def reply(
    frame: Frame, outputs: Mapping[str, Array], labels: tuple[LabelScore, ...] = (), page: str = "local"
) -> Frame:
    """Return the REPLY frame that answers `frame` with these arrays."""
    return Frame(
        kind=FrameKind.REPLY,
        request_id=frame.request_id,
        model=frame.model,
        epoch=Epoch(frame.epoch or 1),
        page=frame.page or PageName(page),
        attempt=frame.attempt,
        metadata=dict(frame.metadata),
        tensors=tuple(tensors.pack(TensorName(name), array) for name, array in outputs.items()),
        labels=labels,
    )


def failure(frame: Frame, error: LeptonError) -> Frame:
    """Return the ERROR frame that answers `frame` with `error`."""
    wait = round(error.retry_after * 1e3)
    told = WireError(error.code, error.message, error.hint, error.fault, error.retryable, retry_after_ms=wait)
    return Frame(
        kind=FrameKind.ERROR,
        request_id=frame.request_id,
        model=frame.model,
        attempt=frame.attempt,
        error=told,
    )
