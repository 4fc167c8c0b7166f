"""Many requests of one command: a line each as it comes, progress on stderr, figures at the end.

Law: streams through the client and prints; a request that fails is a line like any other, and the command's exit
status in the end.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lepton_edge.cli.answers import document
from lepton_edge.cli.archives import save_arrays
from lepton_edge.cli.inputs import Asked
from lepton_edge.cli.latency import Latencies, one_line
from lepton_edge.cli.options import Format
from lepton_edge.cli.output import Row, print_document
from lepton_edge.client import Client
from lepton_edge.core.errors import LeptonError, Superseded, UsageError
from lepton_edge.core.results import Result
from partitioner.nouns_json import finite

TOLD_EVERY = 0.2
"""Seconds between two updates of the progress."""
NAME_WIDTH = 40


@dataclass(frozen=True)
class How:
    """How the requests of a command are made; the fields have the meaning of `Client.stream`'s."""

    model: str
    deadline: float | None = None
    page: str = ""
    in_flight: int = 8
    ordered: bool = True

    def stream(self, client: Client, requests: Sequence[Asked]) -> Iterator[Result]:
        """Yield the results of `requests`, failed ones among them."""
        return client.stream(
            self.model,
            (one.read() for one in requests),
            in_flight=self.in_flight,
            ordered=self.ordered,
            on_error="yield",
            deadline=self.deadline,
            page=self.page,
        )


class ProgressOfMany:
    """How far it is, on one line of stderr where that is a terminal, and the figures at the end."""

    def __init__(self, total: int, shown: bool) -> None:
        self.latencies = Latencies()
        self._console = Console(stderr=True, highlight=False)
        self._shown = shown and self._console.is_terminal
        self._total, self._begun, self._told = total, time.monotonic(), 0.0

    def add(self, result: Result) -> None:
        """Count a result and tell so, now and then."""
        self.latencies.add(result)
        now = time.monotonic()
        if self._shown and now - self._told > TOLD_EVERY:
            self._told = now
            done = len(self.latencies) + self.latencies.failed
            self._rewrite(f"{done} of {self._total}, {done / (now - self._begun):.1f}/s")

    def _rewrite(self, line: str) -> None:
        self._console.print(f"{line:<40}", end="\r")

    def document(self) -> Row:
        """Return the figures, and clear the line."""
        if self._shown:
            self._rewrite("")
        return self.latencies.document(time.monotonic() - self._begun)

    def tell(self) -> None:
        """Print the figures to stderr."""
        self._console.print(one_line(self.document()), soft_wrap=True)


def print_each(
    client: Client, requests: Sequence[Asked], how: How, form: Format, folder: Path | None
) -> None:
    """Print every result as it comes: a line of JSON each, or a line for people; write its outputs to `folder`.

    Raises:
        LeptonError: how the first one that failed did, when all are through.
    """
    show = _json_line if form is Format.JSON else _line_for(requests)
    progress, first = ProgressOfMany(len(requests), shown=not sys.stdout.isatty()), None
    for result in how.stream(client, requests):
        asked = requests[result.index]
        progress.add(result)
        show(result, asked)
        first = first or _failure(result, asked)
        if folder is not None and result.error is None:
            save_arrays(folder / f"{result.index:06d}-{_stem(asked)}.npz", result.outputs)
    progress.tell()
    if first is not None:
        first.message = f"{progress.latencies.failed} of {len(requests)} failed; the first, {first.message}"
        raise first


def print_figures(
    client: Client, requests: Sequence[Asked], how: How, form: Format, render: Callable[[Row, Console], None]
) -> None:
    """Make the requests for the sake of what they take, after one that connects; print the figures.

    Those that gave way to newer ones are counted as failed: that is what their model's queue is declared to do.

    Raises:
        LeptonError: the first one that failed otherwise; figures of what failed are none.
    """
    first = client.infer(how.model, requests[0].read(), deadline=how.deadline, page=how.page).latency
    progress = ProgressOfMany(len(requests), shown=True)
    for result in how.stream(client, requests):
        if result.error is not None and not isinstance(result.error, Superseded):
            raise result.error
        progress.add(result)
    print_document(progress.document() | {"first": first}, form, render)


def make_folder(path: Path) -> Path:
    """Return the folder `path`, made where it was not there.

    Raises:
        UsageError: it cannot be one.
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--output {path}: no folder can be made there: {error}",
            "many requests write one .npz each: name a folder, new or not",
        ) from error
    return path


def _failure(result: Result, asked: Asked) -> LeptonError | None:
    if result.error is not None:
        result.error.message = f"{asked.source}: {result.error.message}"
    return result.error


def _json_line(result: Result, asked: Asked) -> None:
    told = {"index": result.index, "source": asked.source} | (_error(result) or document(result))
    _write(json.dumps(finite(told), ensure_ascii=False, allow_nan=False))


def _error(result: Result) -> Row | None:
    error = result.error
    if error is None:
        return None
    words = {"code": error.code, "message": error.message, "hint": error.hint, "fault": error.fault}
    return {"schema": "lepton-edge/error/1", **words, "retryable": error.retryable}


def _line_for(requests: Sequence[Asked]) -> Callable[[Result, Asked], None]:
    width = min(NAME_WIDTH, max(len(asked.source) for asked in requests))

    def show(result: Result, asked: Asked) -> None:
        _write(f"{asked.source:<{width}}  {_words(result)}")

    return show


def _words(result: Result) -> str:
    if result.error is not None:
        return f"FAILED {result.error.code}: {result.error.message}"
    answer = "; ".join(f"{one.label or one.index} {one.score:.4f}" for one in result.labels[:1])
    answer = answer or ", ".join(
        f"{name} {array.dtype}{list(array.shape)}" for name, array in result.outputs.items()
    )
    degraded = "  DEGRADED" if result.degraded else ""
    return f"{result.latency * 1e3:8.1f} ms  {result.page}  {answer}{degraded}"


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _stem(asked: Asked) -> str:
    return Path(asked.source.partition(", ")[0]).stem
