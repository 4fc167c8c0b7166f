"""The top of the page: whether to split, in one sentence, and the figures that matter.

Law: as the room's.
"""

from __future__ import annotations

from typing import Any

from partitioner.report.amounts import objective_of
from partitioner.report.html.markup import Markup, tag
from partitioner.report.quantities import joules, megabits, milliseconds, per_second, sentence, size
from partitioner.report.sentences import off_bound

Document = dict[str, Any]

VERDICTS = {
    "split": ("Split", "good"),
    "whole": ("Do not split", "good"),
    "tie": ("Either will do", "warn"),
    "single": ("One device", ""),
}


def headline(document: Document) -> Markup:
    """Return the header of the page."""
    advice = document.get("advice") or {"verdict": "", "sentence": document["reason"]}
    words, colour = VERDICTS.get(advice["verdict"], ("Plan", ""))
    said = sentence(advice["sentence"])
    return tag(
        "header",
        tag("div", "Lepton Edge · why this plan", class_="eyebrow"),
        tag("h1", document["model"]),
        tag("p", f"{document['label']} ({document['page']})", class_="soft choice"),
        tag("span", words, class_=f"pill {colour}".strip()),
        _marks(document),
        tag("p", said, class_="lead"),
        tag("p", sentence(document["reason"]), class_="soft") if advice["sentence"] != document["reason"] else None,
        [tag("p", tag("span", sentence(note), class_="tagged warn")) for note in document.get("notes") or []],
        tag("div", [_fact(*one) for one in _facts(document)], class_="facts"),
    )  # fmt: skip


def _marks(document: Document) -> list[Markup]:
    marks = ["the input stays on the board"] if document.get("keep_input_on_board") else []
    objective = objective_of(document)
    marks += [f"objective: {objective}"] if objective != "latency" else []
    marks += [f"{name} is an estimate" for name in document.get("estimated") or []]
    return [tag("span", mark, class_="tagged warn") for mark in marks]


def _facts(document: Document) -> list[tuple[str, str]]:
    predicted = document["predicted"]
    facts = [(milliseconds(predicted["latency"]), f"predicted, ± {milliseconds(predicted['spread'])}")]
    if document.get("measured") is not None:
        facts.append((milliseconds(document["measured"]), "measured in service"))
    facts.append((size(predicted["bytes_up"]), "sent for each request"))
    if predicted.get("throughput"):
        facts.append((per_second(predicted["throughput"]), "answers, pipelined"))
    if predicted.get("energy"):
        facts.append((joules(predicted["energy"]), "a request, from declared watts"))
    far, _, side = off_bound(document).partition(" ")
    facts.append((far, f"{side} what is proven to be the best possible"))
    if link := document.get("link"):
        through = f" through {link['via']}" if link.get("via") else ""
        facts.append((megabits(link["up"]), f"up{through}" + ("" if link["measured"] else ", declared")))
    return facts


def _fact(figure: str, meaning: str) -> Markup:
    return tag("div", tag("b", figure, class_="num"), tag("span", meaning), class_="fact")
