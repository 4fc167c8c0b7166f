"""What `lepton-edge model check` does: a model whole and split, here, compared.

Law: a thin face over `partitioner.onnx_io.check`, which is imported once the extra is known to be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from lepton_edge.cli.archives import read_arrays
from lepton_edge.cli.output import Column, ProgressLine, Row, size, table, text
from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.messages import Progress
from partitioner.nouns_json import to_json

SHOWN_ROWS = 20
"""Cuts drawn, the largest differences first; --format json has them all."""


def check(
    file: Path, cuts: int | Literal["all"], inputs: Path | None, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    """Return the report on cuts of the model in `file` as a document; its `agrees` says whether all agree.

    Raises:
        InvalidInput: a file cannot be read.
        ModelError: the model itself is at fault.
    """
    from partitioner.onnx_io.check import check_model  # an extra's packages: the caller has required them

    if not file.is_file():
        raise InvalidInput(f"there is no file {file}", "check the path")
    arrays = None if inputs is None else read_arrays(inputs)
    with ProgressLine() as line:
        report = check_model(file, cuts, arrays, _steps(line), shapes=shapes)
    return {"schema": "lepton-edge/check/1", "agrees": report.ok, **to_json(report)}


def _steps(line: ProgressLine) -> Any:
    return lambda done, total: line(Progress("", "check", done, total, "cuts"))


_COLUMNS = (
    Column("cut after", text("cut"), wraps=True),
    Column("tensors", lambda row: str(len(row["tensors"])), right=True),
    Column("crossing", lambda row: size(row["bytes"]), right=True),
    Column("against the whole", lambda row: _difference(row["against_whole"]), right=True),
    Column("against the file", lambda row: _difference(row["against_pushed"]), right=True),
    Column("problem", text("problem"), wraps=True),
)


def _difference(value: float) -> str:
    return "equal" if value == 0 else f"{value:.1e}"


def render(told: Row, console: Console) -> None:
    """Draw the cuts that differ most, and the verdict."""
    rows = sorted(told["rows"], key=lambda row: (not row["problem"], -row["against_pushed"]))
    console.print(table(_COLUMNS, rows[:SHOWN_ROWS]))
    if len(rows) > SHOWN_ROWS:
        console.print(f"... and {len(rows) - SHOWN_ROWS} more, none worse (--format json has them all)")
    known = "too many to count" if told["cuts"] is None else str(told["cuts"])
    wrong = sum(bool(row["problem"]) for row in rows)
    verdict = "all agree" if told["agrees"] else f"{wrong} of them DIFFER"
    console.print(f"{told['model']}: {len(rows)} runs, legal cuts: {known}; {verdict}")
