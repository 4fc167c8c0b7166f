"""Which precision where: float and int8 on a slow board and in the cloud, every way measured, and what is planned.

    python -m bench.variants [--slow K] [--rate MBIT] [--rounds N] [--simulate] [--keep FOLDER] >rows.jsonl

MobileNetV2 and the int8 variant that `compress` makes of it. In each cell (link, board, whether the input stays on the
board) the planner chooses freely first; then each of the four ways to give the devices variants is deployed in turns,
there and back, and the plan that is best that way answers. Needs root, as `regret`. With `--simulate` the agent itself
plays the slower board (`--simulate-slow`), which leaves the machine's processors to others.
Law: orders and prints; what happens in the laboratory is `trips`'.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.regret import GOAL, RATES
from bench.rows import Row
from bench.subjects import int8_of, mobilenetv2
from bench.trips import Cell, Document, Known, Site, site
from examples.demo.processes import Conditions

SLOW, RATE = (4.0, 8.0), (5.85, 18.88, 100.0)
FLOAT, INT8 = "mobilenetv2", "mobilenetv2-int8"
WAYS = {
    "fp32 on both": (FLOAT, FLOAT),
    "int8 on both": (INT8, INT8),
    "int8 on the board, fp32 in the cloud": (INT8, FLOAT),
    "fp32 on the board, int8 in the cloud": (FLOAT, INT8),
}


@dataclass(frozen=True)
class Case:
    """A cell, and whether the input stays on the board."""

    cell: Cell
    keep_input: bool

    @property
    def file(self) -> str:
        """Return the name of the file that keeps what was measured."""
        kept = "-kept" if self.keep_input else ""
        played = "-simulated" if self.cell.simulated else ""
        return f"{self.cell.conditions.rate:g}-{self.cell.slow:g}{played}{kept}.json"

    def __str__(self) -> str:
        """Return its name in rows."""
        return f"{self.cell}{', the input stays' if self.keep_input else ''}"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    with tempfile.TemporaryDirectory(prefix="lepton-variants-") as directory:
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
    parser.add_argument("--slow", type=float, action="append", help="4 and 8 when not given")
    parser.add_argument("--rate", type=float, choices=list(RATES), action="append")
    parser.add_argument("--rounds", type=int, default=10, help="requests a turn, two turns each")
    parser.add_argument("--simulate", action="store_true", help="boards that play a slower device")
    parser.add_argument("--keep", type=Path, help="a folder for what was measured, cell by cell")
    parser.add_argument("--name", default="variants", help="of the laboratory")
    return parser.parse_args()


def _measure(options: argparse.Namespace, directory: Path, keep: Path) -> None:
    cases = [
        Case(Cell(FLOAT, Conditions(f"{rate:g} Mbit/s", rate, RATES[rate]), slow, options.simulate), kept)
        for slow in options.slow or SLOW
        for rate in options.rate or RATE
        for kept in (True, False)
    ]
    missing = [case for case in cases if not (keep / case.file).exists()]
    if not missing:
        return
    own = mobilenetv2(directory / FLOAT)
    with site(options.name, directory) as there:
        known = there.push(own)
        there.push(int8_of(own, INT8, directory / INT8))
        introduced: set[float] = set()
        for case in missing:
            if case.cell.slow not in introduced:
                there.introduce(case.cell)
                introduced.add(case.cell.slow)
            there.say(str(case))
            (keep / case.file).write_text(json.dumps(_case(there, case, known, options.rounds)))


def _case(there: Site, case: Case, known: Known, rounds: int) -> Document:
    entry = there.start_board(case.cell)
    free = there.deploy(case.cell, keep_input=case.keep_input)["plan"]
    chosen = free["variants"]["board"] or FLOAT, free["variants"]["cloud"] or FLOAT
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    pages, predicted = {}, {}
    for way in (*WAYS, *reversed(WAYS)):
        plan = there.deploy(case.cell, keep_input=case.keep_input, variants=WAYS[way])["plan"]
        pages[way], predicted[way] = plan["page"], plan["predicted"]["latency"]
        answers = there.infer(entry, known, [plan["page"]], rounds)
        found[way] += [one["latency"] for one in answers if one["page"] == one["asked"]]
    return {
        "case": str(case),
        "choice": next(way for way, both in WAYS.items() if both == chosen),
        "pages": pages,
        "predicted": predicted,
        "measured": {way: statistics.median(times) for way, times in found.items() if times},
    }


def rows(cases: list[Document]) -> Iterator[Row]:
    """Yield every way's time beside what was predicted, and how far the planner's choice is from the best of them."""
    for case in cases:
        for way, seconds in case["measured"].items():
            beside = f"page {case['pages'][way]}, predicted {case['predicted'][way] * 1e3:.1f} ms"
            beside += ", the planner's choice" if way == case["choice"] else ""
            yield Row("variants", f"{case['case']}: {way}", round(seconds * 1e3, 2), "ms", beside)
        best = min(case["measured"], key=lambda way: case["measured"][way])
        regret = case["measured"][case["choice"]] / case["measured"][best]
        what = f"{case['case']}: the choice over the best way"
        yield Row("variants", what, round(regret, 3), "1", f"best: {best}", GOAL, regret <= GOAL)


if __name__ == "__main__":
    sys.exit(main())
