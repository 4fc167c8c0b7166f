"""End to end against ideal arithmetic, in the laboratory: real links, a really slow board, real processes.

    python -m bench.endtoend [--model NAME] [--link wifi|lte] [--slow K] [--simulate] [--rounds N] >rows.jsonl

Each cell (model, link, slowdown) runs the planner's choice and at least four other pages of its book in turn.
Law: orders and prints; the hosts are `laboratory`, the application is `asker`, the sums are `arithmetic`'s.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bench.arithmetic import Parts, medians, parts_of
from bench.laboratory import LOCAL, Laboratory
from bench.rows import Row
from bench.subjects import OF_PICTURES, Subject
from examples.demo.processes import LTE, WIFI, Conditions

LINKS = {"wifi": WIFI, "lte": LTE}
PAGES = 6
"""Pages measured a cell: the choice, the standing candidates, the best of the cuts."""
SHAPED = 0.2
"""Seconds after which a link has changed."""
STANDING = ("local", "cloud-raw", "cloud-jpeg", "cloud-encoded")
REST = ("queue", "decode", "encode", "network", "client", "agents")
Document = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """Where the parts of a running laboratory answer."""

    laboratory: Laboratory
    coordinator: str
    limit: float
    keep: Path | None


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


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    with tempfile.TemporaryDirectory(prefix="lepton-bench-") as directory:
        for row in _rows(options, Path(directory)):
            row.print()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=list(OF_PICTURES), action="append", help="both when not given")
    parser.add_argument("--link", choices=list(LINKS), action="append", help="both when not given")
    parser.add_argument("--slow", type=float, action="append", help="4 and 8 when not given")
    simulate = "the agent plays the slow board (its computing only) instead of having a slow processor"
    parser.add_argument("--simulate", action="store_true", help=simulate)
    parser.add_argument("--rounds", type=int, default=20, help="requests for each page of a cell")
    parser.add_argument("--keep", type=Path, help="a folder for plans and answers as they came")
    parser.add_argument("--minutes", type=float, default=14.0, help="begin no cell after so long")
    return parser.parse_args()


def _rows(options: argparse.Namespace, directory: Path) -> Iterator[Row]:
    limit = time.monotonic() + 60 * options.minutes
    subjects = [OF_PICTURES[name](directory / name) for name in options.model or OF_PICTURES]
    with Laboratory("endtoend", directory) as laboratory:
        coordinator = laboratory.coordinator()
        laboratory.cloud(coordinator)
        site = Site(laboratory, coordinator, limit, options.keep)
        inputs = {subject.name: _push(site, subject) for subject in subjects}
        for slow in options.slow or (4.0, 8.0):
            yield from _boards(site, slow, [(one, inputs[one.name]) for one in subjects], options)


def _boards(
    site: Site, slow: float, subjects: list[tuple[Subject, str]], options: argparse.Namespace
) -> Iterator[Row]:
    """Measure every model at every link with one board."""
    for subject, given in subjects:
        cell = Cell(subject.name, LOCAL, slow, options.simulate)
        _say(f"{subject.name} on a board {slow:g}x slower: weights and profiles travel over {LOCAL.spec}")
        _start_board(site, cell)
        _deploy(site, subject, cell.board)
        for link in options.link or LINKS:
            if time.monotonic() > site.limit:
                _say(f"{cell}: left out, the time is over")
                continue
            cell = dataclasses.replace(cell, conditions=LINKS[link])
            entry = _start_board(site, cell)
            plan = _deploy(site, subject, cell.board)["plan"]
            yield from _cell(site, cell, plan, _job(subject, given, entry, options.rounds))
        site.laboratory.town.children[cell.board].stop()


def _start_board(site: Site, cell: Cell) -> str:
    """Start the cell's board, again where it ran; return where it answers.

    A link that was dialled under other conditions keeps TCP's memory of them: BBR never unlearns a rate that no
    transfer is long enough to disprove, and floods the slow link with every burst.
    """
    known = site.laboratory.town.children.get(cell.board)
    if known is not None:
        known.stop()
    site.laboratory.shape(cell.conditions)
    time.sleep(SHAPED)
    return site.laboratory.board(cell.board, site.coordinator, cell.slow, cell.simulated)


def _job(subject: Subject, given: str, entry: str, rounds: int) -> Document:
    return {
        "do": "infer",
        "address": entry,
        "model": subject.name,
        "input": given,
        "file": str(subject.given),
        "rounds": rounds,
    }


def _push(site: Site, subject: Subject) -> str:
    """Push a model; return the name of its input."""
    _say(f"{subject.name}: push")
    job = {
        "do": "push",
        "address": site.coordinator,
        "model": subject.name,
        "file": str(subject.model),
        "manifest": str(subject.manifest) if subject.manifest else None,
        "samples": str(subject.samples) if subject.samples else None,
    }
    name: str = _ask(site.laboratory, "cloud", job)["input"]
    return name


def _deploy(site: Site, subject: Subject, board: str) -> Document:
    job = {"do": "deploy", "address": site.coordinator, "model": subject.name, "devices": [board, "cloud"]}
    told: Document = _ask(site.laboratory, "cloud", job)
    return told


def _ask(laboratory: Laboratory, side: str, job: Document) -> Any:
    words = laboratory.command(side, [sys.executable, "-m", "bench.asker"])
    done = subprocess.run(
        words, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True, timeout=600
    )
    return json.loads(done.stdout)


def _cell(site: Site, cell: Cell, plan: Document, job: Document) -> Iterator[Row]:
    """Ask every page in turn and print what came of it."""
    predicted = {one["page"]: one["predicted"] for one in plan["candidates"] if one["in_book"]}
    pages = chosen_pages(plan["page"], {page: one["latency"] for page, one in predicted.items()})
    _say(f"{cell}: {plan['page']} chosen; {', '.join(pages)}")
    answers = _ask(site.laboratory, "edge", job | {"pages": pages})
    if site.keep is not None:
        site.keep.mkdir(parents=True, exist_ok=True)
        (site.keep / f"{cell}.json").write_text(json.dumps({"plan": plan, "answers": answers}))
    for page in pages:
        own = [one for one in answers if one["asked"] == page]
        parts = medians([parts_of(one, cell.conditions) for one in own if one["page"] == page] or [_NOTHING])
        name = f"{cell}: {page}{' (chosen)' if page == plan['page'] else ''}"
        yield from _page_rows(name, parts, predicted[page]["latency"])
        yield from _faults(name, own)
    yield _agreement(cell, answers)


def chosen_pages(choice: str, predicted: dict[str, float]) -> list[str]:
    """Return the pages to measure: the choice, the standing ones, then the cuts, the best first."""
    ranked = sorted(predicted, key=lambda page: (page not in STANDING, predicted[page]))
    return [choice, *(page for page in ranked if page != choice)][:PAGES]


def _page_rows(name: str, parts: Parts, predicted: float) -> Iterator[Row]:
    ideal = f"ideal {parts.ideal * 1e3:.1f} ms = {parts.compute * 1e3:.1f} compute + the link's"
    yield Row("endtoend", f"{name}: measured", _ms(parts.latency), "ms", ideal)
    yield Row("endtoend", f"{name}: ideal", _ms(parts.ideal), "ms")
    yield Row(
        "endtoend", f"{name}: measured / ideal", round(parts.latency / parts.ideal, 3), "1", "1 is ideal"
    )
    yield Row(
        "endtoend", f"{name}: predicted", _ms(predicted), "ms", f"measured {parts.latency * 1e3:.1f} ms"
    )
    for part in REST:
        yield Row("endtoend", f"{name}: rest: {part}", _ms(getattr(parts, part)), "ms")


def _faults(name: str, own: list[Document]) -> Iterator[Row]:
    """Print how many requests did not run on their page; silence would hide a fallback."""
    strayed = [one for one in own if one["page"] != one["asked"]]
    if strayed:
        reason = f"of {len(own)}; first: {strayed[0]['page']}: {strayed[0]['reason']}"
        yield Row(
            "endtoend", f"{name}: strayed from its page", len(strayed), "requests", reason, 0, met=False
        )


def _agreement(cell: Cell, answers: list[Document]) -> Row:
    tops = {one["top"] for one in answers}
    what = f"{cell}: different answers among {len(answers)} requests ({', '.join(sorted(tops))})"
    return Row("endtoend", what, len(tops) - 1, "answers", goal=0, met=len(tops) == 1)


_NOTHING = Parts(**{field.name: float("nan") for field in fields(Parts)})


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)


def _say(what: str) -> None:
    print(f"[endtoend] {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
