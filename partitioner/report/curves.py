"""Latency along the link's rate as a document: straight lines in the seconds per byte, and where they cross.

Law: as `document.py`'s. A page's latency at uplink rate r, the downlink scaled alike, is `fixed + wire / r`
(seconds; bytes): exact, for given cuts and codecs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partitioner.book import Candidate, Draft
from partitioner.costs import LinkProfile, transfer_time
from partitioner.plan import Prediction
from partitioner.units import BytesPerSecond, megabits

Document = dict[str, Any]

SLOWEST, FASTEST = megabits(0.1), megabits(1000.0)
STEPS = 32


def curve(draft: Draft, link: LinkProfile | None) -> Document | None:
    """Return the lines of the candidates and of the full book, sampled too; None without a link."""
    if link is None:
        return None
    rates = [SLOWEST * (FASTEST / SLOWEST) ** (step / STEPS) for step in range(STEPS + 1)]
    lines = [_line(one, link) for one in draft.candidates]
    eligible = [line for line in lines if line["eligible"]]
    return {
        "now": link.up,
        "rates": rates,
        "pages": [{**line, "latency": [_at(line, rate) for rate in rates]} for line in lines],
        "thresholds": _thresholds(eligible),
        "full_book": _spans(draft),
    }


def _line(candidate: Candidate, link: LinkProfile) -> Document:
    prediction = candidate.page.prediction
    wire = _wire_seconds(prediction, link) * link.up
    return {
        "page": candidate.page.name,
        "label": candidate.label,
        "eligible": candidate.eligible and candidate.in_book,
        "fixed": max(prediction.latency - wire / link.up, 0.0),
        "wire": wire,
    }


def _wire_seconds(prediction: Prediction, link: LinkProfile) -> float:
    up = transfer_time(prediction.bytes_up, link.up, link.overhead)
    return up + transfer_time(prediction.bytes_down, link.down, link.overhead)


def _spans(draft: Draft) -> list[Document]:
    return [
        {"low": one.low, "high": one.high, "label": one.label, "fixed": one.fixed, "wire": one.wire}
        for one in draft.spans
    ]


def _thresholds(lines: Sequence[Document]) -> list[Document]:
    """Walk the lower envelope from the slowest link to the fastest: where the best page changes, and to which."""
    if not lines:
        return []
    found: list[Document] = []
    rate, best = SLOWEST, min(lines, key=lambda line: _at(line, SLOWEST))
    while nexts := [(_crossing(best, line), line) for line in lines if line["wire"] > best["wire"]]:
        rate, other = min(nexts, key=lambda one: (one[0], one[1]["fixed"]))
        if rate > FASTEST:
            break
        found.append({"rate": rate, "below": best["page"], "above": other["page"]})
        best = other
    return found


def _at(line: Document, rate: BytesPerSecond) -> float:
    return float(line["fixed"] + line["wire"] / rate)


def _crossing(best: Document, other: Document) -> BytesPerSecond:
    """Return the rate from which `other`, which sends more, is faster than `best`; infinite when it never is."""
    gained = best["fixed"] - other["fixed"]
    return BytesPerSecond((other["wire"] - best["wire"]) / gained if gained > 0 else float("inf"))
