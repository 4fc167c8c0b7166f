"""A student with its teacher and the same student without: pairs that differ in nothing else, over several seeds.

    python -m bench.compressing.students [--seeds N] [--pictures N] [--epochs N] [--option NAME=NUMBER ...]

Law: a pair has the same first weights, pictures, order, variation and rates; what is told is the mean of the
differences with the interval that 95 of 100 such means would be in (Student's t). One pair says nothing: its
difference is of the size of the noise. What was trained is kept under its settings.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from scipy.stats import t as student_t

from bench.compressing import fashion, judge, trained
from bench.compressing.quantized import BENCH, row
from bench.rows import Row
from lepton_edge.compress.recipe import Value
from lepton_edge.compress.technique import Materials

SEEDS, PICTURES, EPOCHS = 5, 20_000, 2
SURE = 0.95


@dataclass(frozen=True)
class Lesson:
    """How long students are taught, by how much, and how; `options` are those of the technique `distill`."""

    pictures: int = PICTURES
    epochs: int = EPOCHS
    options: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        """What its models are kept under."""
        told = "".join(f"_{name}{value:g}" for name, value in self.options)
        return f"{self.pictures}x{self.epochs}{told}"


def start(teacher: onnx.ModelProto, scratch: Path) -> onnx.ModelProto:
    """Return the student before its lesson: half of the teacher's channels, a quarter of its weights."""
    return judge.applied(teacher, judge.materials(teacher, scratch), [("prune_channels", {"ratio": 0.5})])


def pair(
    teacher: onnx.ModelProto, small: onnx.ModelProto, lesson: Lesson, seed: int, scratch: Path
) -> tuple[float, float]:
    """Return the accuracies of the student with its teacher and of the same without, of 10,000 pictures."""
    length: Mapping[str, Value] = {"epochs": lesson.epochs, "batch": 128, "rate": 1e-3}
    alone = ("finetune", {**length, "labels": 1.0})
    taught = ("distill", {**length, **dict(lesson.options)})
    plain = Lesson(lesson.pictures, lesson.epochs).name
    names = (f"pair_taught_{lesson.name}_{seed}", f"pair_alone_{plain}_{seed}")

    def made(step: tuple[str, Mapping[str, Value]]) -> onnx.ModelProto:
        return judge.applied(small, _given(teacher, lesson, seed, scratch), [step])

    mine = trained.kept(names[0], lambda: made(taught))
    its = trained.kept(names[1], lambda: made(alone))
    return judge.accuracy(mine, fashion.judging()), judge.accuracy(its, fashion.judging())


def _given(teacher: onnx.ModelProto, lesson: Lesson, seed: int, scratch: Path) -> Materials:
    """Return what to learn from, as it is before the first lesson: pictures vary from pass to pass."""
    pictures = fashion.training().first(lesson.pictures).again(seed)
    given = judge.materials(teacher, scratch, fashion.training().first(judge.CALIBRATION), pictures)
    return replace(given, seed=seed)


def interval(differences: list[float], sure: float = SURE) -> tuple[float, float]:
    """Return the mean of paired `differences` and half the width of its interval."""
    spread = statistics.stdev(differences) / math.sqrt(len(differences))
    return statistics.fmean(differences), float(student_t.ppf((1 + sure) / 2, len(differences) - 1)) * spread


def measure(lesson: Lesson, seeds: int, scratch: Path) -> None:
    """Print what a teacher is worth."""
    teacher = trained.resnet_of_fashion()
    small = start(teacher, scratch)
    pairs = []
    for seed in range(seeds):
        pairs.append(pair(teacher, small, lesson, seed, scratch))
        print(
            f"seed {seed}: {pairs[-1][0]:.4f} taught, {pairs[-1][1]:.4f} alone", file=sys.stderr, flush=True
        )
    mean, half = interval([100 * (mine - its) for mine, its in pairs])
    length = f"{seeds} pairs, {lesson.pictures} pictures, {lesson.epochs} epochs"
    said = f"{length}; 95 %: {mean - half:.2f} to {mean + half:.2f}"
    row("student: points that its teacher is worth", mean, "points", said, 0.01)
    Row(
        BENCH, "the same: lower end of its interval", round(mean - half, 3), "points", said, 0.0, mean > half
    ).print()


def main() -> int:
    """Print the rows for the lesson that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, usual in (("seeds", SEEDS), ("pictures", PICTURES), ("epochs", EPOCHS)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--option", action="append", default=[], metavar="NAME=NUMBER")
    asked = parser.parse_args()
    options = tuple((one.partition("=")[0], float(one.partition("=")[2])) for one in asked.option)
    with tempfile.TemporaryDirectory(prefix="lepton-students-") as scratch:
        measure(Lesson(asked.pictures, asked.epochs, options), asked.seeds, Path(scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main())
