"""The folder of one search: what it is about, every candidate, and the models that may be used.

Law: append-only and versioned; a finished candidate survives kill -9, and one that was not finished leaves nothing. It
belongs to one model, one data set and one budget: going on with others would compare what cannot be compared. One
process at a time.

    search.json        what the search is about (Subject)
    original.onnx      the model as it came in, embedded
    candidates.jsonl   one tried candidate a line, in order
    models/SHA.onnx    the models of those that may be used
    trying.json        the recipe that is tried just now (`attempts`)
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from onnx import ModelProto

from lepton_edge.compress import attempts, disk
from lepton_edge.compress.errors import CompressionRefused, FolderTaken
from lepton_edge.compress.recipe import Candidate, Recipe, Step
from lepton_edge.compress.rows import file_digest
from partitioner.nouns_json import from_json, to_json
from partitioner.units import Sha256

try:
    import fcntl
except ImportError:  # Windows: nobody keeps a second process out there
    fcntl = None  # type: ignore[assignment]

_LOCK = ".lock"
_BEGUN = frozenset({_LOCK, "models", "original.onnx", "scratch"})
"""What a search that was killed before it was begun may have left."""

FORMAT = 1
MAX_CANDIDATES = 10_000
ENDED_THE_PROCESS = "ended the process when it was tried (a crash of native code, or no memory was left)"


@dataclass(frozen=True)
class Subject:
    """What a search is about; two searches with different ones do not share a workspace.

    Attributes:
        parent: sha256 of the original.
        samples: sha256 of the data.
        metric: by name.
        max_drop: of the budget.
        objective: of the budget.
        platform: of the target.
        seed: of everything random.
        devices: that latency is measured on.
        training: sha256 of the training data, "" without any.
    """

    parent: Sha256
    samples: str
    metric: str
    max_drop: float
    objective: str
    platform: str
    seed: int = 0
    devices: tuple[str, ...] = ()
    training: str = ""


@dataclass
class Workspace:
    """An open workspace; use it in a `with` statement.

    Attributes:
        folder: where it lies.
        candidates: every one that was finished, in order.
    """

    folder: Path
    candidates: list[Candidate] = field(default_factory=list)
    _lock: IO[bytes] | None = None

    def __enter__(self) -> Workspace:
        """Keep other processes out; raise FolderTaken when one is in, or the folder is somebody else's."""
        with disk.told(self.folder):
            self._check_strangers()
            (self.folder / "models").mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / _LOCK).open("ab")
        try:
            if fcntl is not None:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise FolderTaken(
                f"another search is at work in {self.folder}", "wait for it, or choose another --out"
            ) from error
        disk.forget_parts(self.folder, self.folder / "models")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let others in."""
        if self._lock is not None:
            self._lock.close()

    def _check_strangers(self) -> None:
        """Leave a folder alone whose files are not of a search: a search writes and removes by fixed names."""
        if not self.folder.is_dir() or (self.folder / "search.json").is_file():
            return
        there = {one.name for one in self.folder.iterdir() if not one.name.endswith(".part")}
        begun = _BEGUN if _LOCK in there else frozenset[str]()
        if strangers := sorted(there - begun):
            raise FolderTaken(
                f"{self.folder} holds {strangers[0]!r}, which is of no search",
                "choose another --out: an empty folder, or a new one",
            )

    @property
    def original(self) -> Path:
        """Where the original lies."""
        return self.folder / "original.onnx"

    def begin(self, subject: Subject, original: ModelProto, resume: bool) -> None:
        """Start with an empty workspace, or go on with what is in it.

        Raises:
            FolderTaken: there is a search in it, and it is not to be resumed.
            CompressionRefused: there is one about something else.
        """
        described = self.folder / "search.json"
        content = original.SerializeToString()
        if described.exists():
            self._check(described, subject, resume)
            self.candidates = self._read()
            self._skip_fatal()
            if _digest_of(self.original) != model_digest(content):  # candidates are measured beside it
                disk.write(self.original, content)
            return
        disk.write(self.original, content)
        document = {"format": FORMAT, **asdict(subject)}
        disk.write(described, json.dumps(document, indent=2).encode() + b"\n")

    def _check(self, described: Path, subject: Subject, resume: bool) -> None:
        if not resume:
            hint = "go on with --resume, or choose another --out"
            raise FolderTaken(f"{self.folder} holds a search already", hint)
        told = _object(described)
        if told.get("format") != FORMAT:
            raise CompressionRefused(f"{described} is of format {told.get('format')}", "choose another --out")
        wanted = json.loads(json.dumps(asdict(subject)))
        for key, value in wanted.items():
            if told.get(key) != value:
                raise CompressionRefused(
                    f"the search in {self.folder} has another {key}: {told.get(key)}, not {value}",
                    "resume with what it was begun with, or choose another --out",
                )

    def _read(self) -> list[Candidate]:
        """Return what was finished, each recipe once; one whose model is gone or damaged is to be tried again."""
        path = self.folder / "candidates.jsonl"
        lines = disk.whole_lines(path)[:MAX_CANDIDATES]
        found = [_candidate(line, number, path) for number, line in enumerate(lines, start=1)]
        whole = (one for one in found if one.rejected or _digest_of(self.model_of(one)) == one.sha256)
        return list({recipe_key(one.recipe): one for one in whole}.values())

    def _skip_fatal(self) -> None:
        """Write down as rejected what ended the process: nobody gets past it by trying it again."""
        recipe = attempts.fatal(self.folder)
        if recipe is None:
            return
        known = {recipe_key(one.recipe) for one in self.candidates}
        if recipe_key(recipe) not in known:
            self.keep(Candidate(recipe, rejected=ENDED_THE_PROCESS), None)
        attempts.forget(self.folder)

    def keep(self, candidate: Candidate, model: ModelProto | None) -> None:
        """Write down a finished candidate, and its model where it may be used.

        Raises:
            StorageFull: the disk is full; what was written before stays as it was.
        """
        if model is not None and not candidate.rejected:
            disk.write(self.model_of(candidate), model.SerializeToString())
        line = {"format": FORMAT, "candidate": to_json(candidate)}
        disk.append(self.folder / "candidates.jsonl", json.dumps(line, sort_keys=True).encode())
        self.candidates.append(candidate)

    def model_of(self, candidate: Candidate) -> Path:
        """Return where the model of a candidate that may be used lies."""
        return self.folder / "models" / f"{candidate.sha256}.onnx"

    def scratch(self) -> Path:
        """Return an empty folder for temporary files."""
        path = self.folder / "scratch"
        shutil.rmtree(path, ignore_errors=True)
        with disk.told(path):
            path.mkdir()
        return path


def recipe_key(recipe: Recipe) -> str:
    """Return a text that is equal for equal recipes."""
    return json.dumps([[step.technique, dict(step.options)] for step in recipe.steps], sort_keys=True)


def _candidate(line: bytes, number: int, path: Path) -> Candidate:
    try:
        return candidate_from_json(json.loads(line)["candidate"])
    except (ValueError, TypeError, KeyError) as error:
        hint = "remove that line, or choose another --out"
        raise CompressionRefused(f"line {number} of {path} is no candidate: {error}", hint) from error


def candidate_from_json(told: Mapping[str, Any]) -> Candidate:
    """Rebuild a candidate; `from_json` alone leaves the options of a step as a mapping it cannot type."""
    steps = tuple(
        Step(str(one["technique"]), dict(one.get("options", {}))) for one in told["recipe"]["steps"]
    )
    rest = {**told, "recipe": {"steps": []}}
    found = from_json(Candidate, rest)
    return Candidate(**{**_fields(found), "recipe": Recipe(steps)})


def _fields(candidate: Candidate) -> dict[str, Any]:
    return {name: getattr(candidate, name) for name in candidate.__dataclass_fields__}


def _object(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CompressionRefused(f"{path} cannot be read: {error}", "choose another --out") from error
    return told if isinstance(told, dict) else {}


def _digest_of(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError:
        return ""


def model_digest(content: bytes) -> Sha256:
    """Return the sha256 of a model file's bytes."""
    return Sha256(hashlib.sha256(content).hexdigest())
