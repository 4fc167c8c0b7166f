"""Why not another device, and whether to split at all: sentences with numbers, from a document's own rows.

Law: reads rows of the document and nothing else, so that every number of a sentence is a number of a row.
Sentences start with a small letter and end without a stop; a renderer sets them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partitioner.report.amounts import amount, better, figure, value_of
from partitioner.report.quantities import milliseconds as ms

Document = dict[str, Any]

WORTH_SAYING = 5e-5  # seconds; a smaller difference is none
SAME = 1e-4  # relative; a smaller difference of the objective is none
COMPUTE, TRANSFER = ("board", "cloud"), ("uplink", "downlink")


def why_not(rows: Sequence[Document], proven: Document) -> list[Document]:
    """Return, for each candidate that was not chosen and each other rival of the plan, one sentence.

    `rows` are the document's candidates, `proven` has its "plan", "alternatives" and "objective".
    """
    chosen = next(row for row in rows if row["chosen"])
    objective = proven["objective"]["name"]
    found = [_of_candidate(row, chosen, objective) for row in rows if row is not chosen]
    others = [one for one in proven["alternatives"] if not _is_candidate(one, rows)]
    return found + [_of_alternative(one, chosen, objective) for one in others]


def _is_candidate(one: Document, rows: Sequence[Document]) -> bool:
    """Return whether a rival of the plan is a candidate too: a whole model on the board, or on the cloud."""
    used = [stage["device"] for stage in one["stages"] if stage["layers"]]
    ends = {stage["device"] for row in rows for stage in row["stages"]}
    return len(used) == 1 and used[0] in ends


def advice(rows: Sequence[Document], proven: Document, preferred: str) -> Document:
    """Say plainly whether to split: {"verdict": "split" | "whole" | "tie" | "single", "sentence": ...}.

    `preferred` is the page that the planner would take.
    """
    chosen, objective = next(row for row in rows if row["chosen"]), proven["objective"]["name"]
    others = [row for row in rows if row["eligible"] and row is not chosen]
    if len(rows) == 1:
        return _advice("single", f"nothing to split: {chosen['label']} is all there is")
    if chosen["page"] != preferred:
        rival = next(row for row in others if row["page"] == preferred)
        return _advice("split" if chosen["split"] else "whole", _asked_for(chosen, rival, objective))
    if chosen["split"]:
        return _of_split(chosen, [row for row in others if not row["split"]], objective)
    free = [one["value"] for one in proven["alternatives"] if one["split"] and not one["why_not"]]
    return _of_whole(chosen, [row for row in others if row["split"]], min(free, default=None), objective)


def _of_split(chosen: Document, wholes: Sequence[Document], objective: str) -> Document:
    if not wholes:
        return _advice("split", f"split: {chosen['label']} is the only kind of plan that may run")
    rival = min(wholes, key=value_of)
    if objective == "latency" and value_of(rival) - value_of(chosen) <= _noise(chosen, rival):
        said = f"a split gains {ms(value_of(rival) - value_of(chosen))} over {rival['label']}"
        return _tie(said, _noise(chosen, rival))
    gain = better(objective, value_of(chosen), value_of(rival))
    return _advice("split", f"split: {gain} than {rival['label']}, the best without a split")


def _of_whole(chosen: Document, cuts: Sequence[Document], free: float | None, objective: str) -> Document:
    """`free` is the value of the solver's best cut, which no boundary of the book burdens."""
    if not cuts:
        return _advice("whole", "do not split: no cut inside the model may run")
    cut = min(cuts, key=value_of)
    gain = better(objective, value_of(chosen), value_of(cut))
    head = f"{chosen['label']} {_verb(objective)}"
    said = f"{head} {gain} than the best cut ({_short(cut)})"
    if free is not None and value_of(chosen) < free < value_of(cut):
        of_all = better(objective, value_of(chosen), free)
        said = f"{head} {of_all} than any cut ({gain} than the book's best, {_short(cut)})"
    least = value_of(cut) if free is None else min(free, value_of(cut))
    if objective == "latency" and least - value_of(chosen) <= _noise(chosen, cut):
        return _tie(said, _noise(chosen, cut))
    return _advice("whole", f"do not split: {said}")


