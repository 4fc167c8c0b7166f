"""Jobs cross the pipe to the worker as JSON, and their results come back as nouns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator.jobs import KINDS, Compiled, Jobs, PlanJob, PushJob, TrialJob
from lepton_edge.coordinator.records import PlanOrder
from lepton_edge.core.messages import ProfileCommand
from partitioner.nouns_json import from_json, to_json
from partitioner.plan import Block, WeightRef


class FakeWorker:
    """Remembers what it was asked and gives one result; both cross as JSON text."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.asked: dict[str, Any] = {}

    async def run(self, asked: dict[str, Any], tell: Any) -> Any:
        self.asked = json.loads(json.dumps(asked))
        tell("half way")
        return json.loads(json.dumps(self.result))


def jobs(result: Any) -> tuple[Jobs, FakeWorker]:
    worker = FakeWorker(result)
    return Jobs(worker, Path("/state")), worker  # type: ignore[arg-type]


async def test_a_push_comes_back_as_its_record(make: Any) -> None:
    made = Compiled(make.model(), (WeightRef("w", 0, 16, "f" * 64),))
    of, worker = jobs(to_json(made))
    told: list[Any] = []
    job = PushJob("net", "/model.onnx", "/into", shapes=(("x", (1, 3)),), samples=(("a.npz", "/s"),))
    assert await of.push(job, told.append) == made
    assert told == ["half way"]
    assert (worker.asked["kind"], worker.asked["state_directory"]) == ("push", "/state")
    assert from_json(PushJob, worker.asked["job"]) == job


async def test_a_trial_is_told_with_its_job(make: Any) -> None:
    command = ProfileCommand("", "net", "v1", Block(0, "onnx", (), ()), (), (), (), "", "", 0, 5, 10.0)
    of, worker = jobs(to_json(command))
    event = await of.work(c.MakeTrial("why", "job1", "net", "v1", 1 << 20, ("Resize",)), lambda told: None)
    assert event == e.TrialMade("why", "job1", command)
    asked = from_json(TrialJob, worker.asked["job"])
    assert (asked.directory, asked.memory, asked.lacks) == ("/state/models/net/v1", 1 << 20, ("Resize",))


async def test_a_plan_is_told_with_its_book_and_document(make: Any) -> None:
    of, worker = jobs({"book": to_json(make.book()), "document": '{"page": "cut-1"}'})
    order = PlanOrder("net", "v1", make.profile("board"), None, make.link, True, "cut-1")
    event = await of.work(c.MakePlan("why", "job2", order), lambda told: None)
    assert event == e.PlanMade("why", "job2", make.book(), '{"page": "cut-1"}')
    assert from_json(PlanJob, worker.asked["job"]) == PlanJob("/state/models/net/v1", order)


def test_the_worker_knows_every_kind() -> None:
    assert [KINDS[kind] for kind in ("push", "trial", "plan")] == [PushJob, TrialJob, PlanJob]
