"""The document of `explain`, for a person at a terminal.

Law: knows the document's keys and rich, no noun of the planner; computes nothing but units for people. It
renders a document that came over the wire from a newer coordinator as well: a key that is missing is left
out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from partitioner.report.amounts import figure, objective_of, value_of
from partitioner.report.quantities import joules, megabits, milliseconds, per_second, sentence, size
from partitioner.report.sentences import (
    bound_lines,
    change_lines,
    limit_lines,
    link_line,
    load_line,
    regret_line,
    run_line,
    variant_lines,
)

__all__ = ["megabits", "render", "size"]

Document = dict[str, Any]

MOST_OF_FRONT = 6


def render(document: Document, console: Console) -> None:
    """Print the plan, why it was chosen, what was considered, and what would change it."""
    console.print(_headline(document))
    for line in _why(document):
        console.print(Text(line))
    for note in document.get("notes") or []:
        console.print(Text(sentence(note), style="bold yellow"))
    console.print()
    console.print(_candidates(document))
    for note in _notes(document):
        console.print(Text(f"  {note}", style="dim"))
    for table in (_frontier(document), _front(document), _devices(document)):
        if table is not None:
            console.print()
            console.print(table)
    console.print()
    for line in _facts(document):
        console.print(Text(line))


def _why(document: Document) -> list[str]:
    advice = (document.get("advice") or {}).get("sentence", "")
    return [sentence(words) for words in (advice, document["reason"]) if words]


def _facts(document: Document) -> list[str]:
    changes = change_lines(document)
    head = ["What would change the decision (each plan judged in one piece):"] if changes else []
    proven = [*bound_lines(document), *regret_line(document)]
    given = [*variant_lines(document), *limit_lines(document), *_queue_line(document)]
    given += [*link_line(document), *load_line(document)]
    return [*given, *proven, *head, *(f"  {line}" for line in changes)]


def _queue_line(document: Document) -> list[str]:
    """Return how one caller's requests wait, where they do not just wait in order."""
    rule = document.get("queue") or {}
    yields = {"newest": ", and the oldest gives way", "oldest": ", and newer ones are refused"}
    policy = str(rule.get("policy", ""))
    if policy not in yields:
        return []
    limit = rule.get("limit") or 1
    line = f"Queue: {policy}: of one caller {limit} wait{'s' * (limit == 1)} at most{yields[policy]}"
    return [f"{line}; {rule['in_flight']} run at a time" if rule.get("in_flight") else line]


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")


def _headline(document: Document) -> Text:
    predicted = document["predicted"]
    text = Text(f"{document['model']}: ")
    text.append(f"{document['page']} ({document['label']})", style="bold green")
    text.append(f", {milliseconds(predicted['latency'])} predicted")
    if document.get("measured") is not None:
        text.append(f", {milliseconds(document['measured'])} measured")
    if document.get("keep_input_on_board"):
        text.append(", the input stays on the board", style="bold")
    return text


def _candidates(document: Document) -> Table:
    known = any(row.get("measured") is not None for row in document["candidates"])
    table = _table("What was considered (ms)")
    table.add_column("")
    table.add_column("plan")
    table.add_column("page")
    objective = objective_of(document)
    judged = [] if objective == "latency" else [objective]
    headings = [
        "predicted",
        *(["measured"] if known else []),
        "board",
        "up",
        "cloud",
        "down",
        "sent",
        *judged,
    ]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in document["candidates"]:
        worth = [figure(objective, value_of(row)) for _ in judged]
        table.add_row(*map(Text, [*_row(row, known), *worth]), style=_style(row))
    return table


def _row(row: Document, known: bool) -> list[str]:
    one = row["predicted"]
    measured = row.get("measured")
    cells = [_mark(row), row["label"], row["page"], f"{one['latency'] * 1e3:.1f} ± {one['spread'] * 1e3:.1f}"]
    if known:
        cells.append("" if measured is None else f"{measured * 1e3:.1f}")
    cells += [f"{one[part] * 1e3:.1f}" for part in ("board", "uplink", "cloud", "downlink")]
    return [*cells, size(one["bytes_up"])]