def _tie(said: str, noise: float) -> Document:
    return _advice("tie", f"either will do: {said}, less than the prediction's own error ({ms(noise)})")


def _verb(objective: str) -> str:
    return {"latency": "is", "throughput": "gives", "energy": "takes", "egress": "sends"}.get(
        objective, "costs"
    )


def _asked_for(chosen: Document, rival: Document, objective: str) -> str:
    """Say what the planner would take; by how much that is better, where it is even block by block."""
    if value_of(rival) >= value_of(chosen):
        return f"this plan was asked for; the planner would take {rival['label']}"
    gain = better(objective, value_of(rival), value_of(chosen))
    return f"this plan was asked for; {rival['label']} would {_would(objective)} {gain}"


def _would(objective: str) -> str:
    return {"latency": "be", "throughput": "give", "energy": "take", "egress": "send"}.get(objective, "cost")


def _advice(verdict: str, sentence: str) -> Document:
    return {"verdict": verdict, "sentence": sentence}


def _noise(one: Document, other: Document) -> float:
    """Return one sigma of the difference of two predictions, their errors taken as independent."""
    return float((one["predicted"]["spread"] ** 2 + other["predicted"]["spread"] ** 2) ** 0.5)


def _of_candidate(row: Document, chosen: Document, objective: str) -> Document:
    new, old = row["predicted"], chosen["predicted"]
    compute = sum(new[part] - old[part] for part in COMPUTE)
    transfer = sum(new[part] - old[part] for part in TRANSFER)
    values = value_of(row), value_of(chosen)
    told = _told(row, compute, transfer, (objective, *values))
    return {"page": row["page"], "label": row["label"], **told}


def _of_alternative(one: Document, chosen: Document, objective: str) -> Document:
    taken = chosen["predicted"]
    compute = one["compute"] - sum(taken[part] for part in COMPUTE)
    transfer = one["transfer"] - sum(taken[part] for part in TRANSFER)
    row = {"label": one["label"], "eligible": not one["why_not"], "why_not": one["why_not"]}
    told = _told(row, compute, transfer, (objective, one["value"], value_of(chosen)))
    return {"page": "", "label": one["label"], **told}


def _told(row: Document, compute: float, transfer: float, judged: tuple[str, float, float]) -> Document:
    """Return the sentence and its numbers; `judged` is the objective, its value of this plan and of the chosen."""
    objective, theirs, ours = judged
    margin = compute + transfer
    sentence = _sentence(row["label"], compute, transfer, margin)
    if objective != "latency":
        sentence += f"; it {amount(objective, theirs)} against {figure(objective, ours)}"
    if not row["eligible"]:
        sentence = f"{row['label']} may not be chosen: {row['why_not']}" + _would_be(margin)
    elif theirs < ours * (1 - SAME):
        sentence += ", but another plan was asked for"
    return {"compute": compute, "transfer": transfer, "margin": margin, "sentence": sentence}


def _sentence(label: str, compute: float, transfer: float, margin: float) -> str:
    """Return "the cloud would save 3.1 ms of compute and cost 41.2 ms of transfer: 38.1 ms slower"."""
    parts = [(compute, "of compute"), (transfer, "of transfer")]
    saved = [f"{ms(-change)} {what}" for change, what in parts if change < -WORTH_SAYING]
    paid = [f"{ms(change)} {what}" for change, what in parts if change > WORTH_SAYING]
    clauses = [f"save {' and '.join(saved)}" if saved else "", f"cost {' and '.join(paid)}" if paid else ""]
    said = " and ".join(clause for clause in clauses if clause)
    return f"{label} would {said}: {_compared(margin)}" if said else f"{label} would be as fast"


def _compared(margin: float) -> str:
    if abs(margin) <= WORTH_SAYING:
        return "as fast"
    return f"{ms(abs(margin))} {'slower' if margin > 0 else 'faster'}"


def _would_be(margin: float) -> str:
    return f" (it would be {ms(-margin)} faster)" if margin < -WORTH_SAYING else ""


def _short(row: Document) -> str:
    return str(row["label"]).removeprefix("split ")
