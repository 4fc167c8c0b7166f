"""End to end against ideal arithmetic, in the laboratory: real links, a really slow board, real processes.

    python -m bench.endtoend [--model NAME] [--link wifi|lte|3g] [--slow K] [--simulate] [--rounds N] >rows.jsonl

Each cell (model, link, slowdown) runs the planner's choice, the book's interior cuts and the standing candidates in
turn. Without --slow the cells are those that have a goal: ResNet-50 on a board 4x slower, MobileNetV2 on one 8x.
At the end, for each model: the median over its cells of measured / ideal, of the choice and of the cuts.
Law: orders and prints; what happens in the laboratory is `trips`', the sums are `arithmetic`'s.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from bench.arithmetic import Parts, medians, parts_of
from bench.laboratory import LOCAL
from bench.rows import Row
from bench.subjects import OF_PICTURES
from bench.trips import Cell, Document, Known, Site, site
from examples.demo.processes import LTE, THREE_G, WIFI

LINKS = {"wifi": WIFI, "lte": LTE, "3g": THREE_G}
PAGES = 7
"""Pages measured a cell: the choice, the best of the cuts, the standing candidates."""
CUTS = 3
GOALS = {"resnet50": (4.0, 1.03), "mobilenetv2": (8.0, 1.08)}
"""Of each model: how much slower its board is, and the goal for measured / ideal."""
PATIENCE = 60.0
"""Seconds for all rounds of a cell; where its pages take longer there are fewer rounds, but FEWEST at least."""
FEWEST = 6
Ratios = dict[tuple[str, float, str], list[float]]
STANDING = ("local", "cloud-raw", "cloud-jpeg", "cloud-encoded")
REST = ("queue", "decode", "encode", "network", "client", "agents")


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
    parser.add_argument("--link", choices=list(LINKS), action="append", help="all when not given")
    parser.add_argument("--slow", type=float, action="append", help="what has a goal when not given")
    simulate = "the agent plays the slow board (its computing only) instead of having a slow processor"
    parser.add_argument("--simulate", action="store_true", help=simulate)
    parser.add_argument("--rounds", type=int, default=20, help="requests for each page of a cell")
    parser.add_argument("--keep", type=Path, help="a folder for plans and answers as they came")
    parser.add_argument("--minutes", type=float, default=14.0, help="begin no cell after so long")
    return parser.parse_args()


def _rows(options: argparse.Namespace, directory: Path) -> Iterator[Row]:
    limit = time.monotonic() + 60 * options.minutes
    ratios: Ratios = {}
    with site("endtoend", directory) as there:
        for known, slow in _boards(options, directory, there):
            cell = Cell(known.subject.name, LOCAL, slow, options.simulate)
            there.introduce(cell)
            for link in options.link or LINKS:
                cell = dataclasses.replace(cell, conditions=LINKS[link])
                if time.monotonic() > limit:
                    there.say(f"{cell}: left out, the time is over")
                else:
                    yield from _cell(there, cell, known, options, ratios)
    yield from summary(ratios)


def _boards(options: argparse.Namespace, directory: Path, there: Site) -> Iterator[tuple[Known, float]]:
    for name in options.model or OF_PICTURES:
        known = there.push(OF_PICTURES[name](directory / name))
        for slow in options.slow or GOALS[name][:1]:
            yield known, slow


def _cell(
    there: Site, cell: Cell, known: Known, options: argparse.Namespace, ratios: Ratios
) -> Iterator[Row]:
    """Ask every page in turn and yield what came of it; add to `ratios` those that have a goal."""
    entry = there.start_board(cell)
    plan = there.deploy(cell)["plan"]
    predicted = {one["page"]: one["predicted"] for one in plan["candidates"] if one["in_book"]}
    pages = chosen_pages(plan["page"], {page: one["latency"] for page, one in predicted.items()})
    there.say(f"{cell}: {plan['page']} chosen; {', '.join(pages)}")
    answers = there.infer(entry, known, pages, rounds_of(options.rounds, predicted, pages))
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        (options.keep / f"{cell}.json").write_text(json.dumps({"plan": plan, "answers": answers}))
    for page in pages:
        own = [one for one in answers if one["asked"] == page]
        parts = medians([parts_of(one, cell.conditions) for one in own if one["page"] == page] or [_NOTHING])
        name = f"{cell}: {page}{' (chosen)' if page == plan['page'] else ''}"
        yield from _page_rows(name, parts, predicted[page]["latency"])
        kind = "the choice" if page == plan["page"] else "cuts" if page.startswith("cut") else ""
        ratios.setdefault((cell.model, cell.slow, kind), []).append(parts.latency / parts.ideal)
        yield from _faults(name, own)
    yield _agreement(cell, answers)


def chosen_pages(choice: str, predicted: dict[str, float]) -> list[str]:
    """Return the pages to measure: the choice, the best cuts, then the standing ones, the best first."""
    ranked = sorted((page for page in predicted if page != choice), key=lambda page: predicted[page])
    cuts = [page for page in ranked if page not in STANDING]
    standing = [page for page in ranked if page in STANDING]
    return [choice, *cuts[:CUTS], *standing, *cuts[CUTS:]][:PAGES]


def rounds_of(wanted: int, predicted: Mapping[str, Mapping[str, float]], pages: Sequence[str]) -> int:
    """Return how many rounds over `pages` fit into the time for a cell, of `wanted`."""
    once = sum(predicted[page]["latency"] for page in pages)
    return max(FEWEST, min(wanted, int(PATIENCE / once)))


def summary(ratios: Ratios) -> Iterator[Row]:
    """Yield the medians over the cells of each model and board: what the issue's goals speak of."""
    for model, slow in dict.fromkeys((model, slow) for model, slow, _ in ratios):
        goal = GOALS[model][1] if GOALS[model][0] == slow else None
        what = f"{model}, board {slow:g}x slower: measured / ideal, median of"
        choice, cuts = (ratios.get((model, slow, kind), []) for kind in ("the choice", "cuts"))
        for kind, found in (
            ("the choice and of cuts", choice + cuts),
            ("the choice", choice),
            ("cuts", cuts),
        ):
            if found:
                value, own = statistics.median(found), goal if kind.endswith("and of cuts") else None
                told = f"of {len(found)} pages in cells, {min(found):.3f} to {max(found):.3f}"
                met = None if own is None else value <= own
                yield Row("endtoend", f"{what} {kind}", round(value, 3), "1", told, own, met)


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


if __name__ == "__main__":
    sys.exit(main())
