"""`lepton_edge.compress(model, data)`: the whole way in one call.

Law: puts the room's parts together in their order, opens and closes; decides nothing that they decide.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lepton_edge.compress import disk, manifest, metrics, plots, search
from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.measure import LocalMeasure, Measure
from lepton_edge.compress.platforms import this_machine
from lepton_edge.compress.recipe import LATENCY, Budget, Recipe, Target
from lepton_edge.compress.report import Report
from lepton_edge.compress.samples import Chosen, Given, first_feeds, open_samples, split
from lepton_edge.compress.sources import open_model
from lepton_edge.compress.technique import Progress, Technique, silent
from lepton_edge.compress.trying import Job
from lepton_edge.compress.workspace import Subject, Workspace
from partitioner.errors import InvalidManifest
from partitioner.manifest import Manifest, read_manifest
from partitioner.units import Bytes, Seconds

CALIBRATION_SHARE, MOST_CALIBRATION = 0.4, 512
TIMED_SAMPLES = 4


def compress(
    model: Any,
    data: str | Path | Given,
    *,
    max_drop: float = 0.01,
    target: str = LATENCY,
    out: str | Path | None = None,
    metric: str | metrics.Judge | metrics.Metric | None = None,
    measure: Measure | None = None,
    platform: Target | None = None,
    recipe: Recipe | None = None,
    steps: Sequence[Technique] = (),
    description: str | Path | Manifest | None = None,
    training: str | Path | Given | None = None,
    devices: Sequence[str] = (),
    time_limit: float = 0.0,
    max_candidates: int = 24,
    seed: int = 0,
    resume: bool = False,
    example: Sequence[Any] = (),
    progress: Progress = silent,
) -> Report:
    """Try what can help `model`, keep the accuracy within the budget, and return what was found.

    Args:
        model: a path, an ONNX model, a torch module or exported program; it is never changed.
        data: a folder, an .npz or an iterable; see `samples`. Part calibrates, other pictures judge.
        max_drop: largest loss of the metric, in points (0.01 is one percent).
        target: what is to be won, "latency" or "size".
        out: folder for candidates, the best model, its manifest and report.html; by default beside the model, or in the
            working directory.
        metric: "top1", "agreement", "cosine" or a function of (answers, original's answers, label).
        measure: times a candidate beside the original; by default here, in a process of its own.
        platform: the processor that will run it; by default this one.
        recipe: the only recipe to try.
        steps: techniques of your own.
        description: the model's TOML manifest; by default the .toml beside the model.
        training: labelled data to train with, apart from `data`.
        devices: names of what `measure` measures.
        time_limit: seconds; 0 is none.
        max_candidates: tried at most.
        seed: of everything random.
        resume: go on with the search in `out`.
        example: positional arguments to export a torch module with.
        progress: told what is done, how much of it, of how much.

    Raises:
        BudgetNotMet: no candidate may be used; says the best that was reached.
        CompressionRefused, ModelError: the data, the recipe or the model are at fault.
        StorageFull: the disk is full; what was finished is kept.
    """
    source = open_model(model, example)
    described = _described(description, model)
    samples = open_samples(data, source.model, described)
    calibration, held_out = split(samples, seed, CALIBRATION_SHARE)
    job = Job(
        name=Path(source.name).stem,
        original=source.model,
        sha256=source.sha256,
        size=Bytes(source.size),
        calibration=calibration.take(MOST_CALIBRATION),
        held_out=held_out,
        metric=metrics.metric(metric) if metric else metrics.usual(source.model, described, samples.labelled),
        budget=Budget(max_drop, target, Seconds(time_limit), max_candidates),
        target=platform or this_machine(),
        measure=measure or LocalMeasure(first_feeds(held_out, TIMED_SAMPLES)),
        training=None if training is None else open_samples(training, source.model, described),
        own={one.name: one for one in steps},
        seed=seed,
        progress=progress,
    )
    return _searched(job, _folder(out, model, job.name), tuple(devices), recipe, resume)


def _searched(
    job: Job, folder: Path, devices: tuple[str, ...], recipe: Recipe | None, resume: bool
) -> Report:
    training = job.training.digest() if isinstance(job.training, Chosen) else ""
    data = job.held_out.digest()
    budget = job.budget
    asked = (budget.max_drop, budget.objective, job.target.name, job.seed, devices, training)
    with Workspace(folder) as workspace:
        workspace.begin(Subject(job.sha256, data, job.metric.name, *asked), job.original, resume)
        try:
            report = search.run(job, workspace, recipe)
        except search.NotMet as error:
            _tell(folder, error.report)
            raise
        finally:
            shutil.rmtree(folder / "scratch", ignore_errors=True)
    origin = manifest.Origin(data, len(job.calibration), len(job.held_out), training, job.target, job.seed)
    return _saved(report, folder, origin)


def _saved(report: Report, folder: Path, origin: manifest.Origin) -> Report:
    """Write the best model with its manifest, and the report; return the report with the model's file."""
    if report.best is None or report.file is None:
        return report
    kept, file = report.file, folder / f"{report.name}.onnx"
    disk.write_by(file, lambda temporary: shutil.copyfile(kept, temporary))
    made = replace(report, file=file)
    manifest.save(file, manifest.document(made, report.best, origin))
    _tell(folder, made)
    return made


def _tell(folder: Path, report: Report) -> None:
    told = report.document()
    disk.write(folder / "report.json", json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n")
    disk.write(folder / "report.html", plots.page(told).encode())


def _described(given: str | Path | Manifest | None, model: Any) -> Manifest | None:
    if isinstance(given, Manifest):
        return given
    path = Path(given) if given is not None else _beside(model)
    if path is None or (given is None and not path.is_file()):
        return None
    try:
        return read_manifest(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidManifest(f"the manifest {path} cannot be read: {error}", "check the path") from error


def _beside(model: Any) -> Path | None:
    return Path(model).with_suffix(".toml") if isinstance(model, (str, Path)) else None


def _folder(out: str | Path | None, model: Any, name: str) -> Path:
    if out is not None:
        folder = Path(out)
    elif isinstance(model, (str, Path)):
        folder = Path(model).with_name(f"{name}.compressed")
    else:
        folder = Path(f"{name}.compressed")
    original = Path(model).resolve() if isinstance(model, (str, Path)) else None
    if original is not None and folder.resolve() == original.parent:
        raise CompressionRefused(
            f"{folder} is where the original lies, and its name would be taken",
            "choose another folder with --out",
        )
    return folder
