"""What many requests took: percentiles, in all and on each device.

Law: arithmetic over `Result`s and a table; asks nobody and times nothing itself. It keeps numbers, not results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console

from lepton_edge.cli.output import Column, Row, milliseconds, table, text
from lepton_edge.core.frames import Hop
from lepton_edge.core.results import Result

PARTS = ("queue", "decode", "compute", "encode", "network", "total")
PERCENTILES = (50, 90, 99)


class Latencies:
    """The figures of many requests, as they come: a few numbers each."""

    def __init__(self) -> None:
        self.failed = 0
        self._seconds: list[float] = []
        self._pages: Counter[str] = Counter()
        self._hops: dict[tuple[int, str], list[tuple[float, ...]]] = {}

    def __len__(self) -> int:
        return len(self._seconds)

    def add(self, result: Result) -> None:
        """Count one result, or one that failed."""
        if result.error is not None:
            self.failed += 1
            return
        self._seconds.append(result.latency)
        self._pages[result.page] += 1
        for place, hop in enumerate(result.hops):
            self._hops.setdefault((place, hop.device), []).append(_parts(hop))

    def document(self, seconds: float) -> Row:
        """Return what `seconds` of requests took; every time in it is in seconds."""
        return {
            "schema": "lepton-edge/latency/1",
            "requests": len(self) + self.failed,
            "failed": self.failed,
            "seconds": seconds,
            "rate": len(self) / seconds if seconds > 0 else 0.0,
            "latency": percentiles(self._seconds),
            "pages": dict(self._pages),
            "hops": [
                {"device": device, "requests": len(rows)} | _by_part(rows)
                for (_, device), rows in sorted(self._hops.items())
            ],
        }


def _parts(hop: Hop) -> tuple[float, ...]:
    return tuple(float(getattr(hop, part)) for part in PARTS)


def _by_part(rows: list[tuple[float, ...]]) -> dict[str, Any]:
    return {part: percentiles(column) for part, column in zip(PARTS, zip(*rows, strict=True), strict=True)}


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p90, p99 (by rank, so that each is a value that was seen) and the longest; empty for none."""
    if not seconds:
        return {}
    found = np.percentile(seconds, PERCENTILES, method="higher")
    return {f"p{rank}": float(value) for rank, value in zip(PERCENTILES, found, strict=True)} | {
        "max": max(seconds)
    }


def one_line(told: Row) -> str:
    """Return the figures of a document as one line."""
    answered = told["requests"] - told["failed"]
    words = [f"{answered} answers in {told['seconds']:.2f} s ({told['rate']:.1f}/s)"]
    words += [f"{told['failed']} failed"] if told["failed"] else []
    words += [f"{rank} {value * 1e3:.1f} ms" for rank, value in told["latency"].items()]
    return ", ".join(words)


def render(told: Row, console: Console) -> None:
    """Draw the document: each device's parts at the median, and its total at every rank."""
    console.print(table(_HOPS, told["hops"]))
    console.print()
    console.print(one_line(told))
    if "first" in told:
        console.print(f"not counted: the first request, which connects, {told['first'] * 1e3:.1f} ms")
    console.print(f"pages: {', '.join(f'{page} {count}' for page, count in told['pages'].items()) or 'none'}")


def _median(part: str) -> Column:
    return Column(part, lambda row: milliseconds(row[part]["p50"]), right=True)


def _total(rank: str) -> Column:
    return Column(f"total {rank}", lambda row: milliseconds(row["total"][rank]), right=True)


_HOPS = (
    Column("median ms at", text("device"), wraps=True),
    *(_median(part) for part in PARTS),
    *(_total(f"p{rank}") for rank in PERCENTILES[1:]),
)
