"""What a deployment measures of variants: where they may run, once, and without failing because of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.core import messages as m
from lepton_edge.core.frames import WireError

INT8 = "net-int8"
OWN = m.Wishes(board_variant="net", cloud_variant="net")
REFUSED = WireError("unsupported_operator", "no such kernel")


@pytest.fixture
def house(pair: Any, make: Any) -> Any:
    """A board and a cloud, and a model with a variant."""
    pair.push(dataclasses.replace(make.model(INT8), variant_of="net"))
    pair.answer = make.answer
    return pair


def measured(world: Any) -> list[tuple[str, str]]:
    return [(model, device) for model, _, device in world.state.profiles]


def trials(world: Any) -> list[str]:
    return [one.model for one in world.log if isinstance(one, c.MakeTrial)]


def run_without(world: Any, *, cutting: bool = False) -> None:
    """Let everybody answer, but nobody measure the variant, or, with `cutting`, even cut it."""
    while world.said or world.work:
        if world.work:
            job = world.work[0]
            if cutting and getattr(job, "model", "") == INT8:
                world.work.pop(0)
                world.do(e.WorkFailed(job.cause, job.job, REFUSED))
            else:
                world.work_done()
            continue
        stream, message = world.said.pop(0)
        refuses = isinstance(message, m.ProfileCommand) and message.model == INT8
        reply = (
            m.Outcome(message.command, REFUSED) if refuses else world.answer(message, world.device(stream))
        )
        if reply is not None:
            world.hear(stream, reply)


def test_a_deployment_measures_the_variants_behind_the_model_and_offers_them(house: Any) -> None:
    house.deploy()
    house.run()
    assert trials(house) == ["net", "net", INT8, INT8]
    assert measured(house) == [(name, device) for name in ("net", INT8) for device in ("board", "cloud")]
    (offered,) = house.ordered[-1].variants
    assert (offered.board.device, offered.cloud.device) == ("board", "cloud")
    house.deploy()
    house.run()
    assert len(trials(house)) == 4, "what is measured is not measured again"
    house.deploy(refresh=True)
    house.run()
    assert trials(house)[4:] == ["net", "net", INT8, INT8]


@pytest.mark.parametrize(
    ("wishes", "where"),
    [
        ({"board_variant": INT8, "cloud_variant": "net"}, ["board"]),
        ({"cloud_variant": INT8}, ["board", "cloud"]),
        ({"board_variant": "net", "cloud_variant": "net"}, []),
        ({"measure": False}, []),
    ],
)
def test_only_what_may_run_there_is_measured(house: Any, wishes: dict[str, Any], where: list[str]) -> None:
    house.deploy(dry_run=True, wishes=OWN)
    house.run()
    house.deploy(wishes=m.Wishes(**wishes))
    house.run()
    assert [device for model, device in measured(house) if model == INT8] == where


def test_a_replan_and_a_profile_measure_no_variants(house: Any) -> None:
    house.deploy(wishes=OWN)
    house.run()
    house.call(lambda cause, call: e.ProfileAsked(cause, call, "net", True))
    house.run()
    house.do(e.Detached("x", house.state.devices["cloud"].stream))
    house.run()
    assert INT8 not in trials(house)


@pytest.mark.parametrize("cutting", [False, True])
def test_a_variant_that_cannot_be_measured_is_passed_over_and_that_is_said(house: Any, cutting: bool) -> None:
    call = house.deploy()
    run_without(house, cutting=cutting)
    assert isinstance(house.answer_of(call), c.Finish)
    assert {model for model, _ in measured(house)} == {"net"}
    assert house.ordered[-1].variants == ()
    said = [told.progress.message for told in house.told]
    for device in ("board", "cloud"):
        assert f"not {INT8} on {device}: no such kernel" in said
