"""Which of the changed inputs made the decision change: each alone, then all, put into the old candidates.

Law: arithmetic on the old document's candidates, which are straight lines in a device's seconds and in the seconds
per byte of the link. It is exact for those candidates; a plan that only the new document knows can win for a
reason that no single input tells, and then the cause says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]

LIMITING = ("memory", "wishes", "limits")


def mark_decisive(old: Document, new: Document, inputs: Sequence[Document]) -> Document:
    """Return {"inputs": each with `decisive` and `would_take`, "cause": one sentence}."""
    first = _best(old, new, [])
    marked = [_marked(one, _best(old, new, [one]), first) for one in inputs]
    together = _best(old, new, inputs)
    return {"inputs": marked, "cause": _cause(old, new, marked, (first, together))}


def _marked(one: Document, best: str, first: str) -> Document:
    return {**one, "decisive": best != first, "would_take": best}


def _cause(old: Document, new: Document, marked: Sequence[Document], best: tuple[str, str]) -> str:
    decisive = [f"{one['what']} ({one['words']})" for one in marked if one["decisive"]]
    if old["label"] == new["label"] and old["page"] == new["page"]:
        return "the same page is taken"
    if decisive:
        several = " or ".join(decisive)
        return f"{several} alone would have changed the choice"
    if best[0] != best[1]:
        return "the changed inputs together changed the choice; none of them would have alone"
    if marked:
        return "with the changed inputs another cut is better than any that the old book held"
    return "no input changed: the plan was asked for, or the planner has changed"


def _best(old: Document, new: Document, inputs: Sequence[Document]) -> str:
    """Return the label of the best candidate of `old` once `inputs` are as they are in `new`."""
    rows = [row for row in old["candidates"] if _eligible(row, new, inputs)]
    best = min(rows, key=lambda row: _latency(row, old, inputs), default={"label": ""})
    return str(best["label"])


def _eligible(row: Document, new: Document, inputs: Sequence[Document]) -> bool:
    """Return whether the page may be chosen: as before, but for the wishes and limits that changed."""
    kept = next((bool(one["after"]) for one in inputs if one["kind"] == "wish"), None)
    gives_away = not row.get("keeps_input", True)
    eligible = bool(row["eligible"])
    if kept is not None and gives_away:
        eligible = not kept
    if eligible and any(one["kind"] in LIMITING for one in inputs):
        return _fits(row, new)
    return eligible


def _fits(row: Document, new: Document) -> bool:
    """Return whether the new document lets the page run, its wish to keep the input apart."""
    now = next((one for one in new["candidates"] if one["label"] == row["label"]), None)
    if now is None or (new["keep_input_on_board"] and not now.get("keeps_input", True)):
        return True
    return bool(now["eligible"])


def _latency(row: Document, old: Document, inputs: Sequence[Document]) -> float:
    one = row["predicted"]
    speeds: dict[str, float] = {
        each["key"]: each["after"] / each["before"] for each in inputs if each["kind"] == "speed"
    }
    computing = sum(float(one[role]) * speeds.get(role, 1.0) for role in ("board", "cloud"))
    return computing + _transfer(one, old.get("link"), inputs)


def _transfer(one: Document, link: Document | None, inputs: Sequence[Document]) -> float:
    """Return the seconds on the link, its rates and delays as `inputs` say."""
    if link is None or any(each["key"] == "" for each in inputs if each["kind"] == "link"):
        return float(one["uplink"] + one["downlink"])
    now = link | {each["key"]: each["after"] for each in inputs if each["kind"] == "link"}
    seconds = float(one["uplink"] + one["downlink"])
    for used, count, rate, delay in (
        (one["uplink"], one["bytes_up"], "up", "delay_up"),
        (one["downlink"], one["bytes_down"], "down", "delay_down"),
    ):
        if used > 0:
            seconds += count * link["overhead"] * (1 / now[rate] - 1 / link[rate]) + now[delay] - link[delay]
    return seconds
