"""What people ask of a plan that is active, as the deployment that does it.

Law: pure functions of the state. A model has an active plan for each of its boards; who names no board means the only
one, and is told the names where there are several.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from lepton_edge.coordinator.records import EpochRecord
from lepton_edge.coordinator.state import State
from lepton_edge.core.errors import NotFound, RequestError
from lepton_edge.core.messages import Deploy, PinPlan, WhatIf
from partitioner.units import DeviceId, ModelName


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


def again(state: State, record: EpochRecord, without: Collection[DeviceId] = ()) -> Deploy:
    """Return the request that deploys on the devices of `record` what it was asked for.

    Where its cloud is away, or among those that it shall do `without`, the best of its replicas takes the cloud's
    place; where there is none, the cloud is as it was asked for: a name, or the planner's choice.
    """
    asked = record.request or Deploy(record.model)
    there = {device.name for device in state.connected("cloud")} - set(without)
    clouds = [name for name in (record.cloud, *record.replicas) if name in there]
    kept = DeviceId("") if asked.cloud in without else asked.cloud
    replicas = tuple(name for name in asked.replicas if name not in without)
    return dataclasses.replace(
        asked, board=record.board or asked.board, cloud=clouds[0] if clouds else kept, replicas=replicas
    )


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
