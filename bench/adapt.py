"""Does it keep itself right? Links that change, vanish and return, in the laboratory, with real processes.

    python -m bench.adapt [--quick] [--only PART]... [--keep-input | --free] [--minutes M] >rows.jsonl

Parts: traces (replayed in all ways side by side), step, turn, cut (a cut link, a killed, a frozen cloud; and the return
from it), own (turns that the entry makes by itself), bare (pages that are not prepared), idle. Every part runs free,
and with the input kept on the board on a book with three interior frontiers or more. `--state FOLDER` keeps what was
pushed and measured, so that the next run need not do so again.
Law: orders and prints; each part has a room of its own.
"""

from __future__ import annotations

import argparse
import os
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.contest import contest
from bench.idle import idle
from bench.lanes import Subjects, prepare
from bench.outages import LONG, outages
from bench.ownturns import own_turns
from bench.rows import Row
from bench.steps import steps
from bench.subjects import mobilenetv2
from bench.traces import made
from bench.turncost import turn_costs
from bench.unprepared import unprepared

SLOW = 30.0
"""How much slower the board is played: alone it takes some 0.28 s, so that three frontiers have rates of their own."""
KINDS = ("steps", "ramps", "gaps", "fading", "mixed", "square")
SECONDS, QUICK_SECONDS = 20.0, 12.0
TOGETHER = ("step", "cut")
"""Parts that run side by side: both ask little of the machine, and mostly wait."""
MODES = (False, True)


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    os.environ.setdefault("LEPTON_EDGE_LOG_LEVEL", "debug")  # agents write down when they look at a link
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lepton-adapt-") as directory:
        state = options.state or Path(directory) / "state"
        for row in _rows(options, state, Path(directory), begun + 60 * options.minutes):
            row.print()
    seconds = time.monotonic() - begun
    load = f"load {os.getloadavg()[0]:.1f} now, {os.getloadavg()[2]:.1f} over 15 minutes"
    Row("adapt", "the whole run", round(seconds), "s", load).print()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run of about two minutes")
    parser.add_argument("--only", choices=list(PARTS), action="append", help="all when not given")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--keep-input", action="store_true", help="only with the input kept on the board")
    modes.add_argument("--free", action="store_true", help="only without that")
    parser.add_argument("--tls", action="store_true", help="also with TLS, beside the same in the open")
    parser.add_argument("--slow", type=float, default=SLOW)
    parser.add_argument("--seed", type=int, default=1, help="of the first trace")
    parser.add_argument("--trace", choices=list(KINDS), action="append", help="all when not given")
    parser.add_argument("--seconds", type=float, help=f"of a trace, {SECONDS:g} when not given")
    parser.add_argument("--trials", type=int, default=10, help="of each fault and step")
    parser.add_argument("--minutes", type=float, default=12.0, help="begin no part after so long")
    parser.add_argument("--few", action="store_true", help="traces: only the product and the oracle")
    parser.add_argument("--keep", type=Path, help="a folder for all answers as they came")
    parser.add_argument("--state", type=Path, help="a folder for what is pushed and measured once")
    return parser.parse_args()


def _rows(options: argparse.Namespace, state: Path, directory: Path, limit: float) -> Iterator[Row]:
    prepared = _prepared(state, options)
    for names in _grouped(options.only or list(PARTS)):
        if time.monotonic() > limit:
            print(f"[adapt] {', '.join(names)}: left out, the time is over", file=sys.stderr)
            continue
        for name in names:
            (directory / name).mkdir()
        if len(names) == 1:
            yield from PARTS[names[0]](prepared, directory / names[0], options)
        else:
            yield from _side_by_side(names, prepared, directory, options)


def _grouped(names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the parts to run, in order, those that run together at the place of the first of them."""
    together = [name for name in names if name in TOGETHER]
    for name in names:
        if name not in TOGETHER:
            yield [name]
        elif name == together[0]:
            yield together


def _side_by_side(
    names: Sequence[str], prepared: Sequence[Subjects], directory: Path, options: argparse.Namespace
) -> list[Row]:
    with ThreadPoolExecutor(len(names)) as pool:
        running = [
            pool.submit(lambda name=name: list(PARTS[name](prepared, directory / name, options)))  # type: ignore[misc]
            for name in names
        ]
        return [row for one in running for row in one.result()]


def _prepared(state: Path, options: argparse.Namespace) -> list[Subjects]:
    """Return the model as deployed in each mode that is wanted; what the folder has is not made again."""
    wanted = (options.keep_input, not options.free) if options.keep_input or options.free else MODES
    found = _kept(state, options.slow) + (_kept(state / "tls", options.slow, True) if options.tls else [])
    return [one for one in found if one.keep_input in wanted]


def _kept(state: Path, slow: float, secure: bool = False) -> list[Subjects]:
    kept = state / f"prepared-{slow:g}.pickle"
    if not kept.exists():
        state.mkdir(parents=True, exist_ok=True)
        made = prepare(mobilenetv2(state / "mobilenetv2"), slow, state, MODES, secure)
        kept.write_bytes(pickle.dumps(made))
    found: list[Subjects] = pickle.loads(kept.read_bytes())
    return found


def _traces(prepared: Sequence[Subjects], lanes: Path, options: argparse.Namespace) -> Iterator[Row]:
    kinds = options.trace or (KINDS[:2] if options.quick else KINDS)
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    traces = [made(kind, options.seed + number, seconds) for number, kind in enumerate(kinds)]
    for subjects in prepared:
        yield from contest(subjects, traces, lanes, options.keep, options.few)


def _cut(prepared: Sequence[Subjects], lanes: Path, options: argparse.Namespace) -> Iterator[Row]:
    count, long = (2, ()) if options.quick else (options.trials, LONG)
    yield from outages(prepared, lanes, count, long)


def _step(prepared: Sequence[Subjects], lanes: Path, options: argparse.Namespace) -> Iterator[Row]:
    yield from steps(prepared, lanes, 2 if options.quick else options.trials)


def _turn(prepared: Sequence[Subjects], lanes: Path, options: argparse.Namespace) -> Iterator[Row]:
    yield from turn_costs(prepared, lanes, 120 if options.quick else 480)


def _own(prepared: Sequence[Subjects], lanes: Path, options: argparse.Namespace) -> Iterator[Row]:
    yield from own_turns(prepared, lanes, 6 if options.quick else 2 * options.trials)


def _bare(prepared: Sequence[Subjects], lanes: Path, options: argparse.Namespace) -> Iterator[Row]:
    yield from unprepared(prepared, lanes, 1 if options.quick else max(1, options.trials // 5))


def _idle(prepared: Sequence[Subjects], lanes: Path, options: argparse.Namespace) -> Iterator[Row]:
    yield from idle(prepared, lanes, 10.0 if options.quick else 60.0)


Part = Callable[[Sequence[Subjects], Path, argparse.Namespace], Iterator[Row]]
PARTS: dict[str, Part] = {
    "traces": _traces,
    "step": _step,
    "cut": _cut,
    "turn": _turn,
    "own": _own,
    "bare": _bare,
    "idle": _idle,
}

if __name__ == "__main__":
    sys.exit(main())
