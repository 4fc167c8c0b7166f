"""What users feel: the plan that was chosen against the best one that was measured, cell by cell.

    python -m bench.regret [--model NAME] [--slow K] [--rate MBIT] [--keep FOLDER] >rows.jsonl

A cell is a model, a link and how much slower the board is. First every page of the book that is predicted to be
at most twice as slow as the choice answers some requests in turn. Then each one that came near the best is
deployed as the choice was (its stages fused), and both answer in turns again, since only so are they alike.
With `--keep`, cells that a folder knows already are not measured again, so a run can be continued.
Law: orders and prints; the hosts are `laboratory`'s, the application is `asker`.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.laboratory import LOCAL, Laboratory
from bench.rows import Row
from bench.subjects import SUBJECTS, Subject
from examples.demo.processes import Conditions

RATES = {0.5: 50.0, 1.1: 50.0, 5.85: 25.0, 18.88: 2.0, 100.0: 0.3}
"""Mbit/s, and the one-way delay in milliseconds that such links have."""
SLOW = (2.0, 4.0, 8.0)
GOAL, SHARE = 1.03, 0.95
FAR, NEAR = 2.0, 1.25
"""Times the best: pages predicted beyond FAR are not asked at all, measured beyond NEAR not again."""
SHAPED = 0.2
Document = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One set of conditions."""

    model: str
    conditions: Conditions
    slow: float

    @property
    def name(self) -> str:
        """Its name in rows and files."""
        return f"{self.model}, {self.conditions.rate:g} Mbit/s, board {self.slow:g}x slower"

    @property
    def file(self) -> str:
        """The name of the file that keeps what was measured."""
        return f"{self.model}-{self.conditions.rate:g}-{self.slow:g}.json"


@dataclass(frozen=True)
class Site:
    """A running laboratory, how many requests to ask, and where to keep what came of them."""

    laboratory: Laboratory
    coordinator: str
    rounds: int
    keep: Path


@dataclass(frozen=True)
class Trial:
    """A cell with its model: `given` is the name of the input."""

    site: Site
    cell: Cell
    subject: Subject
    given: str

    def deploy(self, page: str = "") -> Document:
        """Deploy on the cell's board, the page `page` where one is named; return what was told."""
        job = {"do": "deploy", "address": self.site.coordinator, "model": self.subject.name}
        told: Document = _ask(
            self.site, "cloud", job | {"devices": [_board(self.cell), "cloud"], "page": page}
        )
        return told

    def ask(self, entry: str, pages: list[str]) -> dict[str, list[float]]:
        """Return the seconds of each page, in turn; what strayed to another page counts as an endless one."""
        job = {"do": "infer", "address": entry, "model": self.subject.name, "input": self.given}
        job |= {"file": str(self.subject.given)}
        answers = _ask(self.site, "edge", job | {"rounds": self.site.rounds, "pages": pages})
        found: dict[str, list[float]] = {page: [] for page in pages}
        for one in answers:
            found[one["asked"]].append(one["latency"] if one["page"] == one["asked"] else float("inf"))
        return found


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    with tempfile.TemporaryDirectory(prefix="lepton-regret-") as directory:
        keep = options.keep or Path(directory) / "kept"
        keep.mkdir(parents=True, exist_ok=True)
        _measure(options, Path(directory), keep)
        for row in rows([json.loads(path.read_text()) for path in sorted(keep.glob("*.json"))]):
            row.print()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=list(SUBJECTS), action="append", help="all when not given")
    parser.add_argument("--slow", type=float, action="append", help="2, 4 and 8 when not given")
    parser.add_argument("--rate", type=float, choices=list(RATES), action="append", help="all when not given")
    parser.add_argument("--rounds", type=int, default=7, help="requests for each page at first")
    parser.add_argument("--keep", type=Path, help="a folder for what was measured, cell by cell")
    parser.add_argument("--minutes", type=float, default=90.0, help="begin no cell after so long")
    return parser.parse_args()


def rows(cells: list[Document]) -> Iterator[Row]:
    """Yield what each cell came to, and in how many of them the choice was within the goal."""
    for cell in cells:
        best = f"best: {cell['best']} {cell['best_ms']:.1f} ms, choice {cell['choice_ms']:.1f} ms"
        what = f"{cell['cell']}: {cell['choice']} chosen"
        yield Row("regret", what, cell["regret"], "1", best, GOAL, cell["regret"] <= GOAL)
    if cells:
        good = sum(cell["regret"] <= GOAL for cell in cells) / len(cells)
        what = f"cells in which the choice takes at most {GOAL} times as long as the best measured"
        worst = max(cell["regret"] for cell in cells)
        yield Row(
            "regret", what, round(good, 3), "1", f"{len(cells)} cells; worst {worst}", SHARE, good >= SHARE
        )


