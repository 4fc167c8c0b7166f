"""What people ask of a plan that is active, as the deployment that does it.

Law: pure functions of the state. A model has an active plan for each of its boards; who names no board means the only
one, and is told the names where there are several.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from lepton_edge.coordinator import placement
from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import NOBODY, Deployment, State
from lepton_edge.core.errors import NotFound, RequestError
from lepton_edge.core.messages import Deploy, MoveModel, PinPlan, WhatIf
from partitioner.units import Bytes, DeviceId, ModelName


def active(state: State, model: ModelName, board: DeviceId) -> EpochRecord | None:
    """Return the active epoch that is meant by a model and a board (empty: the only one); None when none is active.

    Raises:
        NotFound: it is active, but not for this board.
        RequestError: it is active for several boards, and none is named.
    """
    there = state.active_epochs(model)
    if not board and len(there) <= 1:
        return there[0] if there else None
    found = next((record for record in there if board and record.board == board), None)
    if found is not None or not there:
        return found
    names = ", ".join(record.board or "(clouds alone)" for record in there)
    if board:
        raise NotFound(f"no plan of {model!r} is active for {board!r}", f"it is active for: {names}")
    raise RequestError(f"{model!r} is active for {names}", "name one of them: --device board=NAME")


def wish(record: EpochRecord) -> Deploy:
    """Return what a person asked for, from which `record` was made; where nobody remembers it, just the model."""
    return record.request or Deploy(record.model)


def activating(record: EpochRecord, cause: str, why: str) -> Deployment:
    """Return the deployment that activates an epoch which its devices hold ready."""
    run = Deployment(cause, NOBODY, "activate", wish(record), phase="activating", version=record.version)
    run.record, run.why = record, why
    run.board, run.cloud = record.board or None, record.cloud or None
    return run


def again(state: State, record: EpochRecord, without: Collection[DeviceId] = ()) -> Deploy:
    """Return the request that deploys on the devices of `record` what it was asked for.

    Where its cloud is away, or among those that it shall do `without`, the best of its replicas takes the cloud's
    place; where there is none, the cloud is as it was asked for: a name, or the planner's choice. Replicas are those
    that are there; the cloud that was asked for is one of them while another has its place.
    """
    asked = wish(record)
    there = {device.name for device in state.connected("cloud") if device.name not in state.drains} - set(
        without
    )
    clouds = [name for name in (record.cloud, *record.replicas) if name in there]
    kept = DeviceId("") if asked.cloud in without else asked.cloud
    cloud = clouds[0] if clouds else kept
    return dataclasses.replace(
        asked, board=record.board or asked.board, cloud=cloud, replicas=_stand_ins(asked, cloud, there)
    )


def _stand_ins(asked: Deploy, cloud: DeviceId, there: Collection[DeviceId]) -> tuple[DeviceId, ...]:
    if not asked.replicas or placement.EVERY in asked.replicas:
        return asked.replicas
    first = (asked.cloud,) if asked.cloud != cloud else ()
    return tuple(name for name in dict.fromkeys((*first, *asked.replicas)) if name in there)


def as_asked(record: EpochRecord | None, request: Deploy, without: str = "") -> Deploy:
    """Return a request made of `record` with the choice of clouds that its person left open.

    A device that it shall do `without`, if one is named, is no part of that choice any more.
    """
    if record is None:
        return request
    asked = wish(record)
    cloud = asked.cloud if asked.cloud != without else DeviceId("")
    replicas = tuple(name for name in asked.replicas if name != without)
    return dataclasses.replace(request, cloud=cloud, replicas=replicas)


def may_serve(record: EpochRecord, cloud: DeviceId) -> bool:
    """Return whether a person's request lets `cloud` take the cloud's part in what `record` runs."""
    asked = wish(record)
    if not asked.cloud or placement.EVERY in asked.replicas:
        return True
    return cloud in (asked.cloud, *asked.replicas, *record.replicas)


def may_stand_in(record: EpochRecord, cloud: DeviceId) -> bool:
    """Return whether a person's request wants `cloud` to stand in for the cloud of `record`."""
    asked = wish(record)
    if not asked.replicas or cloud == record.cloud:
        return False
    return placement.EVERY in asked.replicas or cloud in (asked.cloud, *asked.replicas)


