"""Rows of the latest run as tables for bench/README.md.

    python -m bench.tables <rows.jsonl

Law: reads rows, writes Markdown; knows nothing but their form ("CELL: PAGE: FIGURE" of `endtoend`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

FIGURES = {
    "measured": "measured",
    "ideal": "ideal",
    "measured / ideal": "ratio",
    "predicted": "predicted",
    "rest: queue": "queue",
    "rest: decode": "decode",
    "rest: encode": "encode",
    "rest: network": "network",
    "rest: client": "client",
    "rest: agents": "agents",
}
Line = dict[str, Any]
Cells = dict[str, dict[str, dict[str, float]]]


def tables(rows: Iterable[Line]) -> Iterator[str]:
    """Yield the lines of one table a cell, then of one for everything else."""
    cells: Cells = {}
    others: list[Line] = []
    for row in rows:
        cell, _, rest = row["what"].partition(": ")
        page, _, figure = rest.partition(": ")
        if figure in FIGURES:
            cells.setdefault(cell, {}).setdefault(page, {})[figure] = row["value"]
        else:
            others.append(row)
    for cell, pages in cells.items():
        yield from _cell(cell, pages)
    if others:
        yield from _others(others)


def _cell(cell: str, pages: dict[str, dict[str, float]]) -> Iterator[str]:
    yield f"**{cell}** (milliseconds)\n"
    yield f"| page | {' | '.join(FIGURES.values())} |"
    yield f"|---|{'---:|' * len(FIGURES)}"
    for page, figures in pages.items():
        values = (_number(name, figures.get(name)) for name in FIGURES)
        yield f"| {page} | {' | '.join(values)} |"
    yield ""


def _number(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if name == "measured / ideal" else f"{value:.1f}"


def _others(rows: Iterable[Line]) -> Iterator[str]:
    yield "| what | value | compared with | goal |"
    yield "|---|---:|---|---|"
    for row in rows:
        goal = "" if row["goal"] is None else f"{row['goal']:g} ({'met' if row['met'] else 'missed'})"
        yield f"| {row['what']} | {row['value']:g} {row['unit']} | {row['compared_with']} | {goal} |"


if __name__ == "__main__":
    print("\n".join(tables(json.loads(line) for line in sys.stdin if line.strip())))