def _measure(options: argparse.Namespace, directory: Path, keep: Path) -> None:
    limit = time.monotonic() + 60 * options.minutes
    cells = [
        Cell(model, Conditions(f"{rate:g} Mbit/s", rate, RATES[rate]), slow)
        for slow in options.slow or SLOW
        for model in options.model or SUBJECTS
        for rate in options.rate or RATES
    ]
    missing = [cell for cell in cells if not (keep / cell.file).exists()]
    if not missing:
        return
    subjects = {
        name: SUBJECTS[name](directory / name) for name in dict.fromkeys(one.model for one in missing)
    }
    with Laboratory("regret", directory) as laboratory:
        coordinator = laboratory.coordinator()
        laboratory.cloud(coordinator)
        site = Site(laboratory, coordinator, options.rounds, keep)
        inputs = {name: _push(site, subject) for name, subject in subjects.items()}
        known: set[tuple[str, float]] = set()
        for number, cell in enumerate(missing, start=1):
            if time.monotonic() > limit:
                _say(f"{len(missing) - number + 1} cells left out, the time is over")
                return
            trial = Trial(site, cell, subjects[cell.model], inputs[cell.model])
            if (cell.model, cell.slow) not in known:
                _start_board(site, cell, LOCAL)  # weights, profiles and files travel over a fast link
                trial.deploy()
                known.add((cell.model, cell.slow))
            _say(f"{cell.name} ({number}/{len(missing)})")
            (keep / cell.file).write_text(json.dumps(_cell(trial)))


def _cell(trial: Trial) -> Document:
    entry = _start_board(trial.site, trial.cell, trial.cell.conditions)
    plan = trial.deploy()["plan"]
    predicted = {
        one["page"]: one["predicted"]["latency"]
        for one in plan["candidates"]
        if one["in_book"] and one["eligible"]
    }
    choice = plan["page"]
    asked = [page for page, seconds in predicted.items() if seconds <= FAR * predicted[choice]]
    first = trial.ask(entry, asked)
    times = {page: statistics.median(several) for page, several in first.items()}
    near = [page for page in times if page != choice and times[page] <= NEAR * min(times.values())]
    fair = {page: _duel(trial, entry, choice, page) for page in near}
    return {**_judged(choice, times, fair), "cell": trial.cell.name, "predicted": predicted}


def _duel(trial: Trial, entry: str, choice: str, rival: str) -> dict[str, list[float]]:
    """Return times of both pages, each as the active one of its deployment, in turns."""
    found: dict[str, list[float]] = {choice: [], rival: []}
    for page in (choice, rival, rival, choice):
        trial.deploy(page)
        found[page] += trial.ask(entry, [page])[page]
    return found


def _judged(choice: str, times: dict[str, float], fair: dict[str, dict[str, list[float]]]) -> Document:
    ratios = {
        rival: statistics.median(found[choice]) / statistics.median(found[rival])
        for rival, found in fair.items()
    }
    best = max(ratios, key=lambda rival: ratios[rival], default=choice)
    regret = max(1.0, ratios.get(best, 1.0))
    own = fair[best][choice] if best in fair else [times[choice]]
    seconds = statistics.median(own)
    return {
        "choice": choice,
        "best": best if regret > 1.0 else choice,
        "regret": round(regret, 4),
        "choice_ms": seconds * 1e3,
        "best_ms": seconds / regret * 1e3,
        "screened": times,
        "ratios": ratios,
    }


def _start_board(site: Site, cell: Cell, conditions: Conditions) -> str:
    """Start the cell's board on a link, again where it ran: TCP remembers what the link was (see endtoend)."""
    name = _board(cell)
    running = site.laboratory.town.children.get(name)
    if running is not None:
        running.stop()
    for other, child in site.laboratory.town.children.items():
        if other.startswith("board") and other != name:
            child.stop()
    site.laboratory.shape(conditions)
    time.sleep(SHAPED)
    return site.laboratory.board(name, site.coordinator, cell.slow)


def _board(cell: Cell) -> str:
    return f"board{cell.slow:g}"


def _push(site: Site, subject: Subject) -> str:
    _say(f"{subject.name}: push")
    job = {
        "do": "push",
        "address": site.coordinator,
        "model": subject.name,
        "file": str(subject.model),
        "manifest": str(subject.manifest) if subject.manifest else None,
        "samples": str(subject.samples) if subject.samples else None,
        "shapes": subject.shapes,
    }
    name: str = _ask(site, "cloud", job)["input"]
    return name


def _ask(site: Site, side: str, job: Document) -> Any:
    words = site.laboratory.command(side, [sys.executable, "-m", "bench.asker"])
    done = subprocess.run(
        words, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True, timeout=900
    )
    return json.loads(done.stdout)


def _say(what: str) -> None:
    print(f"[regret] {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
