"""What a plan is worth by its objective, in words: "takes 61.0 ms", "answers 9.6/s", "takes 0.21 J", "sends 12.3 kB".

Law: reads the document's rows and the objective's name ("latency", "throughput", "energy", "egress", or a sum).
"""

from __future__ import annotations

from typing import Any

from partitioner.report.quantities import digits, joules, milliseconds, per_second, percent, size

Document = dict[str, Any]


def objective_of(document: Document) -> str:
    """Return the name of the document's objective; latency where it tells none."""
    return str((document.get("objective") or {}).get("name", "latency"))


def value_of(row: Document) -> float:
    """Return what the objective minimises, of a candidate; its latency in an older document."""
    return float(row["value"] if "value" in row else row["predicted"]["latency"])


def amount(objective: str, value: float) -> str:
    """Return a value of the objective as a verb and a figure."""
    if objective == "throughput":
        return f"answers {per_second(1 / value if value > 0 else None)}"
    verbs = {"latency": "takes", "energy": "takes", "egress": "sends"}
    return f"{verbs.get(objective, 'weighs')} {figure(objective, value)}"


def figure(objective: str, value: float) -> str:
    """Return a value of the objective in its unit."""
    if objective == "latency":
        return milliseconds(value)
    if objective == "throughput":
        return per_second(1 / value if value > 0 else None)
    if objective == "energy":
        return joules(value)
    return size(value) if objective == "egress" else digits(value)


def better(objective: str, ours: float, theirs: float) -> str:
    """Return how much better `ours` is than `theirs`, before "than": "12.0 ms faster"."""
    if objective == "latency":
        return f"{milliseconds(theirs - ours)} faster"
    if objective == "throughput":
        more = percent(theirs / ours - 1) if ours > 0 else "endlessly many"
        return f"{more} more answers a second"
    words = {"energy": "less energy", "egress": "fewer bytes"}.get(objective, "less in the weighted sum")
    return f"{percent(1 - ours / theirs) if theirs > 0 else '0 %'} {words}"


def bound_words(objective: str, bound: float) -> str:
    """Return what no plan can do better than."""
    if objective == "throughput":
        return f"No plan can answer more than {figure(objective, bound)}"
    starts = {
        "latency": "No plan can be faster than",
        "energy": "No plan can take less energy than",
        "egress": "No plan can send less than",
    }
    return f"{starts.get(objective, 'No plan can weigh less than')} {figure(objective, bound)}"
