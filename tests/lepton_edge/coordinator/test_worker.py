"""The worker process: jobs, typed errors, time limits, and its death."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import pytest

from lepton_edge.coordinator.worker import Worker
from lepton_edge.core.errors import ServiceError
from lepton_edge.core.messages import Progress
from partitioner.errors import InvalidModel
from partitioner.units import Seconds

SCRIPT = """
import json, os, sys, time
ERROR = dict(code="invalid_model", message="not ONNX", hint="push one", fault="model", retryable=False)
HALF = dict(stage="half", done=1, total=2, message="way")
def say(word, value):
    print(json.dumps({word: value}), flush=True)
for line in sys.stdin:
    job = json.loads(line)
    if job["kind"] == "die":
        os.kill(os.getpid(), 9)
    if job["kind"] == "leave":
        sys.exit(3)
    if job["kind"] == "sleep":
        time.sleep(60)
    if job["kind"] == "bug":
        print(json.dumps({"error": dict(ERROR, code="service_error"), "dying": True}), flush=True)
        time.sleep(0.2)
        sys.exit(1)
    if job["kind"] == "bad":
        say("error", ERROR)
        continue
    say("progress", HALF)
    say("result", {"pid": os.getpid(), "echo": job["kind"]})
"""


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    made = Worker(Seconds(5.0), (sys.executable, "-c", SCRIPT))
    yield made
    await made.close()


def _ignore(progress: Progress) -> None:
    pass


async def test_a_job_ends_in_its_result_after_its_progress(worker: Worker) -> None:
    told: list[Progress] = []
    made = await worker.run({"kind": "work"}, told.append)
    assert made["echo"] == "work"
    assert told == [Progress("", "half", 1, 2, "way")]


async def test_the_worker_stays_warm_between_jobs(worker: Worker) -> None:
    first = await worker.run({"kind": "a"}, _ignore)
    second = await worker.run({"kind": "b"}, _ignore)
    assert first["pid"] == second["pid"]


async def test_a_typed_error_comes_back_typed(worker: Worker) -> None:
    with pytest.raises(InvalidModel, match="not ONNX"):
        await worker.run({"kind": "bad"}, _ignore)


async def test_a_killed_worker_is_an_error_for_that_job_alone(worker: Worker) -> None:
    with pytest.raises(ServiceError, match="out of memory"):
        await worker.run({"kind": "die"}, _ignore)
    with pytest.raises(ServiceError, match="exit code 3"):
        await worker.run({"kind": "leave"}, _ignore)
    assert (await worker.run({"kind": "after"}, _ignore))["echo"] == "after"


async def test_a_worker_that_dies_of_a_bug_is_replaced(worker: Worker) -> None:
    with pytest.raises(ServiceError, match="not ONNX"):
        await worker.run({"kind": "bug"}, _ignore)
    assert (await worker.run({"kind": "after"}, _ignore))["echo"] == "after"


async def test_a_late_job_is_stopped(worker: Worker) -> None:
    worker._time_limit = Seconds(0.3)
    with pytest.raises(ServiceError, match="took longer than"):
        await worker.run({"kind": "sleep"}, _ignore)
    worker._time_limit = Seconds(5.0)
    assert (await worker.run({"kind": "after"}, _ignore))["echo"] == "after"


async def test_a_cancelled_job_does_not_hold_up_the_next(worker: Worker) -> None:
    job = asyncio.create_task(worker.run({"kind": "sleep"}, _ignore))
    await asyncio.sleep(0.2)
    job.cancel()
    begun = time.monotonic()
    assert (await worker.run({"kind": "after"}, _ignore))["echo"] == "after"
    assert time.monotonic() - begun < 4.0
    with pytest.raises(asyncio.CancelledError):
        await job


async def test_jobs_take_turns(worker: Worker) -> None:
    made = await asyncio.gather(*(worker.run({"kind": str(i)}, _ignore) for i in range(4)))
    assert [one["echo"] for one in made] == ["0", "1", "2", "3"]
