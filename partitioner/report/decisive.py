"""Which of the changed inputs made the decision change: each alone, then all, put into the old candidates.

Law: arithmetic on the old document's candidates, which are straight lines in a device's seconds and in the seconds
per byte of the link. It is exact for those candidates; a plan that only the new document knows can win for a
reason that no single input tells, and then the cause says so. Of energy and of weighted sums a document does not
tell enough: there the latency is judged, and the cause says that too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partitioner.report.amounts import objective_of

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
    asked, before = _own_split(new), _own_split(old)
    if old["label"] == new["label"] and old["page"] == new["page"]:
        return "the same page is taken"
    if asked != before:
        return f"the split behind {asked} was asked for" if asked else _given_up(before)
    if decisive:
        several = " or ".join(decisive)
        return f"{several} alone would have changed the choice{_caveat(old, new)}"
    if best[0] != best[1]:
        return "the changed inputs together changed the choice; none of them would have alone"
    if marked:
        return "with the changed inputs another cut is better than any that the old book held"
    return "no input changed: the plan was asked for, or the planner has changed"


def _own_split(document: Document) -> str:
    """Return the layer or tensor behind which the person split the model; empty when the planner chose."""
    return str((document.get("wishes") or {}).get("own_cut") or "")


def _given_up(before: str) -> str:
    return f"the split behind {before} is no longer asked for, and the planner chose"


def _caveat(old: Document, new: Document) -> str:
    judged = {objective_of(old), objective_of(new)} <= {"latency", "throughput", "egress"}
    return "" if judged else ", judged by latency"


def _best(old: Document, new: Document, inputs: Sequence[Document]) -> str:
    """Return the label of the best candidate of `old` once `inputs` are as they are in `new`."""
    rows = [row for row in old["candidates"] if _eligible(row, new, inputs)]
    best = min(rows, key=lambda row: _value(row, old, new, inputs), default={"label": ""})
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


def _value(row: Document, old: Document, new: Document, inputs: Sequence[Document]) -> float:
    """Return what the objective minimises, of a page of the old document once `inputs` are as in the new one."""
    asked = any(one["kind"] == "objective" for one in inputs)
    objective = objective_of(new if asked else old)
    parts = _parts(row["predicted"], old.get("link"), inputs)
    if objective == "throughput":
        return max(parts.values())
    if objective == "egress":
        return float(row["predicted"]["bytes_up"] + row["predicted"]["bytes_down"])
    delays = sum(_delays(row["predicted"], old.get("link"), inputs))
    return sum(parts.values()) + delays


def _parts(one: Document, link: Document | None, inputs: Sequence[Document]) -> dict[str, float]:
    """Return the busy seconds of both devices and of both directions of the link."""
    speeds: dict[str, float] = {
        each["key"]: each["after"] / each["before"] for each in inputs if each["kind"] == "speed"
    }
    busy = {role: float(one[role]) * speeds.get(role, 1.0) for role in ("board", "cloud")}
    if link is None:
        return busy
    now = _link_now(link, inputs)
    wire = {
        way: one[count] * now["overhead"] / now[way]
        for way, count in (("up", "bytes_up"), ("down", "bytes_down"))
    }
    return busy | wire


def _delays(one: Document, link: Document | None, inputs: Sequence[Document]) -> list[float]:
    if link is None:
        return []
    now = _link_now(link, inputs)
    ways = (("uplink", "delay_up"), ("downlink", "delay_down"))
    return [float(now[delay]) for way, delay in ways if one[way] > 0]


def _link_now(link: Document, inputs: Sequence[Document]) -> Document:
    return link | {one["key"]: one["after"] for one in inputs if one["kind"] == "link" and one["key"]}
