"""What the asyncio client asks of a coordinator: models, plans, devices, what changed.

Law: makes a call, hands it to the transport, reads the document that ends it. Inference is `aio.py`'s.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lepton_edge.client import admin
from lepton_edge.client.admin import OnProgress
from lepton_edge.client.asking import Asker
from lepton_edge.client.exchange import refuse_odd_texts
from lepton_edge.client.transport import Transport
from lepton_edge.client.upload import Push, parts, upload
from lepton_edge.core import messages
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.keys import KeyCall
from lepton_edge.core.messages import AdminCall, Wishes
from partitioner.plan import QUEUE_POLICIES
from partitioner.units import DeviceId, Epoch, ModelName

NO_WISHES = Wishes()


class AsyncControl:
    """The calls to a coordinator; `AsyncClient` is one of these that also infers."""

    def __init__(self, transport: Transport, asker: Asker) -> None:
        self._transport = transport
        self._asker = asker

    async def push(
        self,
        name: str,
        path: str | Path,
        *,
        manifest: str | Path | None = None,
        samples: str | Path | None = None,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        bottlenecks: Sequence[str | Path] = (),
        variant_of: str = "",
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Upload the ONNX file at `path` as `name` and compile it; return the model's document.

        Args:
            name: what applications will ask for.
            path: an ONNX file, or a folder that `compress` wrote: its model and the manifest beside that.
            manifest: a TOML manifest; the label files that it names are taken from beside it.
            samples: a directory of pictures or arrays, or one .npz: what codec losses are measured on.
            shapes: sizes for inputs with symbolic dimensions, by input name.
            bottlenecks: folders of codecs that were trained for this very file (`compress --bottleneck`).
            variant_of: the model that this is another precision of; devices may run it in that one's place.
            progress: called for each step, on the event loop.

        Raises:
            InvalidInput: a file is missing.
            InvalidModel, UnsupportedOperator, InvalidManifest: as the names say.
        """
        refuse_odd_texts(name, variant_of, *(shapes or {}))
        folders = tuple(Path(one) for one in bottlenecks)
        push = Push(name, Path(path), _path(manifest), _path(samples), shapes, folders, variant_of)
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
        queue: str = "",
        replicas: Sequence[str] = (),
        fixed: bool = False,
        canary: float = 0.0,
        canary_requests: int = 0,
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Measure what is missing, plan, prepare the devices and activate; return the deployment's document.

        `name` is a pushed model; `dry_run` plans only, `refresh` measures again what is measured, `page` is
        pinned instead of the best. `devices` are (board, cloud) by name, "" for the coordinator's choice;
        `replicas` clouds that hold what the first holds and stand in for it, best first ("*": every other one).
        `keep_input_on_board` keeps the input and all that gives it away there; `wishes` say what the plan shall
        be good at, and what it may not do. `queue` is how one caller's requests wait: "block", "newest" or
        "oldest" ("": as the manifest says). `fixed`: nothing replans it by itself. `canary` above 0 is the
        share of requests that tries it first, beside the active version, until `canary_requests` (0: 100) are
        judged. `progress` is called for each step, on the event loop.

        Raises:
            UnknownModel, InvalidInput: not pushed; no such queue policy or share.
            NoFeasiblePlan, ModelTooLarge, PrepareFailed: says why; what was active stays so.
        """
        refuse_odd_texts(name, page, *devices, *replicas, *wishes.texts)
        _check_policy(queue)
        _check_share(canary, canary_requests)
        (board, cloud), others = map(DeviceId, devices), tuple(map(DeviceId, replicas))
        asked = (_model(name), keep_input_on_board, dry_run, board, cloud, page, wishes, refresh, queue)
        call = messages.Deploy(*asked, others, canary, canary_requests, fixed)
        return await self._ask(admin.only(call), "deployment", progress)

    async def pin(
        self,
        name: str,
        *,
        behind: str = "",
        page: str = "",
        dry_run: bool = False,
        board: str = "",
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Deploy `name` as before but by this split or page; with neither, by the best again (unpin).

        Args:
            name: a deployed model.
            behind: a layer or a tensor: it and all it needs run on the board, the rest in the cloud.
            page: a page of the plan book.
            dry_run: plan only: what the split would cost.
            board: of several boards that it is active on, this one.
            progress: called for each step, on the event loop.

        Raises:
            NotFound: no plan of it is active.
            NoFeasiblePlan, InvalidProblem: the split cannot be; says why, and which names are near.
        """
        refuse_odd_texts(behind, page, board)
        call = messages.PinPlan(_model(name), behind, page, dry_run, DeviceId(board))
        return await self._ask(admin.only(call), "deployment", progress)

    async def what_if(
        self,
        name: str,
        *,
        link: messages.LinkChange | None = None,
        speeds: Mapping[str, float] | None = None,
        wishes: Wishes = NO_WISHES,
        keep_input_on_board: bool | None = None,
        board: str = "",
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Return what the plan of `name` would be if this were so, beside the active one; nothing changes.

        Args:
            name: a pushed model; its devices must have been measured, or a sibling of each.
            link: another link.
            speeds: how many times as fast a device would be, by "board", "cloud" or its name.
            wishes: put over those of the active plan.
            keep_input_on_board: whether the input stays there; None: as by the active plan.
            board: of several boards that it is active on, this one.
            progress: called for each step, on the event loop.
        """
        refuse_odd_texts(board, *(speeds or {}), *wishes.texts)
        changes = tuple(messages.DeviceSpeed(DeviceId(who), times) for who, times in (speeds or {}).items())
        call = messages.WhatIf(_model(name), link, changes, wishes, keep_input_on_board, DeviceId(board))
        return await self._ask(admin.only(call), "what-if", progress)

    async def explain(
        self, name: str, epoch: int = 0, *, board: str = "", privacy: bool = False
    ) -> dict[str, Any]:
        """Return why the active plan of `name`, or that of a remembered epoch, is what it is.

        Of several boards that it is active on, that of `board`; of the newest deployment where none is given.
        `privacy`: also how well the samples' pictures are reconstructed from what leaves the board.
        """
        refuse_odd_texts(board)
        call = messages.ExplainPlan(_model(name), Epoch(epoch), DeviceId(board), privacy)
        return await self._ask(admin.only(call), "plan")

    async def profile(
        self,
        name: str,
        *,
        measure: bool = True,
        refresh: bool = False,
        devices: Sequence[str] = (),
        progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Return what was measured of `name` on every device; `measure` what was not yet, `refresh` all.

        With `devices` only these are measured.
        """
        only = tuple(DeviceId(one) for one in devices)
        call = messages.ShowProfile(_model(name), measure, refresh, only)
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

    async def move(
        self, name: str, source: str, target: str, *, board: str = "", progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """Run on `target` what `source` runs of `name`; return the deployment's document when it does.

        What runs on `source` goes on until then; requests end where they began.

        Args:
            name: a deployed model.
            source: the board or the cloud that it leaves.
            target: another device of that role.
            board: of several boards that use the cloud `source`, this one.
            progress: called for each step, on the event loop.

        Raises:
            NotFound: it is not active on `source`, or there is no such target.
            PrepareFailed, Unavailable: the target could not; what was active stays so.
        """
        refuse_odd_texts(source, target, board)
        call = messages.MoveModel(_model(name), DeviceId(source), DeviceId(target), DeviceId(board))
        return await self._ask(admin.only(call), "deployment", progress)

    async def roll_back(
        self, name: str, *, board: str = "", progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """Let the version of `name` before run again, or end what is tried; at once, since it is kept prepared.

        Raises:
            NotFound: no version before is kept, or none is active.
            RequestError: it is active for several boards, and `board` names none.
        """
        call = messages.RollBack(_model(name), _device(board))
        return await self._ask(admin.only(call), "", progress)

    async def devices(self) -> dict[str, Any]:
        """Return the registered devices."""
        return await self._ask(admin.only(messages.ListDevices()), "devices")

    async def drain(
        self, device: str, *, undo: bool = False, force: bool = False, progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """Move what `device` runs elsewhere and place nothing new there; return when it is idle.

        Args:
            device: its name.
            undo: let it take part again instead; ends a quarantine, too.
            force: end even what nobody else can run.
            progress: called for each step, on the event loop.

        Raises:
            NotFound: no device is called so.
            Unavailable: nobody else can run what it runs; or the drain was undone meanwhile.
        """
        call = messages.DrainDevice(_device(device), undo, force)
        return await self._ask(admin.only(call), "device", progress)

    async def remove_device(
        self, device: str, *, force: bool = False, progress: OnProgress | None = None
    ) -> dict[str, Any]:
        """Drain `device` and forget it; its name can be used again. `force` does not wait for what it does."""
        return await self._ask(admin.only(messages.RemoveDevice(_device(device), force)), "device", progress)

    async def administer(self, call: KeyCall) -> dict[str, Any]:
        """Ask what `lepton_edge.core.keys` has: tokens to join with, devices that wait, keys; return its document.

        Raises:
            Unauthenticated, PermissionDenied: this client has no administrator's key.
            NotFound, InvalidInput, AlreadyExists: as the calls say.
        """
        return await self._ask(admin.only(call), "")

    async def status(self) -> dict[str, Any]:
        """Return everything that fits on one screen."""
        return await self._ask(admin.only(messages.ShowStatus()), "status")

    async def events(
        self, *, since: int = 0, age: float = 0.0, model: str = "", device: str = "", kind: str = ""
    ) -> dict[str, Any]:
        """Return what changed, by itself or by a person's word, oldest first: the newest thousand at most.

        Args:
            since: the serial of a change: only later ones.
            age: at most so many seconds ago; 0 for any.
            model: only what is about this model.
            device: only what is about this device.
            kind: only this kind, one of `lepton_edge.core.changes.KINDS`.
        """
        asked = messages.ShowEvents(since, age, False, ModelName(model), DeviceId(device), kind)
        return await self._ask(admin.only(_checked(asked)), "events")

    async def follow_events(
        self, *, since: int = 0, age: float = 0.0, model: str = "", device: str = "", kind: str = ""
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield what changed, as `events` has it, then every change as it comes, until the caller leaves.

        A change whose end was open is told again, under its serial, when it was measured or judged.
        """
        self._asker.check_usable()
        asked = messages.ShowEvents(since, age, True, ModelName(model), DeviceId(device), kind)
        told = admin.documents(self._transport.admin(admin.only(_checked(asked))), "event")
        async with contextlib.aclosing(told):
            async for change in told:
                yield change

    async def _ask(
        self, calls: AsyncIterator[AdminCall], schema: str, progress: OnProgress | None = None
    ) -> dict[str, Any]:
        self._asker.check_usable()
        return await admin.document(self._transport.admin(calls), schema, progress)


def _checked(asked: messages.ShowEvents) -> messages.ShowEvents:
    refuse_odd_texts(asked.model, asked.device, asked.kind)
    return asked


def _check_policy(queue: str) -> None:
    if queue not in ("", *QUEUE_POLICIES):
        raise InvalidInput(f"there is no queue policy {queue!r}", f"known are {', '.join(QUEUE_POLICIES)}")


def _check_share(canary: float, enough: int) -> None:
    if not 0 <= canary < 1 or enough < 0:
        raise InvalidInput(
            f"a canary takes a share of the requests, not {canary}, and needs no {enough} answers",
            "give a share between 0 and 1, such as 0.1",
        )


def _device(name: str) -> DeviceId:
    refuse_odd_texts(name)
    return DeviceId(name)


def _model(name: str) -> ModelName:
    refuse_odd_texts(name)
    return ModelName(name)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