def pinned(state: State, asked: PinPlan) -> Deploy:
    """Return the active plan's request with the split or page that is asked for instead of the one before.

    Raises NotFound, RequestError: which plan is not to be told.
    """
    record = active(state, asked.name, asked.board)
    if record is None:
        if asked.name not in state.models:
            return Deploy(asked.name)  # who begins it says that there is no such model
        raise NotFound(f"no plan of {asked.name!r} is active", f"deploy it: lepton-edge deploy {asked.name}")
    before = again(state, record)
    wishes = dataclasses.replace(before.wishes, own_cut=asked.behind)
    return dataclasses.replace(before, page=asked.page, wishes=wishes, dry_run=asked.dry_run, refresh=False)


def relocated(state: State, asked: MoveModel) -> tuple[Deploy, EpochRecord]:
    """Return the request that deploys on one device what another runs of a model, and the epoch that ends with it.

    What was declared of the device that it leaves (memory, watts, missing operators) is not the other one's.

    Raises:
        NotFound: the model is not active there, or the target is unknown.
        RequestError: several boards use that cloud, or the two are not of one role.
    """
    record = _part_of(state, asked)
    role = "board" if asked.source == record.board else "cloud"
    target = state.devices.get(asked.target)
    if target is None:
        raise NotFound(f"no device is called {asked.target!r}", "see: lepton-edge device list")
    if target.hello.role != role or asked.target == asked.source:
        raise RequestError(
            f"{asked.source!r} is a {role} of {asked.name!r}, {asked.target!r} cannot take its place",
            f"name another {role}",
        )
    before = again(state, record, without=() if role == "board" else (asked.source,))
    before = dataclasses.replace(
        before, refresh=False, replicas=tuple(name for name in before.replicas if name != asked.target)
    )
    if role == "board":
        bare = dataclasses.replace(before.wishes, board_memory=Bytes(0), board_watts=0.0, board_lacks=())
        return dataclasses.replace(before, board=asked.target, wishes=bare), record
    bare = dataclasses.replace(before.wishes, cloud_memory=Bytes(0), cloud_watts=0.0, cloud_lacks=())
    return dataclasses.replace(before, cloud=asked.target, wishes=bare), record


def _part_of(state: State, asked: MoveModel) -> EpochRecord:
    """Return the one active epoch of a model in which `source` has the part that is to be moved."""
    found = [one for one in state.active_epochs(asked.name) if asked.source in (one.board, one.cloud)]
    if asked.board:
        found = [one for one in found if one.board == asked.board]
    if not found:
        raise NotFound(
            f"{asked.name!r} is not active on {asked.source!r}", f"see: lepton-edge model show {asked.name}"
        )
    if len(found) > 1:
        names = ", ".join(one.board or "(clouds alone)" for one in found)
        raise RequestError(f"{asked.source!r} runs {asked.name!r} for {names}", "name one of them as well")
    return found[0]


def supposed(state: State, asked: WhatIf) -> Deploy:
    """Return the active plan's request by other wishes; a pin of it does not count. Raises NotFound, RequestError."""
    record = active(state, asked.name, asked.board)
    before = Deploy(asked.name, board=asked.board) if record is None else again(state, record)
    free = dataclasses.replace(before.wishes, own_cut="")
    keep = before.keep_input_on_board if asked.keep_input_on_board is None else asked.keep_input_on_board
    return dataclasses.replace(
        before,
        keep_input_on_board=keep,
        wishes=asked.wishes.over(free),
        page="",
        dry_run=True,
        refresh=False,
    )
