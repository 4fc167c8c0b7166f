"""`make demo`: the product doing its job on one machine.

    python -m examples.demo [--json] [--directory DIR]

Tables (or one JSON value with --json) go to stdout, progress to stderr. Exit status 0 when the pictures were
recognised, the input-kept plan at LTE was an interior cut, and the killed cloud cost no answer; 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console

from examples.demo.errors import DemoError
from examples.demo.journey import EXPECTED, Act, Journey, Loss
from examples.demo.processes import StartFailed, Town
from examples.demo.show import as_document, show_act, show_board, show_end, show_flip, show_loss
from lepton_edge.core.errors import LeptonError
from partitioner.nouns_json import finite


def main() -> int:
    """Run every act; print; say whether all went as promised."""
    options = _arguments()
    begun = time.monotonic()
    shutil.rmtree(options.directory, ignore_errors=True)
    options.directory.mkdir(parents=True)

    def say(text: str) -> None:
        print(f"[demo {time.monotonic() - begun:5.1f} s] {text}", file=sys.stderr, flush=True)

    try:
        with Town(options.directory, secure=True) as town:
            return _run(Journey(town, options.directory, say), as_data=options.json)
    except (StartFailed, LeptonError, DemoError) as error:
        print(f"error: {error}\nwhat to do: read the logs in {options.directory / 'logs'}", file=sys.stderr)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON value instead of tables")
    parser.add_argument(
        "--directory", type=Path, default=Path(".demo"), help="working files and logs; emptied first"
    )
    return parser.parse_args()


def _run(journey: Journey, *, as_data: bool) -> int:
    console = Console(quiet=as_data, width=None if sys.stdout.isatty() else 130)
    journey.set_up()
    journey.start_application()
    show_board(journey, console)
    acts = []
    for act in journey.acts():
        acts.append(act)
        show_act(act, console)
        show_flip(act, console)
    loss = journey.kill_the_cloud(acts[-1].plan)
    show_loss(loss, console)
    show_end(acts, console)
    if as_data:
        print(json.dumps(finite(as_document(journey, acts, loss)), indent=2, allow_nan=False))
    failures = _failures(acts, loss)
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _failures(acts: list[Act], loss: Loss) -> list[str]:
    """Return which promises were not kept."""
    failures = [
        f"{act.title}: {page} calls the {picture} {answer!r}, not {EXPECTED[picture]!r}"
        for act in acts
        for page, timing in act.timings.items()
        if page in {row["page"] for row in act.plan["candidates"]}
        for picture, answer in timing.answers.items()
        if answer != EXPECTED[picture]
    ]
    if not acts[-1].plan["split"]:
        failures.append(f"{acts[-1].title}: the plan is {acts[-1].plan['page']}, not an interior cut")
    if loss.result.page != "local" or loss.answer != EXPECTED["coffee"]:
        failures.append(f"the killed request was answered {loss.answer!r} by page {loss.result.page}")
    return failures


if __name__ == "__main__":
    sys.exit(main())
