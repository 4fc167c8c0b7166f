"""`lepton_edge.compress(model, data)`: the whole way in one call.

Law: puts the room's parts together in their order, opens and closes; decides nothing that they decide.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lepton_edge.compress import description, disk, labels, manifest, metrics, plots, pushable, search
from lepton_edge.compress.asking import Asked, Options
from lepton_edge.compress.errors import CompressionRefused
from lepton_edge.compress.measure import LocalMeasure
from lepton_edge.compress.platforms import chosen
from lepton_edge.compress.recipe import Budget, Recipe
from lepton_edge.compress.report import Report
from lepton_edge.compress.samples import Chosen, Given, first_feeds, open_samples, set_apart, split
from lepton_edge.compress.sources import Source, open_model
from lepton_edge.compress.trying import Job
from lepton_edge.compress.workspace import Subject, Workspace
from partitioner.units import Bytes, Seconds

if TYPE_CHECKING:
    from typing_extensions import Unpack

CALIBRATION_SHARE, MOST_CALIBRATION = 0.4, 512
APART_SHARE = 1 / 3
"""Of the pictures that judge, so many only confirm the choice that the others made."""
TIMED_SAMPLES = 4
TAKEN = frozenset({"original", "search", "report"})
"""Names of files in the folder of a search, without their endings."""


def compress(model: Any, data: str | Path | Given, **options: Unpack[Options]) -> Report:
    """Try what can help `model`, keep the accuracy within the budget, and return what was found.

    Args:
        model: a path, an ONNX model, a torch module or exported program; it is never changed.
        data: a folder, an .npz or an iterable; see `samples`. Part calibrates, other pictures judge.
        options: max_drop=0.01, target="latency" or "size", out, metric, recipe, steps, training, time_limit, resume and
            more: the attributes of `asking.Asked`.

    Raises:
        BudgetNotMet: no candidate may be used; says the best that was reached.
        CompressionRefused, ModelError: the data, the recipe or the model are at fault.
        StorageFull: the disk is full; what was finished is kept.
    """
    asked = Asked(model, data, **options)
    job = _job(asked, open_model(model, asked.example))
    folder = _folder(asked.out, model, job.name)
    report = _searched(job, folder, tuple(asked.devices), asked.recipe, asked.resume)
    pushable.describe(report, description.found(asked.description, asked.model))
    return report


def _job(asked: Asked, source: Source) -> Job:
    """Return what is to be compressed and how it is judged, with the data opened and split."""
    told = description.described(asked.description, asked.model)
    samples = open_samples(asked.data, source.model, told)
    calibration, judging = split(samples, asked.seed, CALIBRATION_SHARE)
    held_out, apart = set_apart(judging, asked.seed, APART_SHARE)
    usual = metrics.usual(source.model, told, samples.labelled)
    training = None if asked.training is None else open_samples(asked.training, source.model, told)
    if training is not None:
        labels.check(training, source.model)
    return Job(
        name=Path(source.name).stem,
        original=source.model,
        sha256=source.sha256,
        size=Bytes(source.size),
        calibration=calibration.take(MOST_CALIBRATION),
        held_out=held_out,
        metric=metrics.metric(asked.metric) if asked.metric else usual,
        budget=Budget(_share(asked.max_drop), asked.target, Seconds(asked.time_limit), asked.max_candidates),
        target=chosen(asked.platform),
        measure=asked.measure or LocalMeasure(first_feeds(held_out, TIMED_SAMPLES)),
        training=training,
        own={one.name: one for one in asked.steps},
        seed=asked.seed,
        progress=asked.progress,
        apart=apart,
    )


def _share(given: float | str) -> float:
    """Return 0.01 of 0.01, "0.01" or "1%"; raise CompressionRefused where a text is no share below 1."""
    if not isinstance(given, str):
        return given
    try:
        number = float(given.strip().removesuffix("%")) / (100.0 if "%" in given else 1.0)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise CompressionRefused(f"max_drop={given!r} is no share below 1", 'write max_drop=0.01, or "1%"')
    return number


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
    apart = 0 if job.apart is None else len(job.apart)
    counts = (len(job.calibration), len(job.held_out))
    origin = manifest.Origin(data, *counts, training, job.target, job.seed, apart)
    return _saved(report, folder, origin)


def _saved(report: Report, folder: Path, origin: manifest.Origin) -> Report:
    """Write the best model with its manifest, and the report; return the report with the model's file."""
    if report.best is None or report.file is None:
        return report
    kept, file = report.file, folder / f"{_free(report.name)}.onnx"
    disk.write_by(file, lambda temporary: shutil.copyfile(kept, temporary))
    made = replace(report, file=file)
    manifest.save(file, manifest.document(made, report.best, origin))
    _tell(folder, made)
    return made


def _free(name: str) -> str:
    """Return what the best model's files are called: nothing that the workspace or the report is called."""
    return f"{name}-compressed" if name in TAKEN else name


def _tell(folder: Path, report: Report) -> None:
    told = report.document()
    disk.write(folder / "report.json", json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n")
    disk.write(folder / "report.html", plots.page(told).encode())


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
