"""How data leaves the command line: JSON or tables on stdout, progress on stderr.

Law: knows rows and columns, no document in particular. Colour follows the terminal and NO_COLOR (rich does
    that). What is shown is text as it is: names and reasons are other people's, and "[torch]" in them is no markup.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from lepton_edge.cli.options import Format
from lepton_edge.core.messages import Progress
from partitioner.nouns_json import finite

Justify = Literal["left", "right"]

PIPE_WIDTH = 200
"""Columns of a table that goes to a file or a pipe, so that nothing is cut off."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column: its title, how a row's cell reads, whether it gives way where the terminal is narrow."""

    title: str
    read: Callable[[Row], str]
    right: bool = False
    wraps: bool = False


def stdout() -> Console:
    """Return the console for data."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(width=width, highlight=False, markup=False, soft_wrap=False)


def print_document(document: Row, form: Format, render: Callable[[Row, Console], None]) -> None:
    """Print `document` as JSON (null where a number is not finite), or let `render` draw it."""
    if form is Format.JSON:
        text = json.dumps(finite(document), indent=2, ensure_ascii=False, allow_nan=False)
        sys.stdout.write(text + "\n")
    else:
        render(document, stdout())


def table(columns: Sequence[Column], rows: Iterable[Row], title: str = "") -> Table:
    """Return `rows` as a table; a cell that cannot be read is empty."""
    drawn = Table(title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        justify: Justify = "right" if column.right else "left"
        drawn.add_column(column.title, justify=justify, overflow="fold", no_wrap=not column.wraps)
    for row in rows:
        drawn.add_row(*(column.read(row) for column in columns))
    return drawn


def text(*keys: str) -> Callable[[Row], str]:
    """Return a reader for the value at the path `keys`, as it is; empty when it is missing."""
    return lambda row: _plain(dig(row, *keys))


def dig(row: Row, *keys: str) -> Any:
    """Return the value at the path `keys` of nested objects, None when it is missing."""
    value: Any = row
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value)
    return str(value)


def milliseconds(seconds: Any) -> str:
    """Return seconds as milliseconds with one decimal; empty when there is no number."""
    return f"{seconds * 1e3:.1f}" if isinstance(seconds, (int, float)) else ""


def ago(seconds: Any) -> str:
    """Return "3 min ago", in days, hours, minutes or seconds; empty when there is no number."""
    if not isinstance(seconds, (int, float)):
        return ""
    for limit, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= limit:
            return f"{seconds / limit:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def size(count: Any) -> str:
    """Return a number of bytes as people read it (powers of 1000); empty when there is no number."""
    if not isinstance(count, (int, float)):
        return ""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{int(count)} B"


class ProgressLine:
    """What a long command tells on stderr: a spinner on a terminal, one line a stage elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._status: Status | None = None
        self._stage = ""
        self._about = ""

    def __enter__(self) -> ProgressLine:
        """Begin to show."""
        if self._console.is_terminal:
            self._status = self._console.status("...")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the spinner."""
        if self._status is not None:
            self._status.stop()

    @property
    def alive(self) -> bool:
        """Whether it is a terminal's one line, which may change often."""
        return self._status is not None

    def begin(self, about: str) -> None:
        """Show the next steps as those of one of several parts."""
        self._about, self._stage = about, ""

    def note(self, told: str) -> None:
        """Show a line that stays."""
        self._console.print(told, soft_wrap=True)

    def __call__(self, progress: Progress) -> None:
        """Show one step."""
        if self._status is not None:
            self._status.update(Text(self._about + describe(progress)))
        elif progress.stage != self._stage:
            self._stage = progress.stage
            self._console.print(self._about + describe(progress), soft_wrap=True)


def describe(progress: Progress) -> str:
    """Return `progress` as one line."""
    count = f" {progress.done}/{progress.total}" if progress.total else ""
    message = f": {progress.message}" if progress.message else ""
    return f"{progress.stage}{count}{message}"
