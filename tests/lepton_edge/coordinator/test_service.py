"""The control port over a real connection: agents, files, calls; only the worker is played by hand."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.driver import Driver
from lepton_edge.coordinator.gate import Gate, Terms
from lepton_edge.coordinator.jobs import Compiled, PushJob
from lepton_edge.coordinator.server import remembered
from lepton_edge.coordinator.service import Service
from lepton_edge.coordinator.state import Settings
from lepton_edge.coordinator.store import Store
from lepton_edge.coordinator.vault import Vault
from lepton_edge.core import messages as m
from lepton_edge.core.errors import InvalidInput, NotFound, Overloaded, StorageFull, Unauthenticated
from lepton_edge.core.identity import Identity, Role
from lepton_edge.wire import rpc
from lepton_edge.wire.packed import expand
from lepton_edge.wire.rpc import PeerContext
from partitioner.errors import InvalidModel
from partitioner.plan import Block, WeightRef


class HandMadeJobs:
    """Stands in for the worker."""

    def __init__(self, make: Any) -> None:
        self.make = make
        self.pushed: list[tuple[PushJob, dict[str, bytes]]] = []

    async def push(self, job: PushJob, tell: Any) -> Compiled:
        tell(m.Progress("", "compiling", 0, 0))
        parts = {"model": Path(job.model).read_bytes()}
        parts.update({f"sample:{name}": Path(path).read_bytes() for name, path in job.samples})
        self.pushed.append((job, parts))
        if parts["model"] == b"not onnx":
            raise InvalidModel("not an ONNX model", "push one")
        if parts["model"] == b"a bug":
            raise ZeroDivisionError("a bug")
        into = Path(job.into)
        into.mkdir()
        (into / "weights.bin").write_bytes(bytes(range(256)) * 8)
        (into / "model.json").write_text('{"codecs": []}')
        record = self.make.model(job.name)
        return Compiled(record, (WeightRef("w", 256, 512, "d" * 64),))

    async def work(self, job: Any, tell: Any) -> e.Event:
        if isinstance(job, c.MakeTrial):
            block = Block(0, "onnx", (), ())
            trial = m.ProfileCommand("", job.model, job.version, block, (), (), (), "", "", 0, 5, 10.0)
            return e.TrialMade(job.cause, job.job, trial)
        board, cloud = job.order.board, job.order.cloud
        book = self.make.book(board and board.device, cloud and cloud.device)
        return e.PlanMade(job.cause, job.job, book, '{"reason": "because"}')


class Running:
    """A coordinator without its worker, and a stub that talks to it."""

    def __init__(self, directory: Path, make: Any) -> None:
        self.make = make
        self.store = Store(directory)
        self.artifacts = Artifacts(directory)
        self.artifacts.prepare()
        self.jobs = HandMadeJobs(make)
        state = remembered(self.store.load(), Settings("0.1", self.store.begin_term()))
        self.driver = Driver(state, self.store, self.artifacts, self.jobs.work)
        self.service = Service(self.driver, self.store, self.artifacts, self.jobs)  # type: ignore[arg-type]

    async def __aenter__(self) -> Running:
        self.deciding = asyncio.create_task(self.driver.run())
        self.server, self.address = await rpc.open_server("127.0.0.1:0", rpc.control_handlers(self.service))
        self.channel = rpc.open_channel(self.address)
        self.stub = rpc.ControlStub(self.channel, self.address)
        self.agents: list[asyncio.Task[None]] = []
        self.heard: list[type] = []  # kinds of messages that agents got
        return self

    async def __aexit__(self, *_: object) -> None:
        for agent in self.agents:
            agent.cancel()
        await asyncio.gather(*self.agents, return_exceptions=True)
        await self.channel.close()
        await self.server.stop(0)
        self.deciding.cancel()
        await asyncio.gather(self.deciding, return_exceptions=True)
        self.store.close()

    async def ask(self, *calls: m.AdminCall) -> list[m.AdminEvent]:
        async def sent() -> AsyncIterator[m.AdminCall]:
            for call in calls:
                yield call

        return [event async for event in self.stub.admin(sent())]

    async def document(self, *calls: m.AdminCall) -> dict[str, Any]:
        last = (await self.ask(*calls))[-1]
        assert isinstance(last, m.Document), last
        found: dict[str, Any] = json.loads(last.json)
        assert found["schema"] == last.schema
        return found

    async def agent(self, hello: m.Hello) -> None:
        """Attach an agent that does everything it is told; return when it is welcome."""
        welcome = asyncio.Event()
        self.agents.append(asyncio.create_task(self._play(hello, welcome)))
        await asyncio.wait_for(welcome.wait(), 5)

    async def _play(self, hello: m.Hello, welcome: asyncio.Event) -> None:
        said: asyncio.Queue[m.AgentSays] = asyncio.Queue()
        said.put_nowait(hello)

        async def words() -> AsyncIterator[m.AgentSays]:
            while True:
                yield await said.get()

        async for message in self.stub.attach(words()):
            self.heard.append(type(message))
            if isinstance(message, m.Welcome):
                welcome.set()
            reply = self.make.answer(message, hello.device)
            if reply is not None:
                said.put_nowait(reply)

    async def pair(self) -> None:
        await self.agent(self.make.hello("board"))
        await self.agent(self.make.hello("cloud", "cloud"))
        await self.document(*upload("net"))


def upload(name: str, model: bytes = b"onnx", more: Iterable[m.Upload] = ()) -> list[m.AdminCall]:
    return [m.PushModel(name), m.Upload("model", model[:2]), m.Upload("model", model[2:], last=True), *more]


@pytest.fixture
async def running(tmp_path: Path, make: Any) -> AsyncIterator[Running]:
    async with Running(tmp_path, make) as made:
        yield made


async def test_push_deploy_explain_and_status(running: Running) -> None:
    await running.pair()
    deployed = await running.document(m.Deploy("net"))
    assert (deployed["epoch"], deployed["page"], deployed["reason"]) == (1, "cut-1", "because")
    assert deployed["devices"] == ["board", "cloud"]
    explained = await running.document(m.ExplainPlan("net"))
    assert (explained["epoch"], explained["reason"], explained["model"]) == (1, "because", "net")
    status = await running.document(m.ShowStatus())
    assert [device["connected"] for device in status["devices"]] == [True, True]
    assert status["devices"][0]["epochs"] == [{"model": "net", "epoch": 1, "state": "active"}]
    assert status["models"][0]["page"] == "cut-1"
    assert status["links"][0]["peer"] == "cloud"
    assert status["coordinator"]["deploying"] is None
    profile = await running.document(m.ShowProfile("net"))
    assert [device["device"] for device in profile["devices"]] == ["board", "cloud"]
    model = await running.document(m.ShowModel("net"))
    assert [epoch["state"] for epoch in model["epochs"]] == ["ACTIVE"]
    assert (await running.document(m.ListModels()))["models"][0]["epoch"] == 1
    assert len((await running.document(m.ListDevices()))["devices"]) == 2


async def test_a_document_is_json_to_the_letter(running: Running) -> None:
    """An infinite loss, which a codec that fails has, is null to whoever reads the document."""
    await running.document(*upload("net"))
    sample = {"tensor": "t", "codec": "f16", "wire_bytes": 9, "loss": math.inf, "top1_kept": 0.0}
    folder = running.artifacts.model("net", "v1")
    (folder / "model.json").write_text(
        json.dumps({"codecs": [{**sample, "allowed": False, "samples": 8}], "unmeasured": ["u"]})
    )
    told = (await running.ask(m.ShowModel("net")))[-1]
    assert isinstance(told, m.Document)
    assert "Infinity" not in told.json
    shown = json.loads(told.json)
    assert shown["codecs"][0]["loss"] is None
    assert (shown["codec_samples"], shown["unmeasured"]) == ([8, 8], ["u"])


async def test_progress_comes_before_the_answer(running: Running) -> None:
    await running.pair()
    events = await running.ask(m.Deploy("net"))
    assert [event.stage for event in events[:-1] if isinstance(event, m.Progress)] == [
        "cutting", "measuring", "cutting", "measuring", "probing", "planning", "preparing",
    ]  # fmt: skip


async def test_the_parts_of_an_upload_arrive_whole(running: Running) -> None:
    await running.document(*upload("net", b"onnx bytes", [m.Upload("sample:a.jpg", b"jpeg", last=True)]))
    job, parts = running.jobs.pushed[0]
    assert parts == {"model": b"onnx bytes", "sample:a.jpg": b"jpeg"}
    assert not Path(job.model).exists(), "the spooled upload must be gone"


async def test_a_push_that_breaks_is_answered(running: Running) -> None:
    error = (await asyncio.wait_for(running.ask(*upload("net", b"a bug")), 10))[-1]
    assert isinstance(error, m.WireError)
    assert (error.code, "ZeroDivisionError" in error.message) == ("service_error", True)


async def test_a_bad_model_is_a_typed_error_and_leaves_nothing(running: Running) -> None:
    error = (await running.ask(*upload("net", b"not onnx")))[-1]
    assert isinstance(error, m.WireError)
    assert error.code == "invalid_model"
    assert (await running.document(m.ListModels()))["models"] == []
    assert list(running.artifacts.scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([m.PushModel("../up"), m.Upload("model", b"x", last=True)], "cannot name a model"),
        ([m.PushModel("net"), m.Upload("model", b"x")], "ended in the middle"),
        ([m.PushModel("net")], "holds no model"),
        ([m.PushModel("net"), m.Upload("extra", b"x", last=True)], "no part called"),
        (
            [m.PushModel("net"), m.Upload("model", b"x"), m.Upload("manifest", b"x")],
            "before 'model' had ended",
        ),
        ([m.PushModel("net"), m.Upload("data:../x", b"x", last=True)], "external data"),
        ([m.PushModel("net"), m.Upload("model", b"x" * 2000, last=True)], "larger than"),
        ([m.Upload("model", b"x", last=True)], "cannot begin a call"),
    ],
)
async def test_a_bad_upload_says_what_is_wrong(running: Running, calls: Any, words: str) -> None:
    running.service.upload_limit = 1000  # type: ignore[assignment]
    error = (await running.ask(*calls))[-1]
    assert isinstance(error, m.WireError)
    assert error.code == "invalid_input"
    assert words in error.message


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (m.Deploy("nonet"), "unknown_model"),
        (m.ShowModel("nonet"), "unknown_model"),
        (m.ExplainPlan("nonet"), "unknown_model"),
        (m.RemoveModel("nonet"), "unknown_model"),
        (m.ShowProfile("nonet"), "unknown_model"),
    ],
)
async def test_an_unknown_model_is_a_typed_error(running: Running, call: m.AdminCall, code: str) -> None:
    error = (await running.ask(call))[-1]
    assert isinstance(error, m.WireError)
    assert error.code == code


async def test_weights_and_artifacts_are_fetched_from_any_offset(running: Running) -> None:
    await running.pair()
    sha256 = running.artifacts.put(b"0123456789" * 300_000)
    chunks = [chunk async for chunk in running.stub.fetch(m.FetchRequest(sha256, 5))]
    assert len(chunks) == 3
    assert b"".join(chunk.data for chunk in chunks) == (b"0123456789" * 300_000)[5:]
    assert [chunk.offset for chunk in chunks] == [5, 5 + (1 << 20), 5 + (2 << 20)]
    assert {chunk.total for chunk in chunks} == {3_000_000}
    weight = [chunk async for chunk in running.stub.fetch(m.FetchRequest("d" * 64))]
    assert weight[0].data == (bytes(range(256)) * 8)[256 : 256 + 512]
    at_end = [chunk async for chunk in running.stub.fetch(m.FetchRequest("d" * 64, 512))]
    assert [(chunk.offset, chunk.data) for chunk in at_end] == [(512, b"")]


async def test_a_weight_comes_packed_to_those_that_ask_for_it_where_that_pays(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await running.pair()
    asked = m.FetchRequest("d" * 64, packed=True)
    (small,) = [chunk async for chunk in running.stub.fetch(asked)]
    assert (small.total, small.packed) == (512, False)  # a round trip more would cost more than it saves
    monkeypatch.setattr("lepton_edge.coordinator.packing.LEAST", 100)
    (chunk,) = [chunk async for chunk in running.stub.fetch(asked)]
    assert chunk.packed
    assert chunk.total == len(chunk.data) < 512
    assert expand(chunk.data, 512) == (bytes(range(256)) * 8)[256 : 256 + 512]
    (plain,) = [chunk async for chunk in running.stub.fetch(m.FetchRequest("d" * 64))]
    assert (plain.total, plain.packed) == (512, False)


async def test_fetching_what_is_not_there_is_not_found(running: Running) -> None:
    with pytest.raises(NotFound, match="no artifact"):
        _ = [chunk async for chunk in running.stub.fetch(m.FetchRequest("e" * 64))]
    sha256 = running.artifacts.put(b"x")
    with pytest.raises(InvalidInput, match="outside"):
        _ = [chunk async for chunk in running.stub.fetch(m.FetchRequest(sha256, 2))]


async def test_describe_names_the_entries_best_first(running: Running, make: Any) -> None:
    await running.agent(make.hello("cloud", "cloud"))
    await running.agent(make.hello("board"))
    described = await running.stub.describe()
    assert described.kind == "coordinator"
    assert [entry.device for entry in described.entries] == ["board", "cloud"]
    assert described.entries[0].addresses == ("board:8011",)


async def test_a_restart_remembers_devices_models_and_active_epochs(tmp_path: Path, make: Any) -> None:
    async with Running(tmp_path, make) as first:
        await first.pair()
        await first.document(m.Deploy("net"))
    async with Running(tmp_path, make) as second:
        assert second.driver.state.settings.term == 2
        status = await second.document(m.ShowStatus())
        assert [device["connected"] for device in status["devices"]] == [False, False]
        assert status["models"][0]["epoch"] == 1
        await second.agent(make.hello("board", epochs=(m.EpochStatus("net", "v1", 1, "active"),)))
        await second.agent(make.hello("cloud", "cloud", "i2"))  # it lost everything
        for _ in range(100):
            if second.driver.state.devices["cloud"].epochs:
                break
            await asyncio.sleep(0.02)
        for _ in range(100):
            if second.driver.state.devices["cloud"].epochs == {("net", 1): "active"}:
                break
            await asyncio.sleep(0.02)
        assert second.driver.state.devices["cloud"].epochs == {("net", 1): "active"}


async def test_a_second_agent_of_one_name_hears_why_and_the_first_goes_on(
    running: Running, make: Any
) -> None:
    await running.agent(make.hello("board"))

    async def words() -> AsyncIterator[m.AgentSays]:
        yield make.hello("board", incarnation="i2")
        await asyncio.sleep(5)

    said = [message async for message in running.stub.attach(words())]
    assert isinstance(said[0], m.Rejected)
    assert said[0].error.code == "already_exists"
    assert len(said) == 1
    assert (await running.document(m.ListDevices()))["devices"][0]["connected"]


async def test_a_disk_that_fills_up_ends_the_deployment_and_nothing_else(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await running.pair()

    def full(record: Any) -> None:
        raise StorageFull("no space is left", "free some")

    monkeypatch.setattr(running.store, "keep_epoch", full)
    error = (await running.ask(m.Deploy("net")))[-1]
    assert isinstance(error, m.WireError)
    assert error.code == "storage_full"
    assert m.Prepare not in running.heard, "an epoch that is not written down was said"
    monkeypatch.undo()
    assert (await running.document(m.Deploy("net")))["page"] == "cut-1"


async def test_files_of_a_removed_model_are_deleted(running: Running) -> None:
    await running.pair()
    await running.document(m.Deploy("net"))
    assert running.artifacts.versions() == [("net", "v1")]
    assert (await running.document(m.RemoveModel("net")))["removed"] is True
    for _ in range(100):
        if not running.artifacts.versions():
            break
        await asyncio.sleep(0.02)
    assert running.artifacts.versions() == []
    assert running.store.find_weight("d" * 64) is None


async def test_an_answer_is_told_of_what_is_written_and_not_of_the_decision_that_follows(
    running: Running,
) -> None:
    await running.pair()
    finish = c.Finish("push", c.CallId("call"), c.Pushed("net"))  # type: ignore[arg-type]
    async with running.driver.settled:  # a decision is made, and not yet written
        told = asyncio.create_task(running.service._event(finish))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not told.done()
    assert isinstance(await asyncio.wait_for(told, 5), m.Document)


async def test_calls_at_a_time_are_bounded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lepton_edge.coordinator.service.MAX_CALLS", 0)
    with pytest.raises(Overloaded, match="0 calls are being served") as told:
        await running.ask(m.ShowStatus())
    assert told.value.retryable


async def test_pushes_at_a_time_are_bounded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lepton_edge.coordinator.service.MAX_PUSHES", 0)
    (told,) = await running.ask(*upload("net"))
    assert isinstance(told, m.WireError)
    assert (told.code, told.retryable) == ("overloaded", True)


@pytest.mark.parametrize(
    ("who", "error"), [(None, Unauthenticated), (Identity(Role.CLIENT, "app", ("*",)), Overloaded)]
)
async def test_who_holds_calls_and_says_nothing_leaves_room_for_others(
    tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch, who: Identity | None, error: type
) -> None:
    monkeypatch.setattr("lepton_edge.coordinator.service.MAX_CALLS", 4)
    monkeypatch.setattr("lepton_edge.coordinator.service.MAX_CALLS_OF_ONE", 3)
    async with Running(tmp_path, make) as running:
        vault = Vault(running.store)
        running.service.gate = Gate(tmp_path, vault, running.driver.on_disk, Terms())
        silent: list[Any] = [asyncio.create_task(_held(running, who)) for _ in range(6)]
        await asyncio.sleep(0.05)
        refused = [one for one in silent if one.done() and isinstance(one.exception(), error)]
        assert len(refused) == (6 if who is None else 3)
        admin = PeerContext("10.0.0.9:1", Identity(Role.ADMIN, "anna"))
        found = [event async for event in running.service.admin(_only(m.ListDevices()), admin)]
        assert isinstance(found[-1], m.Document)
        for one in silent:
            one.cancel()
        await asyncio.gather(*silent, return_exceptions=True)
        assert not running.service._calls, "what is over is forgotten"


async def _held(running: Running, who: Identity | None) -> None:
    async for _ in running.service.admin(_silence(), PeerContext("10.0.0.9:1", who)):
        pass


async def _silence() -> AsyncIterator[m.AdminCall]:
    await asyncio.Event().wait()
    yield m.ListDevices()


async def _only(call: m.AdminCall) -> AsyncIterator[m.AdminCall]:
    yield call


async def test_a_stranger_who_would_attach_is_refused_before_a_word(tmp_path: Path, make: Any) -> None:
    async with Running(tmp_path, make) as running:
        running.service.gate = Gate(tmp_path, Vault(running.store), running.driver.on_disk, Terms())
        with pytest.raises(Unauthenticated):
            async for _ in running.service.attach(_silence(), PeerContext("10.0.0.9:1")):  # type: ignore[arg-type]
                pass
