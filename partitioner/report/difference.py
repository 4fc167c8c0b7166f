"""Two documents of plans compared, schema "lepton-edge/plan-diff/1": what moved, what it costs, what caused it.

Law: reads documents ("lepton-edge/plan/1", of this or an older coordinator: what is missing is left out) and
writes one; knows no noun of the planner. Which change of an input made the decision change is found by putting
each changed input alone, then all of them, into the old document's candidates, whose times are sums of a
device's seconds and of bytes over a rate (`decisive.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from partitioner.report.changed_inputs import changed_inputs
from partitioner.report.decisive import mark_decisive
from partitioner.report.terminal_difference import render_difference

__all__ = ["SCHEMA", "difference", "render_difference"]

Document = dict[str, Any]

SCHEMA = "lepton-edge/plan-diff/1"
PARTS = ("board", "uplink", "cloud", "downlink")
MOST_NAMES = 12  # layers named in one move; the rest are counted


def difference(old: Document, new: Document) -> Document:
    """Return what is different in `new`, and why; `same` says that nothing of the plan itself is."""
    moved, crossing = _moved(old, new), _crossing(old, new)
    page = {"before": _named(old), "after": _named(new)}
    codecs = _codecs(old, new)
    inputs = changed_inputs(old, new)
    causes = mark_decisive(old, new, inputs)
    return {
        "schema": SCHEMA,
        "model": new["model"],
        "versions": {"before": old["version"], "after": new["version"]},
        "same": not moved and not codecs and not crossing["changed"] and _places(old) == _places(new),
        "page": page,
        "moved": moved,
        "codecs": codecs,
        "frontier": crossing,
        "latency": _latency(old, new),
        "inputs": causes["inputs"],
        "cause": causes["cause"],
    }


def _named(document: Document) -> Document:
    return {"page": document["page"], "label": document["label"], "split": document["split"]}


def _layers(document: Document) -> dict[str, str]:
    """Return the device of each layer, by name; empty for a document that tells no graph."""
    return {layer["name"]: layer["device"] for layer in (document.get("graph") or {}).get("layers", [])}


def _places(document: Document) -> object:
    """Return what tells one plan from another: devices by layer, or the label where no graph is told."""
    return _layers(document) or document["label"]


def _moved(old: Document, new: Document) -> list[Document]:
    """Return, for each pair of devices, the layers that went from one to the other."""
    before, after = _layers(old), _layers(new)
    found: dict[tuple[str, str], list[str]] = {}
    for name, device in after.items():
        was = before.get(name, device)
        if was != device:
            found.setdefault((was, device), []).append(name)
    return [
        {"from": source, "to": target, "count": len(names), "layers": names[:MOST_NAMES]}
        for (source, target), names in found.items()
    ]


def _by_tensor(document: Document) -> dict[str, Document]:
    return {one["tensor"]: one for one in document["frontier"]}


def _codecs(old: Document, new: Document) -> list[Document]:
    """Return the tensors that cross in both plans, by another codec."""
    before, after = _by_tensor(old), _by_tensor(new)
    return [
        {"tensor": name, "before": before[name]["codec"], "after": one["codec"]}
        for name, one in after.items()
        if name in before and before[name]["codec"] != one["codec"]
    ]


def _crossing(old: Document, new: Document) -> Document:
    before, after = _by_tensor(old), _by_tensor(new)
    return {
        "changed": before.keys() != after.keys(),
        "gone": [name for name in before if name not in after],
        "come": [name for name in after if name not in before],
        "bytes_before": sum(one["wire_bytes"] for one in before.values()),
        "bytes_after": sum(one["wire_bytes"] for one in after.values()),
    }


def _latency(old: Document, new: Document) -> Document:
    before, after = old["predicted"], new["predicted"]
    return {
        **_change(before, after, "latency"),
        "parts": [{"part": part, **_change(before, after, part)} for part in PARTS],
    }


def _change(before: Mapping[str, float], after: Mapping[str, float], key: str) -> Document:
    return {"before": before[key], "after": after[key], "change": after[key] - before[key]}
