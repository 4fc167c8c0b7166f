"""What users feel: the plan that was chosen against the best one that was measured, cell by cell.

    python -m bench.regret [--model NAME] [--slow K] [--rate MBIT] [--int8] [--keep FOLDER] >rows.jsonl

A cell is a model, a link and how much slower the board is. First every page of the book that is predicted to be
at most twice as slow as the choice answers some requests in turn. Then each one that came near the best is
deployed as the choice was (its stages fused), and both answer in turns again, since only so are they alike.
With `--int8` models of pictures have an int8 variant, and every other way to give the devices variants is such a rival.
With `--keep`, cells that a folder knows already are not measured again, so a run can be continued.
Law: orders and prints; what happens in the laboratory is `trips`'.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.rows import Row
from bench.subjects import OF_PICTURES, SUBJECTS, int8_of
from bench.trips import Cell, Document, Known, Site, site
from examples.demo.processes import Conditions

RATES = {0.5: 50.0, 1.1: 50.0, 5.85: 25.0, 18.88: 2.0, 100.0: 0.3}
"""Mbit/s, and the one-way delay in milliseconds that such links have."""
SLOW = (2.0, 4.0, 8.0)
GOAL, SHARE = 1.03, 0.95
FAR, NEAR = 2.0, 1.25
"""Times the best: pages predicted beyond FAR are not asked at all, measured beyond NEAR not again."""


@dataclass(frozen=True)
class Trial:
    """A cell with its model, and how many requests a page answers."""

    site: Site
    cell: Cell
    known: Known
    rounds: int

    def ask(self, entry: str, pages: list[str]) -> dict[str, list[float]]:
        """Return the seconds of each page, in turn; what strayed to another page counts as an endless one."""
        found: dict[str, list[float]] = {page: [] for page in pages}
        for one in self.site.infer(entry, self.known, pages, self.rounds):
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
    parser.add_argument("--int8", action="store_true", help="with int8 variants of models of pictures")
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
    missing = [cell for cell in cells if not (keep / kept(cell)).exists()]
    if not missing:
        return
    names = dict.fromkeys(one.model for one in missing)
    subjects = [SUBJECTS[name](directory / name) for name in names]
    with site("regret", directory) as there:
        models = {subject.name: there.push(subject) for subject in subjects}
        for subject in subjects if options.int8 else ():
            if subject.name in OF_PICTURES:
                there.push(int8_of(subject, f"{subject.name}-int8", directory / f"{subject.name}-int8"))
        introduced: set[tuple[str, float]] = set()
        for number, cell in enumerate(missing, start=1):
            if time.monotonic() > limit:
                there.say(f"{len(missing) - number + 1} cells left out, the time is over")
                return
            if (cell.model, cell.slow) not in introduced:
                there.introduce(cell)
                introduced.add((cell.model, cell.slow))
            there.say(f"{cell} ({number}/{len(missing)})")
            trial = Trial(there, cell, models[cell.model], options.rounds)
            (keep / kept(cell)).write_text(json.dumps(_cell(trial)))


def kept(cell: Cell) -> str:
    """Return the name of the file that keeps what was measured."""
    return f"{cell.model}-{cell.conditions.rate:g}-{cell.slow:g}.json"


Option = tuple[str, tuple[str, str]]
"""A page, and which variants board and cloud run."""


def _cell(trial: Trial) -> Document:
    entry = trial.site.start_board(trial.cell)
    plan = trial.site.deploy(trial.cell)["plan"]
    own = _both(plan.get("variants"), trial.cell.model)
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
    rivals = {page: (page, own) for page in near} | other_ways(plan, trial.cell.model)
    fair = {name: _duel(trial, entry, {choice: (choice, own), name: rival}) for name, rival in rivals.items()}
    return {**judged(choice, times, fair), "cell": str(trial.cell), "predicted": predicted}


def _both(way: Document | None, model: str) -> tuple[str, str]:
    """Return what board and cloud run of a way to give them variants; the planner's choice where there is none."""
    return (way["board"] or model, way["cloud"] or model) if way else ("", "")


def other_ways(plan: Document, model: str) -> dict[str, Option]:
    """Return the best page of every way that was not taken, where it is not predicted to be far off."""
    told = plan.get("variants") or {}
    most = FAR * plan["predicted"]["latency"]
    others = [one for one in told.get("ways", []) if one["label"] != told["label"] and one["seconds"] <= most]
    return {f"{one['page']}, {one['label']}": (one["page"], _both(one, model)) for one in others}


def _duel(trial: Trial, entry: str, both: dict[str, Option]) -> dict[str, list[float]]:
    """Return times of both pages, each as the active one of its deployment, in turns."""
    found: dict[str, list[float]] = {name: [] for name in both}
    for name in (*both, *reversed(both)):
        page, variants = both[name]
        trial.site.deploy(trial.cell, page, variants=variants)
        found[name] += trial.ask(entry, [page])[page]
    return found


def judged(choice: str, times: dict[str, float], fair: dict[str, dict[str, list[float]]]) -> Document:
    """Return what a cell came to: `times` of the first look, `fair` those of the choice and of each rival near it.

    A choice that does not answer by its own page in at least half of its requests has endless regret.
    """
    ratios = {
        rival: statistics.median(found[choice]) / statistics.median(found[rival])
        for rival, found in fair.items()
    }
    best = max(ratios, key=lambda rival: ratios[rival], default=choice)
    seconds = statistics.median(fair[best][choice] if best in fair else [times[choice]])
    regret = max(1.0, ratios.get(best, 1.0)) if math.isfinite(seconds) else math.inf
    return {
        "choice": choice,
        "best": best if regret > 1.0 else choice,
        "regret": round(regret, 4),
        "choice_ms": seconds * 1e3,
        "best_ms": (statistics.median(fair[best][best]) if regret > 1.0 and best in fair else seconds) * 1e3,
        "screened": times,
        "ratios": ratios,
    }


if __name__ == "__main__":
    sys.exit(main())
