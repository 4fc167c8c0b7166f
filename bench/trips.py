"""Trips through the laboratory: a model is pushed, a slow board started on a link, a page deployed and asked.

Law: orders; the hosts are `laboratory`'s, the application is `asker`. Knows no bench and judges nothing.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.laboratory import LOCAL, Laboratory
from bench.subjects import Subject
from examples.demo.processes import Conditions

SHAPED = 0.2
"""Seconds after which a link has changed."""
LONGEST = 900.0
"""Seconds that an application may take: a profile on a slow board, or a round of slow pages."""
Document = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One set of conditions."""

    model: str
    conditions: Conditions
    slow: float
    simulated: bool = False

    @property
    def board(self) -> str:
        """Return the name of its board."""
        return f"board{self.slow:g}"

    def __str__(self) -> str:
        """Return its name in rows and tables."""
        how = " (simulated)" if self.simulated else ""
        return f"{self.model}, {self.conditions.name}, board {self.slow:g}x slower{how}"


@dataclass(frozen=True)
class Known:
    """A model that the coordinator has; `given` is the name of its input."""

    subject: Subject
    given: str


@dataclass(frozen=True)
class Site:
    """A running laboratory with a coordinator and a cloud; boards come and go."""

    laboratory: Laboratory
    coordinator: str

    def push(self, subject: Subject) -> Known:
        """Push a model; return it as the coordinator knows it."""
        self.say(f"{subject.name}: push")
        job = {
            "do": "push",
            "address": self.coordinator,
            "model": subject.name,
            "file": str(subject.model),
            "manifest": str(subject.manifest) if subject.manifest else None,
            "samples": str(subject.samples) if subject.samples else None,
            "shapes": subject.shapes,
            "bottlenecks": [str(folder) for folder in subject.bottlenecks],
        }
        return Known(subject, self.ask("cloud", job)["input"])

    def introduce(self, cell: Cell) -> None:
        """Bring the cell's model to its board over a fast link: weights, files, and the profile it makes."""
        self.say(f"{cell.model} on {cell.board}: weights and profiles travel over {LOCAL.spec}")
        self.start_board(dataclasses.replace(cell, conditions=LOCAL))
        self.deploy(cell)

    def start_board(self, cell: Cell) -> str:
        """Start the cell's board alone, again where it ran; return where it answers.

        A link that was dialled under other conditions keeps TCP's memory of them: BBR never unlearns a rate that
        no transfer is long enough to disprove, and floods the slow link with every burst.
        """
        for name, child in self.laboratory.town.children.items():
            if name.startswith("board"):
                child.stop()
        self.laboratory.shape(cell.conditions)
        time.sleep(SHAPED)
        return self.laboratory.board(cell.board, self.coordinator, cell.slow, cell.simulated)

    def deploy(
        self, cell: Cell, page: str = "", keep_input: bool = False, variants: tuple[str, str] = ("", "")
    ) -> Document:
        """Deploy on the cell's board, the page `page` where one is named; return what was told.

        `variants` names what the board and the cloud run of the model; "" leaves it to the planner.
        """
        job: Document = {"do": "deploy", "address": self.coordinator, "model": cell.model, "page": page}
        job["keep_input"], job["variants"] = keep_input, list(variants)
        told: Document = self.ask("cloud", job | {"devices": [cell.board, "cloud"]})
        return told

    def infer(self, entry: str, known: Known, pages: Sequence[str], rounds: int) -> list[Document]:
        """Ask every page in turn, from the board's own host; return what came of each request."""
        job = {"do": "infer", "address": entry, "model": known.subject.name, "input": known.given}
        job |= {"file": str(known.subject.given)}
        answers: list[Document] = self.ask("edge", job | {"rounds": rounds, "pages": list(pages)})
        return answers

    def say(self, what: str) -> None:
        """Tell the progress."""
        print(f"[{self.laboratory.name}] {what}", file=sys.stderr, flush=True)

    def ask(self, side: str, job: Document) -> Any:
        """Let an application on a host do a job; return what it told."""
        words = self.laboratory.command(side, [sys.executable, "-m", "bench.asker"])
        done = subprocess.run(
            words, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True, timeout=LONGEST
        )
        return json.loads(done.stdout)


@contextmanager
def site(name: str, directory: Path) -> Iterator[Site]:
    """Yield a laboratory with a coordinator and a cloud in it; take it down afterwards."""
    with Laboratory(name, directory) as laboratory:
        coordinator = laboratory.coordinator()
        laboratory.cloud(coordinator)
        yield Site(laboratory, coordinator)
