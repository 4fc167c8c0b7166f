"""The document of `explain`, for a person at a terminal.

Law: knows the document's keys and rich, no noun of the planner; computes nothing but units for people. It
renders a document that came over the wire from a newer coordinator as well: a key that is missing is left
out.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from partitioner.report.quantities import megabits, milliseconds, sentence, size

__all__ = ["megabits", "render", "size"]

Document = dict[str, Any]

METHODS = {
    "min-cut": "minimum cut, exact",
    "enumeration": "every cut enumerated, exact",
    "chain": "one chain of cuts searched, not exact: see the gap",
}


def render(document: Document, console: Console) -> None:
    """Print the plan, why it was chosen, what was considered, and what would change it."""
    console.print(_headline(document))
    console.print(Text(sentence(document["reason"])))
    console.print()
    console.print(_candidates(document))
    for note in _notes(document):
        console.print(Text(f"  {note}", style="dim"))
    for table in (_frontier(document), _devices(document)):
        if table is not None:
            console.print()
            console.print(table)
    console.print()
    for line in (*_link(document), *_bound(document), *_changes(document)):
        console.print(Text(line))


def _headline(document: Document) -> Text:
    predicted = document["predicted"]
    text = Text(f"{document['model']}: ")
    text.append(f"{document['page']} ({document['label']})", style="bold green")
    text.append(f", {milliseconds(predicted['latency'])} predicted")
    if document.get("keep_input_on_board"):
        text.append(", the input stays on the board", style="bold")
    return text


def _candidates(document: Document) -> Table:
    known = any(row.get("measured") is not None for row in document["candidates"])
    table = Table(title="What was considered (ms)", title_justify="left", pad_edge=False)
    table.add_column("")
    table.add_column("plan")
    table.add_column("page")
    headings = ["predicted", *(["measured"] if known else []), "board", "up", "cloud", "down", "sent"]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in document["candidates"]:
        table.add_row(*map(Text, _row(row, known)), style=_style(row))
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
    return [f"x {row['label']}: {row['why_not']}" for row in document["candidates"] if not row["eligible"]]


def _frontier(document: Document) -> Table | None:
    if not document["frontier"]:
        return None
    table = Table(title="What crosses the link", title_justify="left", pad_edge=False)
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


def _devices(document: Document) -> Table:
    table = Table(title="Devices", title_justify="left", pad_edge=False)
    table.add_column("device")
    table.add_column("role")
    for heading in ("whole model", "threads", "weights held", "prediction error"):
        table.add_column(heading, justify="right")
    noted = any(one["simulated"] for one in document["devices"])
    if noted:
        table.add_column("note")
    for one in document["devices"]:
        whole = f"{one['whole'] * 1e3:.1f} ± {one['whole_spread'] * 1e3:.1f} ms"
        error = f"{one['predictor_error']:.0%}"
        cells = [one["device"], one["role"], whole, str(one["threads"]), size(one["weights"]), error]
        table.add_row(*map(Text, cells), *([_simulated(one)] if noted else []))
    return table


def _simulated(device: Document) -> Text:
    if not device["simulated"]:
        return Text("")
    return Text(f"SIMULATED {device['simulated_slowdown']:g}x slower", style="bold yellow")


def _link(document: Document) -> list[str]:
    link = document.get("link")
    if link is None:
        return []
    source = "measured" if link["measured"] else "declared, not measured"
    round_trip = link["delay_up"] + link["delay_down"]
    return [
        f"Link ({source}): {megabits(link['up'])} up, {megabits(link['down'])} down, "
        f"round trip {milliseconds(round_trip)}, headers {link['overhead'] - 1:.1%}"
    ]


def _bound(document: Document) -> list[str]:
    bound = document["bound"]
    method = METHODS.get(bound["method"], bound["method"])
    shared = ", as the blocks are shared with other pages" if bound["gap"] >= 0.001 else ""
    return [
        f"No plan can be faster than {milliseconds(bound['lower_bound'])} in this cost model ({method}); "
        f"the chosen page is {bound['gap']:.1%} above it{shared}"
    ]


def _changes(document: Document) -> list[str]:
    changes = document["changes"]
    lines = []
    if changes.get("slower_link"):
        lines.append(f"Below {megabits(changes['slower_link']['rate'])} up: {changes['slower_link']['page']}")
    if changes.get("faster_link"):
        lines.append(f"Above {megabits(changes['faster_link']['rate'])} up: {changes['faster_link']['page']}")
    if changes.get("slowdown_flip"):
        lines.append(
            f"Board alone is best while the board's slowdown is below {changes['slowdown_flip']:.2f}x"
            f" (now {_slowdown(document):g}x)"
        )
    return ["What would change the decision:", *(f"  {line}" for line in lines)] if lines else []


def _slowdown(document: Document) -> float:
    found = (one["simulated_slowdown"] for one in document["devices"] if one["role"] == "board")
    return float(next(found, 1.0))
