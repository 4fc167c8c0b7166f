"""The client for asyncio: every call of the SDK, written once.

Law: owns deadlines, the bound on calls in flight, and the client's clock; speaks nouns to a `Transport` and
nothing of sockets or protobuf. `sync.py` is a thin face over this class.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from lepton_edge.client import admin
from lepton_edge.client.admin import OnProgress
from lepton_edge.client.exchange import (
    LONGEST_DEADLINE,
    Input,
    Times,
    Wanted,
    aged,
    outputs_of,
    refuse_error,
    refuse_odd_texts,
    request_frame,
    result_of,
)
from lepton_edge.client.remote import RemoteTransport
from lepton_edge.client.transport import Transport
from lepton_edge.client.upload import Push, parts, upload
from lepton_edge.core import messages
from lepton_edge.core.errors import DeadlineExceeded, Overloaded, RequestError
from lepton_edge.core.frames import Frame
from lepton_edge.core.messages import AdminCall, Wishes
from lepton_edge.core.results import Result
from partitioner.units import DeviceId, Epoch, ModelName, RequestId

MAX_IN_FLIGHT = 64
MAX_WAITING = 1024
PATIENCE = 60.0
NO_WISHES = Wishes()


class AsyncClient:
    """Asks models questions, and the coordinator for everything else.

    Args:
        address: "host:port" of an agent (which then is the entry), or of a coordinator (whose best entry is
            asked; one on this machine first). None looks for an agent here, a coordinator here, then asks
            mDNS.
        transport: replaces the network, see `MockTransport`.
        max_in_flight: inferences in flight at once; further calls wait, up to 1,024 of them, within their
        deadline. patience: seconds after which an inference without a deadline fails; it is not told to the
        agents.

    One warm link is kept and dialled anew when it breaks. A client belongs to the event loop that first uses
    it.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        transport: Transport | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
        patience: float = PATIENCE,
    ) -> None:
        self._transport: Transport = transport or RemoteTransport(address)
        self._slots = asyncio.Semaphore(max_in_flight)
        self._waiting = 0
        self._patience = patience
        self._closed = False

    async def __aenter__(self) -> AsyncClient:
        """Return the client itself; nothing is dialled before the first call."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Give back links and channels; calls in flight end with Unavailable. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            await self._transport.close()

    # --- inference ------------------------------------------------------------------------------------------

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, Input],
        *,
        outputs: Sequence[str] = (),
        deadline: float | None = None,
        page: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Result:
        """Run `model` on `inputs` and return its answer; its arrays are read-only (copy to change them).

        Args:
            model: the name that it was pushed under.
            inputs: by input name, an array of the input's dtype and shape; where the manifest declares a
                picture, also a uint8 [height, width, 3] array, the bytes of a JPEG or PNG, or a path to one.
            outputs: names of wanted outputs, all when empty; one name may be given as it is.
            deadline: seconds from now within which the answer must be here.
            page: pins one page of the active plan book ("local", "cloud-jpeg", "cut-3", ...).
            metadata: strings that travel along to every stage, and come back in the result's metadata; 64
                entries and 16 KiB at most.

        Raises:
            InvalidInput: wrong name, dtype, shape, NaN in an input, or a picture that cannot be decoded.
            UnknownModel, UnknownPage: no such thing is active.
            DeadlineExceeded: the deadline, or the client's patience, is over; the request was cancelled.
            Overloaded: too many calls wait; try again later.
            Unavailable: nobody can answer.
        """
        started = time.monotonic()
        names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        wanted = Wanted(names, deadline, page, metadata=metadata or {})
        limit = self._time_limit(deadline)
        try:
            return await asyncio.wait_for(self._infer(model, inputs, wanted, started), limit)
        except asyncio.TimeoutError as error:
            raise _too_late(model, limit, deadline) from error

    def _time_limit(self, deadline: float | None) -> float:
        if self._closed:
            raise RequestError("this client is closed", "make a new one")
        if deadline is not None and not deadline > 0:
            raise DeadlineExceeded(f"the deadline of {deadline} s is already past", "give seconds from now")
        return self._patience if deadline is None else min(deadline, LONGEST_DEADLINE)

    async def _infer(self, model: str, inputs: Mapping[str, Input], wanted: Wanted, started: float) -> Result:
        request = RequestId(uuid.uuid4().hex)
        frame = request_frame(request, model, inputs, wanted)
        await self._take_slot()
        try:
            sent = time.monotonic()
            answer = await self._transport.call(aged(frame, sent - started))
            answered = time.monotonic()
        finally:
            self._slots.release()
        return _result(answer, started, sent, answered)

    async def _take_slot(self) -> None:
        if self._waiting >= MAX_WAITING:
            raise Overloaded(
                f"{MAX_WAITING} calls of this client wait already", "slow down, or use more clients"
            )
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    # --- the coordinator ------------------------------------------------------------------------------------

    async def push(
        self,
        name: str,
        path: str | Path,
        *,
        manifest: str | Path | None = None,
        samples: str | Path | None = None,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Upload the ONNX file at `path` as `name` and compile it; return the model's document.

        Args:
            name: what applications will ask for.
            path: an ONNX file.
            manifest: a TOML manifest; the label files that it names are taken from beside it.
            samples: a directory of pictures or arrays, or one .npz: what codec losses are measured on.
            shapes: sizes for inputs with symbolic dimensions, by input name.
            progress: called for each step, on the event loop.

        Raises:
            InvalidInput: a file is missing.
            InvalidModel, UnsupportedOperator, InvalidManifest: as the names say.
        """
        refuse_odd_texts(name, *(shapes or {}))
        push = Push(name, Path(path), _path(manifest), _path(samples), shapes)
        return await self._ask(upload(push, parts(push)), "model", progress)

    async def deploy(
        self,
        name: str,
        *,
        keep_input_on_board: bool = False,
        dry_run: bool = False,
        page: str = "",
        devices: tuple[str, str] = ("", ""),
        wishes: Wishes = NO_WISHES,
        refresh: bool = False,
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Measure what is missing, plan, prepare the devices and activate; return the deployment's document.

        Args:
            name: a pushed model.
            keep_input_on_board: neither the input nor anything that gives it away may leave the board.
            dry_run: plan only.
            page: pin this page instead of the best.
            devices: (board, cloud) by name; "" lets the coordinator choose.
            wishes: what the plan shall be good at, and what it may not do; kept with the deployment.
            refresh: measure again what is measured.
            progress: called for each step, on the event loop.

        Raises:
            UnknownModel: not pushed.
            NoFeasiblePlan, ModelTooLarge: no plan meets the limits; says which, and by how much.
            PrepareFailed: a device could not; what was active stays so.
        """
        refuse_odd_texts(name, page, *devices, *wishes.texts)
        board, cloud = DeviceId(devices[0]), DeviceId(devices[1])
        call = messages.Deploy(
            _model(name), keep_input_on_board, dry_run, board, cloud, page, wishes, refresh
        )
        return await self._ask(admin.only(call), "deployment", progress)

    async def pin(
        self,
        name: str,
        *,
        behind: str = "",
        page: str = "",
        dry_run: bool = False,
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Deploy `name` as before but by this split or page; with neither, by the best again (unpin).

        Args:
            name: a deployed model.
            behind: a layer or a tensor: it and all it needs run on the board, the rest in the cloud.
            page: a page of the plan book.
            dry_run: plan only: what the split would cost.
            progress: called for each step, on the event loop.

        Raises:
            NotFound: no plan of it is active.
            NoFeasiblePlan, InvalidProblem: the split cannot be; says why, and which names are near.
        """
        refuse_odd_texts(behind, page)
        call = messages.PinPlan(_model(name), behind, page, dry_run)
        return await self._ask(admin.only(call), "deployment", progress)

    async def what_if(
        self,
        name: str,
        *,
        link: messages.LinkChange | None = None,
        speeds: Mapping[str, float] | None = None,
        wishes: Wishes = NO_WISHES,
        keep_input_on_board: bool | None = None,
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Return what the plan of `name` would be if this were so, beside the active one; nothing changes.

        Args:
            name: a pushed model; its devices must have been measured, or a sibling of each.
            link: another link.
            speeds: how many times as fast a device would be, by "board", "cloud" or its name.
            wishes: put over those of the active plan.
            keep_input_on_board: whether the input stays there; None: as by the active plan.
            progress: called for each step, on the event loop.
        """
        refuse_odd_texts(*(speeds or {}), *wishes.texts)
        changes = tuple(messages.DeviceSpeed(DeviceId(who), times) for who, times in (speeds or {}).items())
        call = messages.WhatIf(_model(name), link, changes, wishes, keep_input_on_board)
        return await self._ask(admin.only(call), "what-if", progress)

    async def explain(self, name: str, epoch: int = 0) -> dict[str, Any]:
        """Return why the active plan of `name`, or that of a remembered epoch, is what it is."""
        return await self._ask(admin.only(messages.ExplainPlan(_model(name), Epoch(epoch))), "plan")

    async def profile(
        self, name: str, *, measure: bool = True, refresh: bool = False, progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """Return what was measured of `name` on every device; `measure` what was not yet, `refresh` all."""
        call = messages.ShowProfile(_model(name), measure, refresh)
        return await self._ask(admin.only(call), "profile", progress)

    async def models(self) -> dict[str, Any]:
        """Return the pushed models."""
        return await self._ask(admin.only(messages.ListModels()), "models")

    async def model(self, name: str) -> dict[str, Any]:
        """Return one pushed model: its inputs, outputs, weights and deployments."""
        return await self._ask(admin.only(messages.ShowModel(_model(name))), "model")

    async def remove(self, name: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Retire `name` on every device and delete it; or only say what that would end."""
        return await self._ask(admin.only(messages.RemoveModel(_model(name), dry_run)), "")

    async def devices(self) -> dict[str, Any]:
        """Return the registered devices."""
        return await self._ask(admin.only(messages.ListDevices()), "devices")

    async def status(self) -> dict[str, Any]:
        """Return everything that fits on one screen."""
        return await self._ask(admin.only(messages.ShowStatus()), "status")

    async def _ask(
        self, calls: AsyncIterator[AdminCall], schema: str, progress: OnProgress | None = None
    ) -> dict[str, Any]:
        if self._closed:
            raise RequestError("this client is closed", "make a new one")
        return await admin.document(self._transport.admin(calls), schema, progress)


def _model(name: str) -> ModelName:
    refuse_odd_texts(name)
    return ModelName(name)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def _too_late(model: str, limit: float, deadline: float | None) -> DeadlineExceeded:
    whose = "deadline" if deadline is not None else "patience of this client"
    return DeadlineExceeded(f"no answer from {model!r} within {limit:g} s ({whose})", "allow more time")


def _result(answer: Frame, started: float, sent: float, answered: float) -> Result:
    refuse_error(answer)
    arrays = outputs_of(answer)
    times = Times(sent - started, answered - sent, time.monotonic() - answered)
    return result_of(answer, arrays, times)
