"""How one answer is told: as a document, and as tables for people.

Law: knows `Result`s and columns; asks nobody.
"""

from __future__ import annotations

import numpy as np
from rich.console import Console

from lepton_edge.cli.output import Column, Row, milliseconds, size, table, text
from lepton_edge.core.results import Array, Result
from partitioner.nouns_json import to_json

SHOWN_VALUES = 16
"""An output with at most so many elements is printed; of a larger one, its dtype and shape."""


def document(result: Result) -> Row:
    """Return `result` as a document; large outputs by dtype and shape only."""
    return {
        "schema": "lepton-edge/result/1",
        "request_id": result.request_id,
        "model": result.model,
        "epoch": result.epoch,
        "page": result.page,
        "reason": result.reason,
        "degraded": result.degraded,
        "latency": result.latency,
        "labels": to_json(result.labels),
        "outputs": [_output(name, array) for name, array in result.outputs.items()],
        "hops": to_json(result.hops),
        "metadata": result.metadata,
    }


def _output(name: str, array: Array) -> Row:
    told = {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
    return {**told, "values": array.tolist()} if array.size <= SHOWN_VALUES else told


_LABELS = (
    Column("label", lambda row: row["label"] or str(row["index"])),
    Column("score", lambda row: f"{row['score']:.4f}", right=True),
    Column("class", text("index"), right=True),
    Column("output", text("output")),
)
_OUTPUTS = (
    Column("output", text("name")),
    Column("dtype", text("dtype")),
    Column("shape", lambda row: " x ".join(str(size) for size in row["shape"]) or "scalar"),
    Column("values", lambda row: _values(row), wraps=True),
)


def _time(key: str) -> Column:
    return Column(key, lambda row: milliseconds(row[key]), right=True)


_HOPS = (
    Column("ms at", lambda row: row["device"] + _slowed(row), wraps=True),
    Column("blocks", lambda row: _blocks(row)),
    *(_time(key) for key in ("queue", "decode", "compute", "encode", "network", "total")),
    Column("sent", lambda row: size(row["bytes_out"]), right=True),
)


def _values(row: Row) -> str:
    return ", ".join(f"{value:.4g}" for value in np.ravel(row.get("values", [])))


def _blocks(row: Row) -> str:
    """Return the first and last block that ran there, "-" for none."""
    first, last = row["first_block"], row["last_block"] - 1
    return "-" if last < first else f"{first}..{last}"


def _slowed(row: Row) -> str:
    slowdown = row["simulated_slowdown"]
    return f" (SIMULATED {slowdown:g}x slower)" if slowdown != 1.0 else ""


def render(told: Row, console: Console) -> None:
    """Draw the document of one answer."""
    if told["labels"]:
        console.print(table(_LABELS, told["labels"]))
        console.print()
    outputs = [one for one in told["outputs"] if not (told["labels"] and "@" in one["name"])]
    if outputs:
        console.print(table(_OUTPUTS, outputs))
        console.print()
    console.print(table(_HOPS, told["hops"]))
    console.print()
    console.print(f"{told['latency'] * 1e3:.1f} ms on page {told['page']!r}, epoch {told['epoch']}")
    if told["reason"]:
        console.print(f"why: {told['reason']}")
    console.print(f"request {told['request_id']}")
    if told["degraded"]:
        console.print("DEGRADED: answered by a declared smaller model")
