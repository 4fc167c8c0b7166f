"""Jobs of the worker process, from the decider's nouns to JSON and back.

Law: pure translation. What a job does stands in `compile.py`, which runs in the worker and reads what is
written here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from lepton_edge.coordinator import commands as c
from lepton_edge.coordinator import events as e
from lepton_edge.coordinator import housekeeping, sharing
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.records import ModelRecord, PlanOrder
from lepton_edge.coordinator.sharing import Made, Shared
from lepton_edge.coordinator.worker import Workers
from lepton_edge.core.messages import PROTOCOL_MINOR, ProfileCommand, Progress
from partitioner.nouns_json import from_json, to_json
from partitioner.plan import PlanBook, WeightRef
from partitioner.units import Bytes, ModelName, ModelVersion

Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class PushJob:
    """Compile an uploaded model.

    `model`, `labels`, `samples` are where the parts of the upload were spooled; `names` of samples keep their
    suffixes, which say what they are. `into` is the folder that becomes the compiled model's. `coders` are the files of
    trained codecs, as FOLDER/FILE.
    """

    name: ModelName
    model: str
    into: str
    manifest: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    samples: tuple[tuple[str, str], ...] = ()
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    coders: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Compiled:
    """What became of a `PushJob`: the record, and where each weight lies in the blob."""

    record: ModelRecord
    weights: tuple[WeightRef, ...]


@dataclass(frozen=True)
class TrialJob:
    """Cut a compiled model for measuring on a device; the last three fields are those of `MakeTrial`."""

    directory: str
    model: ModelName
    version: ModelVersion
    memory: Bytes = Bytes(0)
    lacks: tuple[str, ...] = ()
    minor: int = PROTOCOL_MINOR


@dataclass(frozen=True)
class PlanJob:
    """Plan a compiled model and cut it."""

    directory: str
    order: PlanOrder


@dataclass(frozen=True)
class PrivacyJob:
    """Say how well inputs are reconstructed from the tensors of `cuts`, by page."""

    directory: str
    cuts: tuple[tuple[str, tuple[str, ...]], ...]


KINDS: Mapping[str, type[Any]] = {
    "push": PushJob,
    "trial": TrialJob,
    "plan": PlanJob,
    "privacy": PrivacyJob,
}


Job: TypeAlias = PushJob | TrialJob | PlanJob | PrivacyJob
Cuts: TypeAlias = Mapping[str, Sequence[str]]


class Jobs:
    """The workers' jobs as functions; `state_directory` is the coordinator's. Plans for equal orders are made once."""

    def __init__(self, workers: Workers, state_directory: Path) -> None:
        self._workers = workers
        self._state_directory = state_directory
        self._artifacts = Artifacts(state_directory)
        self._shared = Shared()

    async def push(self, job: PushJob, tell: Tell) -> Compiled:
        """Compile an uploaded model; raises what is wrong with it."""
        return from_json(Compiled, await self._run("push", job, tell))

    async def privacy(self, model: ModelName, version: ModelVersion, cuts: Cuts) -> dict[str, Any]:
        """Return how well inputs are reconstructed from `cuts`; raises what is wrong with the samples."""
        named = tuple((page, tuple(tensors)) for page, tensors in cuts.items())
        return await self._run("privacy", PrivacyJob(self._folder(model, version), named), lambda told: None)

    async def work(self, job: c.MakeTrial | c.MakePlan, tell: Tell) -> e.Event:
        """Do what the decider asked of the worker; return the event that tells it."""
        if isinstance(job, c.MakeTrial):
            folder = self._folder(job.model, job.version)
            trial = TrialJob(folder, job.model, job.version, job.memory, job.lacks, job.minor)
            command = from_json(ProfileCommand, await self._run("trial", trial, tell))
            return e.TrialMade(job.cause, job.job, command)
        made = self._known(job.order) or await self._plan(job.order, tell)
        return e.PlanMade(job.cause, job.job, made.book, made.document)

    def _known(self, order: PlanOrder) -> Made | None:
        """Return the plan of an equal order, if its files are still there: they go when no epoch needs them."""
        found = self._shared.find(order)
        if found is None or found.book is None:
            return found
        if all(self._artifacts.find(one) for one in housekeeping.of_book(found.book)):
            return found
        self._shared.forget(order)
        return None

    async def _plan(self, order: PlanOrder, tell: Tell) -> Made:
        """Have a plan made without names, so that it can be kept for others, and give it those of the order."""
        told = sharing.teller(order, tell)
        async with self._workers.one() as worker:
            if (found := self._known(order)) is not None:  # made while this one waited
                return found
            job = PlanJob(self._folder(order.model, order.version), sharing.nameless(order))
            with sharing.renaming(order):
                made = await worker.run(self._asked("plan", job), told)
        book = from_json(PlanBook, made["book"]) if made["book"] else None
        self._shared.keep(order, Made(book, made["document"]))
        return sharing.named(order, Made(book, made["document"]))

    def _folder(self, model: ModelName, version: ModelVersion) -> str:
        return str(self._state_directory / "models" / model / version)

    async def _run(self, kind: str, job: Job, tell: Tell) -> dict[str, Any]:
        async with self._workers.one() as worker:
            return await worker.run(self._asked(kind, job), tell)

    def _asked(self, kind: str, job: Job) -> dict[str, Any]:
        return {"kind": kind, "state_directory": str(self._state_directory), "job": to_json(job)}