def _mark(row: Document) -> str:
    if row["chosen"]:
        return "->"
    return "x" if not row["eligible"] else ""


def _style(row: Document) -> str:
    if row["chosen"]:
        return "bold green"
    return "dim" if not row["eligible"] else ""


def _notes(document: Document) -> list[str]:
    refused = [f"x {row['label']}: {row['why_not']}" for row in document["candidates"] if not row["eligible"]]
    return [*refused, *map(sentence, run_line(document))]


def _frontier(document: Document) -> Table | None:
    if not document["frontier"]:
        return None
    table = _table("What crosses the link")
    for heading, justify in (("tensor", "left"), ("type", "left"), ("size", "right"), ("codec", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("on the wire", justify="right")
    for one in document["frontier"]:
        shape = ", ".join(str(dim) for dim in one["shape"])
        kind = f"{one['dtype']} [{shape}]"
        table.add_row(
            Text(one["tensor"]), Text(kind), size(one["size"]), Text(one["codec"]), size(one["wire_bytes"])
        )
    return table


def _front(document: Document) -> Table | None:
    """Draw the plans of which none is better than another in everything, some of them where they are many."""
    rows = document.get("pareto") or []
    if len(rows) < 2:
        return None
    shown = spread(rows, MOST_OF_FRONT)
    more = f", {len(shown)} of {len(rows)}" if len(shown) < len(rows) else ""
    energy = "; energy as declared" if any(row["energy"] for row in rows) else ""
    table = _table(f"Pareto front{more} (free of the book's cuts{energy})")
    for heading, justify in (("", "left"), ("plan", "left"), ("latency", "right"), ("throughput", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for heading in ("energy", "sent"):
        table.add_column(heading, justify="right")
    for row in shown:
        figures = [milliseconds(row["latency"]), per_second(row["throughput"]), joules(row["energy"])]
        table.add_row(
            *map(Text, ["->" if row["chosen"] else "", row["label"], *figures, size(row["egress"])])
        )
    return table


def spread(rows: Sequence[Document], most: int) -> list[Document]:
    """Return at most `most` of `rows`, evenly spread; both ends and what is chosen are among them."""
    if len(rows) <= most:
        return list(rows)
    wanted = {round(step * (len(rows) - 1) / (most - 1)) for step in range(most)}
    return [row for index, row in enumerate(rows) if index in wanted or row["chosen"]]


def _devices(document: Document) -> Table | None:
    table = _table("Devices")
    table.add_column("device")
    table.add_column("role")
    for heading in ("whole model", "threads", "weights held", "memory needed", "prediction error"):
        table.add_column(heading, justify="right")
    noted = any(_note(one).plain for one in document["devices"])
    if noted:
        table.add_column("note")
    memory = {one["role"]: one for one in document.get("memory") or []}
    for one in document["devices"]:
        whole = f"{one['whole'] * 1e3:.1f} ± {one['whole_spread'] * 1e3:.1f} ms"
        error = f"{one['predictor_error']:.0%}"
        cells = [one["device"], one["role"], whole, str(one["threads"]), size(one["weights"])]
        cells += [_needed(memory.get(one["role"])), error]
        table.add_row(*map(Text, cells), *([_note(one)] if noted else []))
    return table


def _needed(row: Document | None) -> str:
    if row is None:
        return ""
    return size(row["needed"]) + (f" of {size(row['limit'])}" if row["limit"] else "")


def _note(device: Document) -> Text:
    if device.get("estimated_from"):
        return Text(f"ESTIMATED from {device['estimated_from']}", style="bold yellow")
    return _simulated(device)


def _simulated(device: Document) -> Text:
    if not device["simulated"]:
        return Text("")
    return Text(f"SIMULATED {device['simulated_slowdown']:g}x slower", style="bold yellow")
