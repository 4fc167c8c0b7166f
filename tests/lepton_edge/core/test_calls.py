"""What a coordinator of an earlier minor version would overlook of a call."""

from __future__ import annotations

import pytest

from lepton_edge.core.calls import (
    AdminCall,
    Deploy,
    ExplainPlan,
    ListModels,
    PinPlan,
    PushModel,
    RemoveModel,
    ShowProfile,
    Upload,
    WhatIf,
    Wishes,
    least_minor,
)
from partitioner.units import Epoch, ModelName

NET = ModelName("net")


@pytest.mark.parametrize(
    "call",
    [
        ListModels(),
        PushModel(NET),
        Upload("model", b"x", True),
        RemoveModel(NET),
        ShowProfile(NET, measure=False),
        Deploy(NET, keep_input_on_board=True, dry_run=True, page="local"),
        ExplainPlan(NET),
    ],
    ids=lambda call: type(call).__name__,
)
def test_what_was_there_from_the_beginning_may_be_asked_of_all(call: AdminCall) -> None:
    assert least_minor(call) == 0


@pytest.mark.parametrize(
    "call",
    [
        RemoveModel(NET, dry_run=True),
        ShowProfile(NET, refresh=True),
        Deploy(NET, wishes=Wishes(max_loss=0.0)),
        Deploy(NET, refresh=True),
        ExplainPlan(NET, Epoch(3)),
        ExplainPlan(NET, privacy=True),
        PinPlan(NET),
        WhatIf(NET),
    ],
    ids=repr,
)
def test_what_came_later_may_not(call: AdminCall) -> None:
    assert least_minor(call) == 1
