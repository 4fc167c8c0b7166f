"""The coordinator's decider: deployments, epochs, failures, in any order of events."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.ledger import recorded
from lepton_edge.coordinator.machine import step
from lepton_edge.coordinator.records import ACTIVE, FAILED, RETIRED
from lepton_edge.core import messages as m
from lepton_edge.core.frames import WireError
from lepton_edge.core.telemetry import EpochReport
from partitioner.plan import LOCAL_PAGE, HeldVariant

FULL = WireError("storage_full", "no space left on the device", "free some", "device", True)


def test_a_deployment_measures_both_probes_plans_prepares_and_activates(pair: Any) -> None:
    call = pair.deploy()
    pair.run()
    done = pair.answer_of(call)
    assert isinstance(done, c.Finish)
    assert done.ending == c.Deployed("net", "v1", 1, "cut-1", "{}")
    assert pair.epoch_states() == {1: ACTIVE}
    said = [type(command.message).__name__ for command in pair.log if isinstance(command, c.Say)]
    assert said == [
        "Welcome", "Welcome", "ProfileCommand", "ProfileCommand", "ProbeCommand", "Prepare", "Prepare",
        "Activate", "Activate",
    ]  # fmt: skip


def test_the_board_is_activated_last_because_it_admits_requests(pair: Any) -> None:
    pair.deploy()
    pair.run()
    last = [command for command in pair.log if isinstance(command, c.Say)][-1]
    assert pair.device(last.stream) == "board"


def test_devices_are_measured_one_after_the_other(pair: Any) -> None:
    pair.deploy()
    pair.work_done()
    assert [type(message) for _, message in pair.said] == [m.ProfileCommand]


def test_a_second_deployment_measures_only_the_link_and_drains_the_old_epoch(pair: Any) -> None:
    pair.deploy()
    pair.run()
    pair.log.clear()
    pair.deploy()
    pair.run()
    said = [type(command.message) for command in pair.log if isinstance(command, c.Say)]
    assert m.ProfileCommand not in said
    assert m.ProbeCommand in said
    assert pair.epoch_states() == {1: RETIRED, 2: ACTIVE}
    assert pair.state.devices["board"].epochs == {("net", 2): "active"}


def test_another_slowdown_makes_the_profile_stale(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    pair.do(e.Detached("x", pair.state.devices["board"].stream))
    pair.attach(make.hello("board", incarnation="i2", simulated_slowdown=8.0))
    pair.run()
    pair.deploy()
    work = pair.work[0]
    assert isinstance(work, c.MakeTrial)
    pair.work_done()
    assert [pair.device(s) for s, message in pair.said if isinstance(message, m.ProfileCommand)] == ["board"]


def test_a_dry_run_answers_the_plan_and_touches_no_epoch(pair: Any) -> None:
    call = pair.deploy(dry_run=True)
    pair.run()
    assert pair.answer_of(call).ending.epoch == 0
    assert pair.state.epochs == {}


def test_with_a_board_alone_the_book_is_local(world: Any, make: Any) -> None:
    world.attach(make.hello("board"))
    world.push()
    call = world.deploy()
    world.run()
    assert world.answer_of(call).ending.page == LOCAL_PAGE
    said = [type(command.message) for command in world.log if isinstance(command, c.Say)]
    assert m.ProbeCommand not in said


def test_a_failed_prepare_leaves_the_old_epoch_active_and_says_why(pair: Any) -> None:
    pair.deploy()
    pair.run()
    call = pair.deploy()
    pair.run(refuse={m.Prepare: FULL})
    failed = pair.answer_of(call)
    assert isinstance(failed, c.Fail)
    assert failed.error.code == "storage_full"
    assert "board" in failed.error.message
    assert pair.epoch_states() == {1: ACTIVE, 2: FAILED}
    assert "no space" in pair.state.epochs["net", 2].reason
    assert pair.state.devices["cloud"].epochs == {("net", 1): "active"}, (
        "the cloud must not keep the failed epoch"
    )


def test_a_failed_activation_puts_the_old_epoch_back(pair: Any) -> None:
    pair.deploy()
    pair.run()
    call = pair.deploy()
    while not any(isinstance(message, m.Activate) for _, message in pair.said):
        (pair.work_done if pair.work else _answer_next(pair))()
    stream, command = pair.next_said(m.Activate)
    pair.hear(stream, m.Outcome(command.command))  # the cloud runs on the new epoch
    stream, command = pair.next_said(m.Activate)
    pair.hear(stream, m.Outcome(command.command, FULL))  # the board cannot
    back = [message for _, message in pair.said if isinstance(message, m.Activate)]
    assert [(message.epoch) for message in back] == [1, 1]
    pair.run()
    assert isinstance(pair.answer_of(call), c.Fail)
    assert pair.epoch_states() == {1: ACTIVE, 2: FAILED}
    assert pair.state.devices["board"].epochs == {("net", 1): "active"}


def _answer_next(world: Any) -> Any:
    def act() -> None:
        stream, message = world.said.pop(0)
        reply = m.Outcome(message.command) if not isinstance(message, m.ProbeCommand) else None
        world.hear(stream, reply or m.Probed(message.command, message.peer.device, _link(world)))

    return act


def _link(world: Any) -> Any:
    return next(iter(world.state.links.values()))


def test_losing_a_device_ends_the_deployment_with_a_retryable_error(pair: Any) -> None:
    call = pair.deploy()
    pair.work_done()
    pair.do(e.Detached("gone", pair.state.devices["cloud"].stream))
    failed = pair.answer_of(call)
    assert failed.error.code == "unavailable"
    assert failed.error.retryable
    assert pair.state.running is None


def test_a_device_that_never_answers_ends_the_deployment(pair: Any) -> None:
    call = pair.deploy()
    pair.work_done()
    for _ in range(40):
        pair.now += 5
        for device in pair.state.connected():
            pair.hear(device.stream, m.Telemetry(0, 0, 0, 0, 0, 0, 0, -1))
        pair.do(e.Tick())
    assert pair.answer_of(call).error.code == "prepare_failed"


def test_progress_of_an_agent_keeps_a_slow_measurement_alive(pair: Any) -> None:
    call = pair.deploy()
    pair.work_done()
    stream, command = pair.next_said(m.ProfileCommand)
    for _ in range(60):
        pair.now += 5
        for device in pair.state.connected():
            pair.hear(device.stream, m.Telemetry(0, 0, 0, 0, 0, 0, 0, -1))
        pair.hear(stream, m.Progress(command.command, "weights", 1, 2))
        pair.do(e.Tick())
    assert call not in pair.answers
    assert pair.told[-1].progress.stage == "board: weights"


def test_a_worker_that_dies_is_a_typed_error_for_that_call_alone(pair: Any) -> None:
    first, second = pair.deploy(), pair.deploy()
    job = pair.work.pop(0)
    pair.do(e.WorkFailed(job.cause, job.job, WireError("service_error", "the worker was killed")))
    assert isinstance(pair.answer_of(first), c.Fail)
    pair.run()
    assert isinstance(pair.answer_of(second), c.Finish)


def test_deployments_queue_and_the_queue_is_bounded(pair: Any) -> None:
    calls = [pair.deploy() for _ in range(20)]
    refused = [call for call in calls if call in pair.answers]
    assert len(refused) == 3  # one runs, sixteen wait
    assert {pair.answers[call].error.code for call in refused} == {"overloaded"}
    pair.run()
    assert set(pair.answers) >= set(calls)


@pytest.mark.parametrize(
    ("wishes", "code", "words"),
    [
        ({"name": "nonet"}, "unknown_model", "there is: net"),
        ({"board": "other"}, "not_found", "connected: board"),
        ({"page": "cut-9"}, "unknown_page", "cut-9"),
    ],
)
def test_a_wish_that_cannot_be_met_says_what_there_is(pair: Any, wishes: Any, code: str, words: str) -> None:
    call = pair.deploy(**wishes)
    pair.run()
    error = pair.answer_of(call).error
    assert error.code == code
    assert words in f"{error.message} {error.hint}"


def test_without_agents_a_deployment_says_how_to_start_one(world: Any) -> None:
    world.push()
    error = world.answer_of(world.deploy()).error
    assert "agent start" in error.hint


def test_a_model_larger_than_any_device_is_refused_with_numbers(pair: Any, make: Any) -> None:
    pair.push(make.model("huge", weights=64 << 30))
    error = pair.answer_of(pair.deploy("huge")).error
    assert error.code == "model_too_large"
    assert "65536.0 MiB" in error.message
    assert "board has 4096.0 MiB" in error.message


def test_profiling_measures_every_connected_device(pair: Any) -> None:
    call = pair.call(lambda cause, number: e.ProfileAsked(cause, number, "net"))
    pair.run()
    assert pair.answer_of(call).ending == c.Measured("net")
    assert {device for _, _, device in pair.state.profiles} == {"board", "cloud"}


def test_profiling_measures_only_the_devices_that_are_named(pair: Any) -> None:
    call = pair.call(lambda cause, number: e.ProfileAsked(cause, number, "net", devices=("cloud", "attic")))
    pair.run()
    assert pair.answer_of(call).ending == c.Measured("net")
    assert {device for _, _, device in pair.state.profiles} == {"cloud"}


def test_removing_a_model_retires_it_everywhere_also_where_it_returns_later(pair: Any, make: Any) -> None:
    pair.deploy()
    pair.run()
    pair.do(e.Detached("x", pair.state.devices["cloud"].stream))
    call = pair.call(lambda cause, number: e.RemoveAsked(cause, number, "net"))
    pair.run()
    assert pair.answer_of(call).ending == c.Removed("net")
    assert pair.state.devices["board"].epochs == {}
    pair.attach(make.hello("cloud", "cloud", epochs=(m.EpochStatus("net", "v1", 1, "active"),)))
    assert [type(message) for _, message in pair.said] == [m.Welcome, m.Retire]


def test_a_variant_that_devices_run_is_not_removed(
    pair: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.push(dataclasses.replace(make.model("net-int8"), variant_of="net"))
    book = make.book()
    mixed = dataclasses.replace(book, variants=(HeldVariant("board", "net-int8", book.blocks),))
    monkeypatch.setitem(type(pair).work_done.__globals__, "book", lambda *names: mixed)
    pair.deploy()
    pair.run()
    call = pair.call(lambda cause, number: e.RemoveAsked(cause, number, "net-int8"))
    assert pair.answer_of(call).error.code == "request_error"
    assert "as a variant of 'net'" in pair.answer_of(call).error.message
    assert "net-int8" in pair.state.models
    for name in ("net", "net-int8"):
        call = pair.call(lambda cause, number, name=name: e.RemoveAsked(cause, number, name))
        pair.run()
        assert pair.answer_of(call).ending == c.Removed(name)


def test_a_full_disk_ends_the_running_deployment(pair: Any) -> None:
    call = pair.deploy()
    pair.do(e.StoreFailed("store", FULL))
    assert pair.answer_of(call).error.code == "storage_full"


@pytest.mark.parametrize("broken", [e.Broke, e.StoreFailed])
def test_who_says_what_cannot_be_decided_is_not_silent(pair: Any, broken: Any) -> None:
    board = pair.state.devices["board"]
    said = e.Heard("x", board.stream, m.Telemetry(0.1, 4 << 30, 1, 40.0, 0, 9, 0, 1.0))
    pair.now += 100.0
    pair.do(e.Broke("x", said, FULL) if broken is e.Broke else e.StoreFailed("x", FULL, said))
    pair.do(e.Tick())
    assert board.stream is not None
    assert pair.state.devices["cloud"].stream is None, "it said nothing"


def test_answers_that_nobody_waits_for_change_nothing(pair: Any) -> None:
    stream = pair.state.devices["board"].stream
    before = dataclasses.replace(pair.state.devices["board"])
    assert pair.hear(stream, m.Outcome("1.999")) == []
    assert pair.hear(stream, m.Profiled("1.998", "net", "v1", _any_profile())) == []
    assert pair.state.devices["board"] == before


def _any_profile() -> Any:
    from partitioner.costs import DeviceProfile, Measurement

    return DeviceProfile("board", Measurement(1.0, 0.1, 1), ())


# --- any order of events ------------------------------------------------------------------------------------

ACTIONS = (
    "attach board", "attach cloud", "attach twin", "detach board", "detach cloud",
    "deploy", "deploy dry", "deploy far", "profile", "remove", "push",
    "work", "work fails", "answer", "answer last", "refuse", "answer twice", "progress",
    "tick", "long tick", "store fails", "stale hello",
    "attach spare", "attach second", "detach spare", "detach second", "deploy many", "deploy canary", "deploy second",
    "drain cloud", "drain board", "undo cloud", "undo board", "drop cloud", "drop spare", "drop board",
    "shift cloud spare", "shift board second", "pin local", "pin free", "back", "hot board", "hot cloud", "cool board",
    "fare well", "fare ill", "late board", "day", "run", "run", "run", "run",
)  # fmt: skip


class Chaos:
    """Turns words into events on a world, whatever state it is in."""

    def __init__(self, make: Any) -> None:
        self.make = make
        self.world = make.World()
        self.asked: list[str] = []
        self.fared = 0

    def act(self, word: str) -> None:
        verb, _, rest = word.partition(" ")
        getattr(self, f"_{verb}")(rest)

    def _attach(self, who: str) -> None:
        count = self.world.streams
        role = "cloud" if who in ("cloud", "spare") else "board"
        self.world.attach(self.make.hello("board" if who == "twin" else who, role, f"i{count}"))

    def _stale(self, rest: str) -> None:
        held = tuple(m.EpochStatus("net", "v1", number, "active") for number in (1, 2))
        self.world.attach(self.make.hello("board", "board", f"i{self.world.streams}", epochs=held))

    def _detach(self, who: str) -> None:
        device = self.world.state.devices.get(who)
        if device is not None and device.stream is not None:
            self.world.do(e.Detached("chaos", device.stream))

    def _deploy(self, rest: str) -> None:
        wishes: dict[str, Any] = {
            "dry": {"dry_run": True}, "far": {"page": "nowhere"}, "": {}, "many": {"replicas": ("*",)},
            "canary": {"canary": 0.2, "canary_requests": 5}, "second": {"board": "second"},
        }[rest]  # fmt: skip
        self.asked.append(self.world.deploy(**wishes))

    def _profile(self, rest: str) -> None:
        self.asked.append(self.world.call(lambda cause, call: e.ProfileAsked(cause, call, "net")))

    def _remove(self, rest: str) -> None:
        self.asked.append(self.world.call(lambda cause, call: e.RemoveAsked(cause, call, "net")))

    def _push(self, rest: str) -> None:
        version = f"v{1 + self.world.calls % 3}"
        self.asked.append(self.world.push(self.make.model(version=version)))

    def _drain(self, who: str, undo: bool = False) -> None:
        asked = m.DrainDevice(who, undo)
        self.asked.append(self.world.call(lambda cause, call: e.DrainAsked(cause, call, asked)))

    def _undo(self, who: str) -> None:
        self._drain(who, undo=True)

    def _drop(self, who: str) -> None:
        asked = m.RemoveDevice(who)
        self.asked.append(self.world.call(lambda cause, call: e.DeviceRemoveAsked(cause, call, asked)))

    def _shift(self, ends: str) -> None:
        asked = m.MoveModel("net", *ends.split())
        self.asked.append(self.world.call(lambda cause, call: e.MoveAsked(cause, call, asked)))

    def _pin(self, page: str) -> None:
        self.asked.append(self.world.pin(page="" if page == "free" else page))

    def _back(self, rest: str) -> None:
        asked = m.RollBack("net")
        self.asked.append(self.world.call(lambda cause, call: e.RollBackAsked(cause, call, asked)))

    def _feel(self, who: str, **feelings: Any) -> None:
        device = self.world.state.devices.get(who)
        if device is not None and device.stream is not None:
            telemetry = m.Telemetry(0.1, 4 << 30, 1 << 20, 40.0, 0, 9, 0, 1.0, **feelings)
            self.world.hear(device.stream, telemetry)

    def _hot(self, who: str) -> None:
        self._feel(who, throttled=True, busy=0.9)

    def _cool(self, who: str) -> None:
        self._feel(who)

    def _fare(self, how: str) -> None:
        """Let every board say how its epochs fare."""
        self.fared += 10
        slow, failed = (0.02, 0) if how == "well" else (0.4, self.fared)
        for who in ("board", "second"):
            held = self.world.state.devices[who].epochs if who in self.world.state.devices else {}
            reports = tuple(EpochReport(*key, self.fared, failed, slow, 2 * slow) for key in held)
            self._feel(who, epochs=reports)

    def _late(self, who: str) -> None:
        """Let a device say that its stages take much longer than was measured."""
        self.fared += 10
        held = self.world.state.devices[who].epochs if who in self.world.state.devices else {}
        stages = tuple(m.StageReport(*key, "cut-1", 0, 1, self.fared, 0.5, 0.01, 0.6) for key in held)
        self._feel(who, stages=stages)

    def _run(self, rest: str) -> None:
        self.world.run()

    def _day(self, rest: str) -> None:
        self.world.now += 86_400.0
        self.world.do(e.Tick())

    def _work(self, rest: str) -> None:
        if self.world.work and not rest:
            self.world.work_done()
        elif self.world.work:
            job = self.world.work.pop(0)
            self.world.do(e.WorkFailed(job.cause, job.job, WireError("service_error", "killed")))

    def _answer(self, rest: str) -> None:
        if not self.world.said:
            return
        stream, message = self.world.said[-1 if rest == "last" else 0]
        if rest != "twice":
            self.world.said.remove((stream, message))
        reply = self.make.answer(message, self.world.device(stream) or "nobody")
        if reply is not None:
            self.world.hear(stream, reply)

    def _refuse(self, rest: str) -> None:
        if self.world.said:
            stream, message = self.world.said.pop(0)
            if hasattr(message, "command"):
                self.world.hear(stream, m.Outcome(message.command, FULL))

    def _progress(self, rest: str) -> None:
        for stream, message in self.world.said[:1]:
            if hasattr(message, "command"):
                self.world.hear(stream, m.Progress(message.command, "stage", 1, 2))

    def _tick(self, rest: str) -> None:
        self.world.now += 1.0
        self.world.do(e.Tick())

    def _long(self, rest: str) -> None:
        self.world.now += 400.0
        self.world.do(e.Tick())

    def _store(self, rest: str) -> None:
        self.world.do(e.StoreFailed("chaos", FULL))

    def _runs(self) -> list[Any]:
        state = self.world.state
        return [*state.aside.values(), *([state.running] if state.running else [])]

    def finish(self) -> None:
        """Let time pass until nothing can be pending; everybody is silent."""
        for _ in range(40):
            self.world.work.clear()
            for job in [run.job for run in self._runs() if run.job is not None]:
                self.world.do(e.WorkFailed("end", job, WireError("deadline_exceeded", "time limit")))
            self.world.now += 400.0
            self.world.do(e.Tick())


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.lists(st.sampled_from(ACTIONS), min_size=5, max_size=60))
def test_every_call_ends_in_exactly_one_answer_under_any_order_of_events(make: Any, words: list[str]) -> None:
    chaos = Chaos(make)
    for word in ["push", "attach board", "attach cloud", "deploy", *words]:
        chaos.act(word)
    chaos.finish()
    assert set(chaos.asked) <= set(chaos.world.answers)
    assert chaos.world.state.running is None
    assert not chaos.world.state.aside
    assert not chaos.world.state.pending


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.lists(st.sampled_from(ACTIONS), max_size=40))
def test_a_decision_that_is_undone_leaves_everything_as_it_was(make: Any, words: list[str]) -> None:
    class Doubter(make.World):  # type: ignore[misc]
        def do(self, event: e.Event) -> list[c.Command]:
            before = copy.deepcopy(self.state)
            with recorded() as decision:
                first = step(self.state, event, self.now)
            decision.undo()
            assert self.state == before
            made: list[c.Command] = super().do(event)
            assert made == first
            return made

    chaos = Chaos(make)
    chaos.world = Doubter()
    for word in ["push", "attach board", "attach cloud", "deploy", *words]:
        chaos.act(word)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.lists(st.sampled_from(ACTIONS), max_size=40))
def test_after_any_trouble_a_healthy_pair_can_be_deployed_on(make: Any, words: list[str]) -> None:
    chaos = Chaos(make)
    for word in words:
        chaos.act(word)
    chaos.finish()
    world = chaos.world
    world.said.clear()
    chaos.act("day")  # whoever was in quarantine is not any more
    for name in list(world.state.drains):
        chaos.act(f"undo {name}")
    for name in ("board", "cloud"):
        world.attach(make.hello(name, name, "fresh"))
    world.push()
    call = world.deploy()
    world.run()
    assert isinstance(world.answer_of(call), c.Finish)
    assert world.state.active_epoch("net") is not None
    for name in ("board", "cloud"):
        active = [record.key for record in world.state.active_epochs("net") if record.blocks_of(name)]
        assert world.state.active_epoch("net", "board").key in active
        kept = set(world.state.kept.values())  # the version before, to go back to
        held = {key: held for key, held in world.state.devices[name].epochs.items() if key not in kept}
        assert held == dict.fromkeys(active, "active")
