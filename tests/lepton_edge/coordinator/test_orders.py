"""What a plan is ordered with: measured, stale and estimated profiles; wishes, pins and suppositions."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.limits import MAX_DOCUMENTS
from lepton_edge.core import messages as m
from partitioner.costs import DeviceProfile, Measurement

MIB = 1 << 20
ESTIMATES = m.Wishes(measure=False)


def trials(world: Any) -> int:
    return sum(isinstance(one, c.MakeTrial) for one in world.log)


def probed(make: Any, name: str, role: str = "board", probe: float = 0.01) -> m.Hello:
    hello: m.Hello = make.hello(name, role, probe=probe)
    return hello


def test_wishes_go_to_the_planner_and_stay_with_the_epoch(pair: Any) -> None:
    wishes = m.Wishes(throughput=1.0, max_loss=0.0, stay=("a",), board_memory=64 * MIB, board_watts=5.0)
    pair.deploy(wishes=wishes)
    pair.run()
    (order,) = pair.ordered
    assert dataclasses.replace(order.wishes) == wishes
    assert order.board_memory == 64 * MIB
    assert order.cloud_memory == 4096 * MIB, "what the device told"
    assert pair.state.epochs["net", 1].request.wishes == wishes


def test_declared_memory_is_never_more_than_the_device_has(pair: Any) -> None:
    pair.deploy(wishes=m.Wishes(board_memory=1 << 40))
    pair.run()
    assert pair.ordered[0].board_memory == 4096 * MIB


def test_watts_are_those_that_an_agent_told_unless_they_are_declared(world: Any, make: Any) -> None:
    world.attach(make.hello("board", watts=4.0, radio_watts=1.5))
    world.attach(make.hello("cloud", "cloud", watts=90.0))
    world.push()
    world.deploy(wishes=m.Wishes(cloud_watts=60.0))
    world.run()
    wishes = world.ordered[0].wishes
    assert (wishes.board_watts, wishes.cloud_watts, wishes.radio_watts) == (4.0, 60.0, 1.5)
    assert world.state.epochs["net", 1].request.wishes.board_watts == 0.0, "told anew at the next plan"


def test_refresh_measures_what_is_measured(pair: Any) -> None:
    pair.deploy()
    pair.run()
    assert trials(pair) == 2
    pair.deploy()
    pair.run()
    assert trials(pair) == 2
    pair.deploy(refresh=True)
    pair.run()
    assert trials(pair) == 4


@pytest.mark.parametrize("change", [{"threads": 2}, {"power_mode": "powersave"}, {"engine": "onnxruntime 2"}])
def test_a_profile_counts_while_the_device_is_as_it_was(pair: Any, make: Any, change: Any) -> None:
    pair.deploy()
    pair.run()
    known = pair.state.devices["board"].hello
    other = dataclasses.replace(
        known, incarnation="i2", hardware=dataclasses.replace(known.hardware, **change)
    )
    pair.attach(dataclasses.replace(known, incarnation="i1"))
    pair.deploy()
    pair.run()
    assert trials(pair) == 2
    pair.attach(dataclasses.replace(other, incarnation="i1"))
    pair.deploy()
    pair.run()
    assert trials(pair) == 3


def test_estimates_measure_nothing_and_name_the_sibling(world: Any, make: Any) -> None:
    for name, role in (("board", "board"), ("cloud", "cloud")):
        world.attach(probed(make, name, role, 0.02))
    world.push()
    world.deploy()
    world.run()
    world.attach(probed(make, "new", "cloud", probe=0.05))
    before = trials(world)
    world.deploy(cloud="new", wishes=ESTIMATES)
    world.run()
    assert trials(world) == before
    order = world.ordered[-1]
    assert (order.cloud, order.cloud_estimate.device) == (None, "new")
    assert order.cloud_estimate.sibling.device == "cloud", "the same role comes first"
    assert (order.cloud_estimate.probe_sibling, order.cloud_estimate.probe_device) == (0.02, 0.05)


def test_who_has_not_told_how_fast_it_is_is_asked_and_remembered(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    pair.attach(make.hello("new", "cloud"))
    pair.deploy(cloud="new", wishes=ESTIMATES)
    pair.run()
    asked = [
        one.message for one in pair.log if isinstance(one, c.Say) and isinstance(one.message, m.GaugeCommand)
    ]
    assert len(asked) == 3, "the new one, and who was measured"
    assert pair.ordered[-1].cloud_estimate.probe_device == 0.03
    kept = [
        one.hello.probe for one in pair.kept if isinstance(one, c.KeepDevice) and one.hello.device == "new"
    ]
    assert kept == [0.0, 0.03]
    pair.attach(make.hello("new", "cloud"))
    assert pair.state.devices["new"].hello.probe == 0.03, "the same device, come back"
    other = make.hello("new", "cloud", simulated_slowdown=2.0)
    pair.attach(other)
    assert pair.state.devices["new"].hello.probe == 0.0, "no longer the same"


def test_a_device_that_cannot_tell_its_speed_fails_the_deployment(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    stream = pair.attach(make.hello("new", "cloud"))
    call = pair.deploy(cloud="new", wishes=ESTIMATES)
    _, command = pair.next_said(m.GaugeCommand)
    pair.hear(stream, m.Gauged(command.command, 0.0))
    assert pair.answer_of(call).error.code == "profile_error"


def test_an_agent_of_before_gauging_is_not_asked_what_it_would_not_understand(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    pair.attach(make.hello("new", "cloud", protocol_minor=0))
    call = pair.deploy(cloud="new", wishes=ESTIMATES)
    pair.run()
    assert pair.answer_of(call).error.code == "profile_error"
    told = [one for one in pair.log if isinstance(one, c.Say) and isinstance(one.message, m.GaugeCommand)]
    assert "new" not in {pair.device(one.stream) for one in told}


def test_a_profile_brings_the_speed_along(pair: Any) -> None:
    call = pair.deploy()
    pair.work_done()
    stream, command = pair.next_said(m.ProfileCommand)
    measured = m.Profiled(command.command, "net", "v1", _profile(pair, stream), 0.02)
    pair.hear(stream, measured)
    assert pair.state.devices[pair.device(stream)].hello.probe == 0.02
    pair.run()
    assert pair.answer_of(call).ending.epoch == 1


def _profile(world: Any, stream: str) -> DeviceProfile:
    return DeviceProfile(world.device(stream), Measurement(0.01, 0.001, 5), ())


def test_a_stale_profile_is_used_and_named_where_nothing_is_measured(pair: Any) -> None:
    pair.deploy()
    pair.run()
    kept = pair.state.profiles["net", "v1", "cloud"]
    pair.state.profiles["net", "v1", "cloud"] = dataclasses.replace(kept, drift="it is slower")
    pair.deploy(wishes=ESTIMATES)
    pair.run()
    assert pair.ordered[-1].stale == ("cloud",)
    assert trials(pair) == 2


def test_without_any_measurement_there_is_no_estimate(pair: Any) -> None:
    call = pair.deploy(wishes=ESTIMATES)
    pair.run()
    error = pair.answer_of(call).error
    assert error.code == "profile_error"
    assert "board was never measured" in error.message
    assert "--no-measure" in error.hint


def test_a_pin_keeps_every_other_wish_and_unpinning_forgets_only_it(pair: Any) -> None:
    pair.deploy(wishes=m.Wishes(energy=1.0, board_watts=5.0), keep_input_on_board=True)
    pair.run()
    pair.pin(behind="pool")
    pair.run()
    order = pair.ordered[-1]
    assert (order.wishes.own_cut, order.wishes.energy, order.keep_input_on_board) == ("pool", 1.0, True)
    assert pair.state.active_epoch("net").epoch == 2
    pair.pin(page="local")
    pair.run()
    assert (pair.ordered[-1].page, pair.ordered[-1].wishes.own_cut) == ("local", "")
    pair.pin()
    pair.run()
    order = pair.ordered[-1]
    assert (order.wishes.own_cut, order.page, order.wishes.energy) == ("", "", 1.0)


def test_a_dry_pin_changes_nothing(pair: Any) -> None:
    pair.deploy()
    pair.run()
    call = pair.pin(behind="pool", dry_run=True)
    pair.run()
    assert pair.answer_of(call).ending.epoch == 0
    assert pair.state.active_epoch("net").epoch == 1
    assert pair.state.active_epoch("net").request.wishes.own_cut == ""


def test_only_what_is_deployed_can_be_pinned(pair: Any) -> None:
    assert pair.answer_of(pair.pin(behind="pool")).error.code == "not_found"
    assert pair.answer_of(pair.pin("nonet")).error.code == "unknown_model"


def test_what_if_supposes_and_changes_nothing(pair: Any) -> None:
    pair.deploy(wishes=m.Wishes(first_layers=2))
    pair.run()
    pair.pin(behind="pool")
    pair.run()
    epoch, spoken = pair.state.active_epoch("net"), len(pair.log)
    link = m.LinkChange(1e6, 2e6, 0.05)
    call = pair.what_if(link=link, speeds=(m.DeviceSpeed("board", 2.0),), wishes=m.Wishes(energy=1.0))
    pair.run()
    order, ending = pair.ordered[-1], pair.answer_of(call).ending
    assert isinstance(ending, c.Supposed)
    assert order.explain_only
    assert order.link_change == link
    assert order.speeds == (m.DeviceSpeed("board", 2.0),)
    assert (order.wishes.energy, order.wishes.first_layers, order.wishes.own_cut) == (1.0, 2, "")
    assert pair.state.active_epoch("net") == epoch
    assert not any(isinstance(one, c.Say | c.MakeTrial) for one in pair.log[spoken:]), "nobody is measured"


def test_what_if_keeps_the_input_as_the_active_plan_does_unless_it_is_told(pair: Any) -> None:
    pair.deploy(keep_input_on_board=True)
    pair.run()
    kept = []
    for told in (None, False, True):
        pair.what_if(keep_input_on_board=told)
        pair.run()
        kept.append(pair.ordered[-1].keep_input_on_board)
    assert kept == [True, False, True]


def test_what_if_measures_nothing_even_where_nothing_was_measured(pair: Any) -> None:
    call = pair.what_if(link=m.LinkChange(1e6, 1e6))
    pair.run()
    assert pair.answer_of(call).error.code == "profile_error"
    assert trials(pair) == 0


@pytest.mark.parametrize(
    ("speed", "code"), [(("nobody", 2.0), "not_found"), (("cloud", 0.0), "invalid_problem")]
)
def test_what_cannot_be_supposed_is_refused(pair: Any, speed: Any, code: str) -> None:
    pair.deploy()
    pair.run()
    call = pair.what_if(speeds=(m.DeviceSpeed(*speed),))
    pair.run()
    assert pair.answer_of(call).error.code == code


def test_ended_epochs_keep_their_explanations_up_to_a_bound(pair: Any) -> None:
    for _ in range(MAX_DOCUMENTS + 3):
        pair.deploy()
        pair.run()
    documents = [number for (_, number), one in pair.state.epochs.items() if one.document]
    assert len(documents) == MAX_DOCUMENTS + 1, "those, and the active one"
    assert documents[-1] == MAX_DOCUMENTS + 3
    kept = {one.record.key: one.record.document for one in pair.kept if isinstance(one, c.KeepEpoch)}
    assert kept["net", 1] == "", "the store hears of it too"


def test_each_device_is_measured_around_the_operators_that_it_lacks(pair: Any) -> None:
    pair.deploy(wishes=m.Wishes(board_lacks=("Resize",), cloud_lacks=("TopK", "Odd")))
    pair.run()
    asked = [one.lacks for one in pair.log if isinstance(one, c.MakeTrial)]
    assert asked == [("Resize",), ("TopK", "Odd")]
    assert pair.ordered[0].wishes.board_lacks == ("Resize",)


def test_what_is_planned_and_tried_is_what_the_oldest_protocol_knows(pair: Any, make: Any) -> None:
    pair.attach(make.hello("old", "cloud", protocol_minor=m.PROTOCOL_MINOR - 1))
    pair.deploy(cloud="old")
    pair.run()
    asked = [one.minor for one in pair.log if isinstance(one, c.MakeTrial)]
    assert sorted(asked) == [m.PROTOCOL_MINOR - 1, m.PROTOCOL_MINOR]
    assert pair.ordered[-1].minor == m.PROTOCOL_MINOR - 1


def without_measuring_variants(world: Any) -> None:
    """Deploy the model itself, as it is measured, with the variants that were measured before."""
    world.deploy(dry_run=True, wishes=m.Wishes(board_variant="net", cloud_variant="net"))
    world.run()
    world.deploy(wishes=ESTIMATES)
    world.run()


def test_a_plan_is_offered_the_variants_that_were_measured_on_its_devices(pair: Any, make: Any) -> None:
    variant = dataclasses.replace(make.model("net-int8"), variant_of="net")
    pair.push(variant)
    pair.push(dataclasses.replace(make.model("never measured"), variant_of="net"))
    pair.push(make.model("another"))
    for name in ("net-int8", "another"):
        pair.deploy(name, dry_run=True)
        pair.run()
    without_measuring_variants(pair)
    (offered,) = pair.ordered[-1].variants
    assert (offered.model, offered.version) == (variant.name, variant.version)
    assert (offered.board.device, offered.cloud.device) == ("board", "cloud")
    assert pair.ordered[0].variants == (), "of a variant there are no variants"


def test_a_variant_counts_where_its_measurement_still_does(pair: Any, make: Any) -> None:
    pair.push(dataclasses.replace(make.model("net-int8"), variant_of="net"))
    pair.deploy("net-int8", dry_run=True)
    pair.run()
    record = pair.state.profiles["net-int8", "v1", "cloud"]
    pair.state.profiles["net-int8", "v1", "cloud"] = dataclasses.replace(
        record, fingerprint="another machine"
    )
    without_measuring_variants(pair)
    (offered,) = pair.ordered[-1].variants
    assert offered.board is not None
    assert offered.cloud is None


def test_a_board_that_is_left_alone_is_offered_its_variants_too(pair: Any, make: Any) -> None:
    pair.push(dataclasses.replace(make.model("net-int8"), variant_of="net"))
    pair.deploy("net-int8", dry_run=True)
    pair.run()
    pair.do(e.Detached("x", pair.state.devices["cloud"].stream))
    pair.deploy()
    pair.run()
    (offered,) = pair.ordered[-1].variants
    assert offered.board is not None
    assert offered.cloud is None
