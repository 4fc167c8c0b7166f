"""Jobs cross the pipe to the worker as JSON, and their results come back as nouns."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import sharing
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.jobs import KINDS, Compiled, Jobs, PlanJob, PushJob, TrialJob
from lepton_edge.coordinator.records import PlanOrder
from lepton_edge.core.messages import ProfileCommand, Progress
from partitioner.errors import LeptonError, ProfileError
from partitioner.nouns_json import from_json, to_json
from partitioner.plan import Block, WeightRef


class FakeWorker:
    """The only one of its kind: remembers what it was asked and gives one result; both cross as JSON text."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.asked: dict[str, Any] = {}
        self.runs = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[FakeWorker]:
        yield self

    async def run(self, asked: dict[str, Any], tell: Any) -> Any:
        self.asked = json.loads(json.dumps(asked))
        self.runs += 1
        tell(Progress("", "planning", 0, 0, f"half way for {sharing.BOARD}"))
        if isinstance(self.result, LeptonError):
            raise self.result
        return json.loads(json.dumps(self.result))


def jobs(result: Any, state: Path = Path("/state")) -> tuple[Jobs, FakeWorker]:
    worker = FakeWorker(result)
    return Jobs(worker, state), worker  # type: ignore[arg-type]


async def test_a_push_comes_back_as_its_record(make: Any) -> None:
    made = Compiled(make.model(), (WeightRef("w", 0, 16, "f" * 64),))
    of, worker = jobs(to_json(made))
    told: list[Any] = []
    job = PushJob("net", "/model.onnx", "/into", shapes=(("x", (1, 3)),), samples=(("a.npz", "/s"),))
    assert await of.push(job, told.append) == made
    assert len(told) == 1
    assert (worker.asked["kind"], worker.asked["state_directory"]) == ("push", "/state")
    assert from_json(PushJob, worker.asked["job"]) == job


async def test_a_trial_is_told_with_its_job(make: Any) -> None:
    command = ProfileCommand("", "net", "v1", Block(0, "onnx", (), ()), (), (), (), "", "", 0, 5, 10.0)
    of, worker = jobs(to_json(command))
    event = await of.work(c.MakeTrial("why", "job1", "net", "v1", 1 << 20, ("Resize",)), lambda told: None)
    assert event == e.TrialMade("why", "job1", command)
    asked = from_json(TrialJob, worker.asked["job"])
    assert (asked.directory, asked.memory, asked.lacks) == ("/state/models/net/v1", 1 << 20, ("Resize",))


def planned(make: Any, artifact: str = "") -> dict[str, Any]:
    """Return what a worker makes of an order: nameless, as it was asked."""
    book = make.book(sharing.BOARD, None)
    blocks = tuple(dataclasses.replace(block, artifact=artifact) for block in book.blocks)
    document = json.dumps({"page": "local", "why": f"{sharing.BOARD} is quick"})
    return {"book": to_json(dataclasses.replace(book, blocks=blocks)), "document": document}


def ordered(make: Any, board: str, job: str = "job", **changes: Any) -> c.MakePlan:
    return c.MakePlan("why", job, PlanOrder("net", "v1", make.profile(board), None, make.link, **changes))


async def test_a_plan_is_told_with_its_book_and_document(make: Any) -> None:
    of, worker = jobs(planned(make))
    told: list[Progress] = []
    event = await of.work(ordered(make, "garden", "job2", page="local"), told.append)
    assert isinstance(event, e.PlanMade)
    assert event.job == "job2"
    assert event.book is not None
    assert event.book.pages[0].stages[0].device == "garden"
    assert json.loads(event.document) == {"page": "local", "why": "garden is quick"}
    assert [one.message for one in told] == ["half way for garden"]
    asked = from_json(PlanJob, worker.asked["job"])
    assert (asked.directory, asked.order.page) == ("/state/models/net/v1", "local")


async def test_boards_that_differ_in_nothing_but_their_names_share_a_plan(make: Any) -> None:
    of, worker = jobs(planned(make))
    names = [f"board{number}" for number in range(5)]
    books = [(await of.work(ordered(make, name), lambda told: None)).book for name in names]  # type: ignore[union-attr]
    assert worker.runs == 1
    assert [book.pages[0].stages[0].device for book in books] == names  # type: ignore[union-attr]
    await of.work(ordered(make, "board1", keep_input_on_board=True), lambda told: None)
    assert worker.runs == 2, "another wish is another plan"


async def test_a_plan_whose_files_are_gone_is_made_again(make: Any, tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    artifacts.prepare()
    kept = artifacts.put(b"a block")
    of, worker = jobs(planned(make, kept), tmp_path)
    for _ in range(2):
        await of.work(ordered(make, "board"), lambda told: None)
    assert worker.runs == 1
    artifacts.sweep(set())
    await of.work(ordered(make, "board"), lambda told: None)
    assert worker.runs == 2


async def test_what_goes_wrong_is_told_by_the_devices_name(make: Any) -> None:
    of, worker = jobs(ProfileError(f"{sharing.BOARD} was never measured", f"measure {sharing.BOARD}"))
    for _ in range(2):
        with pytest.raises(ProfileError, match="garden was never measured") as found:
            await of.work(ordered(make, "garden"), lambda told: None)
    assert found.value.hint == "measure garden"
    assert worker.runs == 2, "what went wrong is tried again"


def test_the_worker_knows_every_kind() -> None:
    assert [KINDS[kind] for kind in ("push", "trial", "plan")] == [PushJob, TrialJob, PlanJob]
