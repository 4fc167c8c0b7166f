"""The phases of one deployment: what each asks of whom, and how the queue goes on."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import reach
from lepton_edge.coordinator.records import ACTIVE, JobId
from lepton_edge.core import messages as m
from lepton_edge.core.frames import WireError


def until(world: Any, kind: type) -> tuple[str, Any]:
    """Let everybody answer until a command of this kind is said; return who is told, and it."""
    for _ in range(50):
        found = [
            (world.device(stream), message) for stream, message in world.said if isinstance(message, kind)
        ]
        if found:
            return found[0]
        if world.work:
            world.work_done()
            continue
        stream, message = world.said.pop(0)
        name = world.device(stream)
        if isinstance(message, m.ProfileCommand):
            profile = world.profile(name)
            world.hear(stream, m.Profiled(message.command, message.model, message.version, profile))
        elif isinstance(message, m.ProbeCommand):
            world.hear(stream, m.Probed(message.command, message.peer.device, world.link))
        elif not isinstance(message, m.Welcome):
            world.hear(stream, m.Outcome(message.command))
    raise AssertionError(f"nobody was told a {kind.__name__}")


@pytest.fixture
def town(pair: Any, make: Any) -> Any:
    pair.profile, pair.link = make.profile, make.link
    return pair


def phase(world: Any) -> str:
    return world.state.running.phase if world.state.running else ""


def test_the_phases_follow_each_other(town: Any) -> None:
    town.deploy()
    seen = [phase(town)]
    for kind in (m.ProfileCommand, m.ProbeCommand, m.Prepare, m.Activate):
        until(town, kind)
        seen.append(phase(town))
    assert seen == ["trial", "profiling", "probing", "preparing", "activating"]
    town.run()
    assert phase(town) == ""
    stages = [told.progress.stage for told in town.told]
    assert stages == [
        "cutting", "measuring", "cutting", "measuring", "probing", "planning", "preparing",
    ]  # fmt: skip


def test_the_board_probes_the_link_to_the_cloud(town: Any) -> None:
    town.deploy()
    who, probe = until(town, m.ProbeCommand)
    assert who == "board"
    assert probe.peer == m.Peer("cloud", ("cloud:8011",))
    assert probe.sizes == reach.PROBE_SIZES
    town.run()
    assert list(town.state.links) == [("board", "cloud")]


def test_the_plan_is_made_of_what_was_measured_and_wished(town: Any) -> None:
    town.deploy(keep_input_on_board=True, page="cut-1")
    until(town, m.ProbeCommand)
    stream, probe = town.next_said(m.ProbeCommand)
    town.hear(stream, m.Probed(probe.command, "cloud", town.link))
    order = town.work[0].order
    assert (order.board.device, order.cloud.device, order.link) == ("board", "cloud", town.link)
    assert (order.keep_input_on_board, order.page, order.version) == (True, "cut-1", "v1")
    assert order.board_memory == order.cloud_memory > 0


def test_all_are_prepared_before_anyone_is_activated(town: Any) -> None:
    town.deploy()
    until(town, m.Prepare)
    stream, first = town.next_said(m.Prepare)
    town.hear(stream, m.Outcome(first.command))
    assert phase(town) == "preparing"
    assert not any(isinstance(message, m.Activate) for _, message in town.said)
    stream, second = town.next_said(m.Prepare)
    town.hear(stream, m.Outcome(second.command))
    assert town.state.epochs["net", 1].ready == ("board", "cloud")
    assert [town.device(stream) for stream, _ in town.said] == ["cloud"], "the entry comes last"


def test_the_next_in_the_queue_begins_when_one_ends_whatever_its_end(town: Any) -> None:
    first, second, third = town.deploy(), town.deploy(dry_run=True), town.deploy()
    assert [told.progress.stage for told in town.told].count("waiting") == 2
    until(town, m.Prepare)
    town.do(e.Detached("gone", town.state.devices["cloud"].stream))
    assert town.answer_of(first).error.code == "unavailable"
    town.run()
    assert {first, second, third} <= set(town.answers)
    assert town.state.running is None


def test_a_model_that_is_gone_when_its_turn_comes_fails(town: Any, make: Any) -> None:
    town.push(make.model("other"))
    town.deploy()
    late = town.deploy("other")
    town.call(lambda cause, call: e.RemoveAsked(cause, call, "other"))
    town.run()
    assert town.answer_of(late).error.code == "unknown_model"


def test_answers_of_a_job_that_nobody_waits_for_change_nothing(town: Any, make: Any) -> None:
    town.deploy()
    job = town.work[0]
    stale = m.ProfileCommand("", "net", "v1", make.book().blocks[0], (), (), (), "", "", 0, 5, 10.0)
    assert town.do(e.TrialMade("x", JobId("of yesterday"), stale)) == []
    assert town.do(e.PlanMade("x", JobId("of yesterday"), make.book(), "{}")) == []
    assert (phase(town), town.state.running.job) == ("trial", job.job)


def test_a_page_that_the_book_lacks_is_named_with_those_it_has(town: Any) -> None:
    call = town.deploy(page="cut-9")
    town.run()
    error = town.answer_of(call).error
    assert error.code == "unknown_page"
    assert "cut-1" in error.hint
    assert town.state.epochs == {}


def test_who_refused_is_named(town: Any) -> None:
    call = town.deploy()
    town.run(refuse={m.ProfileCommand: WireError("engine_failed", "no kernel for Foo", "", "model")})
    error = town.answer_of(call).error
    assert (error.code, error.device, error.message) == ("engine_failed", "board", "board: no kernel for Foo")


def test_an_epoch_number_is_above_all_that_a_device_holds(town: Any) -> None:
    town.state.devices["cloud"].epochs["net", 41] = "active"  # of another coordinator
    town.deploy()
    town.run()
    assert [number for (_, number), one in town.state.epochs.items() if one.state == ACTIVE] == [42]


def test_giving_up_stops_the_work_in_progress(town: Any) -> None:
    town.deploy()
    job = town.work[0]
    made = town.do(e.Detached("gone", town.state.devices["board"].stream))
    assert [command.job for command in made if isinstance(command, c.Abandon)] == [job.job]


@pytest.fixture
def street(town: Any, make: Any) -> Any:
    """Two boards and a cloud."""
    town.attach(make.hello("shed"))
    town.run()
    return town


def test_every_board_has_an_active_epoch_of_its_own(street: Any) -> None:
    for board in ("board", "shed"):
        street.deploy(board=board)
        street.run()
    active = street.state.active_epochs("net")
    assert [(record.board, record.cloud, record.epoch) for record in active] == [
        ("board", "cloud", 1),
        ("shed", "cloud", 2),
    ]
    assert street.state.devices["cloud"].epochs == {("net", 1): "active", ("net", 2): "active"}
    assert street.state.active_epoch("net", "board").epoch == 1
    assert street.state.active_epoch("net").epoch == 2


def test_a_board_is_deployed_anew_and_the_others_keep_what_they_have(street: Any) -> None:
    for board in ("board", "shed", "board"):
        street.deploy(board=board)
        street.run()
    assert street.epoch_states() == {1: "RETIRED", 2: ACTIVE, 3: ACTIVE}
    assert street.state.devices["shed"].epochs == {("net", 2): "active"}


def test_a_failed_activation_puts_back_the_epoch_of_its_own_board(street: Any) -> None:
    for board in ("board", "shed"):
        street.deploy(board=board)
        street.run()
    street.deploy(board="board")
    until(street, m.Activate)
    street.run(refuse={m.Activate: WireError("prepare_failed", "no")})
    assert street.epoch_states() == {1: ACTIVE, 2: ACTIVE, 3: "FAILED"}


def test_clouds_alone_are_a_place_of_their_own(town: Any) -> None:
    board = town.state.devices["board"].stream
    town.do(e.Detached("gone", board))
    town.deploy()
    town.run()
    assert town.state.active_epoch("net", "").board == ""
    town.attach(dataclasses.replace(town.state.devices["board"].hello))
    town.deploy()
    town.run()
    assert [record.board for record in town.state.active_epochs("net")] == ["", "board"]


@pytest.fixture
def clouds(street: Any, make: Any) -> Any:
    """Two boards and three clouds."""
    street.attach(make.hello("east", "cloud"))
    street.attach(make.hello("west", "cloud"))
    street.run()
    return street


def deployed(world: Any, **wishes: Any) -> Any:
    """Deploy with replicas and return the record."""
    call = world.deploy(board="board", cloud="cloud", **wishes)
    world.run()
    done = world.answer_of(call)
    assert isinstance(done, c.Finish), done
    return world.state.epochs["net", done.ending.epoch]


def test_replicas_hold_what_the_first_cloud_holds_and_the_board_is_activated_last(clouds: Any) -> None:
    record = deployed(clouds, replicas=("west", "east"))
    assert record.replicas == ("west", "east")
    assert [(replica.device, replica.of) for replica in record.book.replicas] == [
        ("west", "cloud"),
        ("east", "cloud"),
    ]
    assert record.blocks_of("west") == record.blocks_of("east") == record.blocks_of("cloud") == (1,)
    activated = [
        clouds.device(one.stream)
        for one in clouds.log
        if isinstance(one, c.Say) and isinstance(one.message, m.Activate)
    ]
    assert activated == ["east", "west", "cloud", "board"]
    for name in ("board", "cloud", "west", "east"):
        assert clouds.state.devices[name].epochs == {record.key: "active"}


def test_every_other_cloud_is_a_replica_where_all_are_asked_for(clouds: Any) -> None:
    assert deployed(clouds, replicas=("*",)).replicas == ("east", "west")


def test_board_and_replicas_are_told_where_the_others_are(clouds: Any) -> None:
    deployed(clouds, replicas=("west",))
    told = {
        clouds.device(one.stream): {peer.device for peer in one.message.peers}
        for one in clouds.log
        if isinstance(one, c.Say) and isinstance(one.message, m.Prepare)
    }
    assert told["board"] == {"cloud", "west"}
    assert "board" in told["west"]


def test_a_replica_that_cannot_prepare_does_not_fail_the_deployment_and_is_tried_again(clouds: Any) -> None:
    call = clouds.deploy(board="board", cloud="cloud", replicas=("west",))
    until(clouds, m.Prepare)
    full = WireError("storage_full", "no space")
    asked = [(s, x) for s, x in clouds.said if isinstance(x, m.Prepare) and clouds.device(s) == "west"]
    clouds.said.remove(asked[0])
    clouds.hear(asked[0][0], m.Outcome(asked[0][1].command, full))
    clouds.run()
    done = clouds.answer_of(call)
    assert isinstance(done, c.Finish)
    record = clouds.state.active_epoch("net", "board")
    assert "west" not in record.ready
    assert any("without the replica west for now: no space" in one.progress.message for one in clouds.told)
    for _ in range(5):
        clouds.now += 4
        for device in clouds.state.connected():
            clouds.hear(device.stream, m.Telemetry(0, 0, 0, 0, 0, 0, 0, -1))
        clouds.do(e.Tick())
    clouds.run()
    assert clouds.state.devices["west"].epochs == {record.key: "active"}


@pytest.mark.parametrize("phase_of", [m.Prepare, m.Activate])
def test_a_replica_that_is_lost_does_not_end_the_deployment(clouds: Any, phase_of: type) -> None:
    call = clouds.deploy(board="board", cloud="cloud", replicas=("west",))
    until(clouds, phase_of)
    clouds.do(e.Detached("gone", clouds.state.devices["west"].stream))
    clouds.run()
    assert isinstance(clouds.answer_of(call), c.Finish)
    assert clouds.state.active_epoch("net", "board").replicas == ("west",)


def test_a_replica_without_room_is_none(clouds: Any, make: Any) -> None:
    device = clouds.state.devices["west"]
    hardware = dataclasses.replace(device.hello.hardware, memory_available=16)
    device.hello = dataclasses.replace(device.hello, hardware=hardware)
    assert deployed(clouds, replicas=("*",)).replicas == ("east",)
    assert any("west has no room" in one.progress.message for one in clouds.told)


def test_a_replica_that_nobody_knows_is_refused(clouds: Any) -> None:
    call = clouds.deploy(board="board", cloud="cloud", replicas=("north",))
    assert clouds.answer_of(call).error.code == "not_found"


def test_a_replica_that_never_answers_holds_nobody_up_for_ever(clouds: Any) -> None:
    call = clouds.deploy(board="board", cloud="cloud", replicas=("west",))
    until(clouds, m.Prepare)
    clouds.said = [one for one in clouds.said if clouds.device(one[0]) != "west"]
    clouds.run()
    assert call not in clouds.answers, "it may still be fetching weights"
    for _ in range(80):
        clouds.now += 5
        for device in clouds.state.connected():
            clouds.hear(device.stream, m.Telemetry(0, 0, 0, 0, 0, 0, 0, -1))
        clouds.do(e.Tick())
        clouds.said = [one for one in clouds.said if clouds.device(one[0]) != "west"]
        clouds.run()
    assert isinstance(clouds.answer_of(call), c.Finish)
    assert any("it did not answer in time" in one.progress.message for one in clouds.told)
