"""Why not another device, and whether to split at all: sentences with numbers, from a document's own rows.

Law: reads rows of the document and nothing else, so that every number of a sentence is a number of a row.
Sentences start with a small letter and end without a stop; a renderer sets them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]

WORTH_SAYING = 5e-5  # seconds; a smaller difference is none
COMPUTE, TRANSFER = ("board", "cloud"), ("uplink", "downlink")


def why_not(rows: Sequence[Document], proven: Document) -> list[Document]:
    """Return, for each candidate that was not chosen and each other rival of the plan, one sentence.

    `rows` are the document's candidates, `proven` has its "plan", "alternatives" and "objective".
    """
    chosen = next(row for row in rows if row["chosen"])
    objective = proven["objective"]["name"]
    found = [_of_candidate(row, chosen, objective) for row in rows if row is not chosen]
    known = {row["label"] for row in rows}
    others = [one for one in proven["alternatives"] if one["label"] not in known]
    return found + [_of_alternative(one, proven["plan"], objective) for one in others]


def advice(rows: Sequence[Document], objective: str = "latency") -> Document:
    """Say plainly whether to split: {"verdict": "split" | "whole" | "tie" | "single", "sentence": ...}."""
    chosen = next(row for row in rows if row["chosen"])
    others = [row for row in rows if row["eligible"] and row is not chosen]
    if len(rows) == 1:
        return _advice("single", f"nothing to split: {chosen['label']} is all there is")
    if chosen["split"]:
        return _of_split(chosen, [row for row in others if not row["split"]], objective)
    return _of_whole(chosen, [row for row in others if row["split"]], objective)


def _of_split(chosen: Document, wholes: Sequence[Document], objective: str) -> Document:
    if not wholes:
        return _advice("split", f"split: {chosen['label']} is the only kind of plan that may run")
    rival = min(wholes, key=_latency)
    gain = _latency(rival) - _latency(chosen)
    if gain < -WORTH_SAYING:
        return _advice("split", f"{_asked(objective)}; {rival['label']} would be {ms(-gain)} faster")
    if gain <= _noise(chosen, rival):
        sentence = (
            f"a split gains {ms(gain)} over {rival['label']}, less than the prediction's own error"
            f" ({ms(_noise(chosen, rival))}): either will do"
        )
        return _advice("tie", sentence)
    return _advice("split", f"split: {ms(gain)} faster than {rival['label']}, the best without a split")


def _of_whole(chosen: Document, cuts: Sequence[Document], objective: str) -> Document:
    if not cuts:
        return _advice("whole", "do not split: no cut inside the model may run")
    cut = min(cuts, key=_latency)
    loss = _latency(cut) - _latency(chosen)
    if loss < -WORTH_SAYING:
        return _advice("whole", f"{_asked(objective)}; {cut['label']} would be {ms(-loss)} faster")
    margin = f"{ms(loss)} faster than the best cut ({_short(cut)})"
    if loss <= _noise(chosen, cut):
        sentence = (
            f"do not split: {chosen['label']} is {margin}, though that is within the prediction's error"
        )
        return _advice("tie", sentence)
    return _advice("whole", f"do not split: {chosen['label']} is {margin}")


def _advice(verdict: str, sentence: str) -> Document:
    return {"verdict": verdict, "sentence": sentence}


def _asked(objective: str) -> str:
    return "this plan was asked for" if objective == "latency" else f"chosen for {objective}, not for latency"


def _latency(row: Document) -> float:
    return float(row["predicted"]["latency"])


def _noise(one: Document, other: Document) -> float:
    """Return one sigma of the difference of two predictions, their errors taken as independent."""
    return float((one["predicted"]["spread"] ** 2 + other["predicted"]["spread"] ** 2) ** 0.5)


def _of_candidate(row: Document, chosen: Document, objective: str) -> Document:
    new, old = row["predicted"], chosen["predicted"]
    compute = sum(new[part] - old[part] for part in COMPUTE)
    transfer = sum(new[part] - old[part] for part in TRANSFER)
    found = {"page": row["page"], "label": row["label"], "compute": compute, "transfer": transfer}
    margin = new["latency"] - old["latency"]
    sentence = _sentence(row["label"], compute, transfer, margin)
    return found | {"margin": margin, "sentence": _with_cause(sentence, row, margin, objective)}


def _of_alternative(one: Document, plan: Document, objective: str) -> Document:
    compute, transfer = one["compute"] - plan["compute"], one["transfer"] - plan["transfer"]
    margin = one["latency"] - plan["latency"]
    found = {"page": "", "label": one["label"], "compute": compute, "transfer": transfer, "margin": margin}
    row = {"label": one["label"], "eligible": not one["why_not"], "why_not": one["why_not"]}
    sentence = _sentence(one["label"], compute, transfer, margin)
    return found | {"sentence": _with_cause(sentence, row, margin, objective)}


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


def _with_cause(sentence: str, row: Document, margin: float, objective: str) -> str:
    if not row["eligible"]:
        return f"{row['label']} may not be chosen: {row['why_not']}" + _would_be(margin)
    if margin < -WORTH_SAYING:
        return f"{sentence}, but {_asked(objective).replace('this plan', 'another plan')}"
    return sentence


def _would_be(margin: float) -> str:
    return f" (it would be {ms(-margin)} faster)" if margin < -WORTH_SAYING else ""


def _short(row: Document) -> str:
    return str(row["label"]).removeprefix("split ")


def ms(seconds: float) -> str:
    """Return "61.0 ms"."""
    return f"{seconds * 1e3:.1f} ms"
