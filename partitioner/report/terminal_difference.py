"""The document of `difference`, for a person at a terminal.

Law: as `terminal.py`'s, of the schema "lepton-edge/plan-diff/1".
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from partitioner.report.quantities import milliseconds, sentence, size

Document = dict[str, Any]

WORDS = {"board": "board", "uplink": "way up", "cloud": "cloud", "downlink": "way back"}


def render_difference(document: Document, console: Console) -> None:
    """Print whether the plan is another one, what moved, what it costs, and which change caused it."""
    for line in (_headline(document), *_moved(document), *_crossing(document)):
        console.print(Text(line))
    console.print()
    console.print(_latency(document))
    inputs = _inputs(document)
    if inputs:
        console.print()
    for line in inputs:
        console.print(Text(line))
    if not document["same"]:
        console.print(Text(sentence(f"Cause: {document['cause']}"), style="bold"))


def _headline(document: Document) -> str:
    before, after = document["page"]["before"], document["page"]["after"]
    if document["same"]:
        return f"{document['model']}: the same plan, {after['page']} ({after['label']})"
    names = [f"{one['page']} ({one['label']})" for one in (before, after)]
    return f"{document['model']}: {' -> '.join(names)}"


def _moved(document: Document) -> list[str]:
    return [f"  {_layers(one)} moved from {one['from']} to {one['to']}" for one in document["moved"]]


def _layers(move: Document) -> str:
    count, names = move["count"], move["layers"]
    if count == 1:
        return f"layer {names[0]}"
    last = names[-1] if count == len(names) else "..."
    return f"{count} layers ({names[0]} to {last})"


def _crossing(document: Document) -> list[str]:
    lines = [f"  {one['tensor']}: {one['before']} -> {one['after']}" for one in document["codecs"]]
    crossing = document["frontier"]
    if crossing["changed"] or crossing["bytes_before"] != crossing["bytes_after"]:
        lines.append(
            f"  what crosses: {size(crossing['bytes_before'])} -> {size(crossing['bytes_after'])} on the wire"
        )
    return lines


def _latency(document: Document) -> Table:
    table = Table(title="Predicted", title_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for heading in ("before", "after", "change"):
        table.add_column(heading, justify="right")
    latency = document["latency"]
    for one in latency["parts"]:
        table.add_row(WORDS[one["part"]], *_figures(one))
    table.add_row("in all", *_figures(latency), style="bold")
    return table


def _figures(one: Document) -> tuple[str, str, str]:
    return milliseconds(one["before"]), milliseconds(one["after"]), f"{one['change'] * 1e3:+.1f} ms"


def _inputs(document: Document) -> list[str]:
    lines = [f"  {one['what']}: {one['words']}{_alone(one)}" for one in document["inputs"]]
    return ["What changed:", *lines] if lines else ["No input changed."]


def _alone(one: Document) -> str:
    return f" (alone it would take {one['would_take']})" if one["decisive"] else ""
