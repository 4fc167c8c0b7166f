"""Lanes: laboratories that are alike to the byte, in which ways of answering run beside one another on equal links.

A model is pushed, measured and deployed once; the state that its processes leave behind is copied into as many
laboratories as are wanted, with the same names and addresses, and everybody goes on from there. So what is compared
shares the machine's moods and the link's, and nobody waits for a second profile.
Law: orders processes and links; what is asked is `replayer`'s, what comes of it `verdicts`'.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.laboratory import LOCAL, Laboratory
from bench.proving import key_in, proving, shown
from bench.subjects import Subject
from bench.traces import LEAST, MOST, Trace
from bench.trips import Known, Site
from bench.verdicts import Answer
from examples.demo.processes import Child, Conditions
from partitioner.costs import HEADER_OVERHEAD

NUMBER = 19
"""All lanes have the addresses of this number; `lab` gives no other laboratory one below 20."""
MIDDLES = tuple(Conditions(f"{rate} Mbit/s", rate, 5) for rate in (10, 16, 6, 3))
"""Links that a book is made for, until one holds so many interior frontiers that some rate would enter."""
FRONTIERS = 3
RATES = tuple(LEAST * (MOST / LEAST) ** (step / 60) for step in range(61))
BOARD, CLOUD = "board", "cloud"
CONTROL_PORT = 8010
"""Where a coordinator listens in a laboratory of its own; in a lane without one, agents go on with what they have."""
SHAPED, SAVED = 0.2, 1.0
"""Seconds until a link has changed, and until agents have written down what was activated."""
LOAD = 0.8
"""Part of what the board alone could answer: what the best plan of the worst second can take."""
LEAD = 3.0
"""Seconds for which requests are asked before those that count."""
WARM = 8.0
"""Mbit/s of a link between two replays."""
PATIENCE = 6.0
"""Seconds after which an application gives up: an answer that took longer counts as so long."""
Document = dict[str, Any]


@dataclass(frozen=True)
class Subjects:
    """A model as deployed one way: what its book holds, and where the state of its processes lies."""

    known: Known
    slow: float
    plan: Document
    state: Path
    keep_input: bool
    secure: bool = False
    """Whether its processes prove who they are, over TLS."""

    @property
    def mode(self) -> str:
        """Return how rows name it."""
        return ("input kept" if self.keep_input else "free") + (", TLS" if self.secure else "")

    @property
    def tag(self) -> str:
        """Return what tells its lanes from another's."""
        return f"{int(self.keep_input)}{'t' if self.secure else ''}"

    @property
    def key(self) -> Path:
        """Return the file of its administrator's key."""
        return key_in(self.state)

    def say(self, what: str) -> None:
        """Tell the progress."""
        print(
            f"[adapt] {time.strftime('%X')} {self.mode}: {what}; load {os.getloadavg()[0]:.1f}",
            file=sys.stderr,
            flush=True,
        )

    @property
    def pages(self) -> dict[str, Document]:
        """Return what each page is predicted to cost, of those that this deployment may use."""
        rows = (row for row in self.plan["candidates"] if _allowed(row, self.keep_input))
        return {row["page"]: row["predicted"] for row in rows}

    @property
    def alone(self) -> float:
        """Return the predicted seconds of the board alone."""
        return float(self.pages["local"]["latency"])

    @property
    def period(self) -> float:
        """Return the seconds between two requests of a stream: LOAD of what the board alone could answer."""
        return self.alone / LOAD

    def on_the_way(self, rate: float, delay: float) -> tuple[float, float]:
        """Return from when to when a request of the best page is away from the board, in seconds since it began."""
        best = min(self.pages.values(), key=lambda one: seconds_at(one, rate, delay))
        return float(best["board"]), seconds_at(best, rate, delay)


def prepare(
    subject: Subject, slow: float, directory: Path, modes: Sequence[bool], secure: bool = False
) -> list[Subjects]:
    """Push and measure once, deploy in each of the modes (whether the input is kept), and keep the state of each."""
    place = directory / "prep"
    with (
        proving(key_in(place) if secure else None),
        Laboratory("adapt-prep", place, NUMBER, everywhere=True, secure=secure) as laboratory,
    ):
        site = Site(laboratory, _started(laboratory, slow))
        known = site.push(subject)
        site.say(f"{subject.name}, board {slow:g}x slower (simulated): weights and profiles travel")
        _deploy(site, subject.name, modes[0])
        made = []
        for keep in modes:
            plan = _planned(site, subject.name, slow, keep)
            _stop(laboratory)
            state = directory / f"state-{int(keep)}"
            shutil.copytree(directory / "prep", state, ignore=shutil.ignore_patterns("logs", "*.sock"))
            made.append(Subjects(known, slow, plan, state, keep, secure))
            if keep != modes[-1]:
                laboratory.shape(LOCAL)
                _started(laboratory, slow)
    return made


def _planned(site: Site, model: str, slow: float, keep: bool) -> Document:
    """Deploy for one link after the other, until the book is worth turning; a kept input needs FRONTIERS of them.

    Where no book has as many, the one with the most is deployed again.
    """
    tried: dict[int, Conditions] = {}
    for conditions in MIDDLES:
        plan, interior = _planned_for(site, model, slow, keep, conditions)
        tried.setdefault(interior, conditions)
        if not keep or interior >= FRONTIERS:
            return plan
    return _planned_for(site, model, slow, keep, tried[max(tried)])[0]


def _planned_for(
    site: Site, model: str, slow: float, keep: bool, conditions: Conditions
) -> tuple[Document, int]:
    """Deploy for a link; return the plan, and how many interior frontiers are the best at some rate by prediction."""
    site.laboratory.shape(conditions)
    site.laboratory.town.children[BOARD].stop()  # what it dialled on another link remembers that one
    time.sleep(SHAPED)
    site.laboratory.board(BOARD, site.coordinator, slow, simulated=True)
    plan: Document = _deploy(site, model, keep)["plan"]
    found = entered({row["page"]: row["predicted"] for row in plan["candidates"] if _allowed(row, keep)})
    site.say(f"{'input kept' if keep else 'free'}, {conditions.name}: {plan['page']}; {_ranges(found)}")
    time.sleep(SAVED)
    return plan, sum(page.startswith("cut") for page in found)


def _allowed(row: Document, keep: bool) -> bool:
    return bool(row["in_book"] and (row["eligible"] or not keep))


def entered(pages: Mapping[str, Document]) -> dict[str, tuple[float, float]]:
    """Return the pages that are predicted to be the best at some rate, with the least and the greatest such rate."""
    found: dict[str, tuple[float, float]] = {}
    for rate in RATES:
        best = min(pages, key=lambda page: seconds_at(pages[page], rate))
        found[best] = (found.get(best, (rate, rate))[0], rate)
    return found


def seconds_at(predicted: Document, rate: float, delay: float = 5.0) -> float:
    """Return what a page is predicted to take on a link of `rate` Mbit/s and `delay` ms one way."""
    size = (predicted["bytes_up"] + predicted["bytes_down"]) * HEADER_OVERHEAD
    link = size * 8e-6 / rate + 2e-3 * delay if size else 0.0
    return float(predicted["board"] + predicted["cloud"] + link)


def _ranges(found: Mapping[str, tuple[float, float]]) -> str:
    return ", ".join(f"{page} {low:.2g}..{high:.2g} Mbit/s" for page, (low, high) in found.items())


def _started(laboratory: Laboratory, slow: float) -> str:
    coordinator = laboratory.coordinator()
    laboratory.cloud(coordinator)
    laboratory.board(BOARD, coordinator, slow, simulated=True)
    return coordinator


def _deploy(site: Site, model: str, keep: bool) -> Document:
    job = {"do": "deploy", "address": site.coordinator, "model": model, "devices": [BOARD, CLOUD]}
    told: Document = site.ask("cloud", job | {"keep_input": keep})
    return told


def _stop(laboratory: Laboratory) -> None:
    for child in reversed(laboratory.town.children.values()):
        child.stop()


class Lane:
    """A laboratory in which one way of answering runs: a cloud, a board, and with `led` a coordinator.

    They go on from the state that was kept.
    """

    def __init__(self, name: str, subjects: Subjects, directory: Path, led: bool = True) -> None:
        self.name, self.subjects, self.led = name, subjects, led
        self.directory = directory / name
        if not self.directory.exists():
            shutil.copytree(subjects.state, self.directory)
        place, secure = self.directory, subjects.secure
        self.laboratory = Laboratory(f"adapt-{name}", place, NUMBER, everywhere=True, secure=secure)
        self.coordinator = self.entry = ""

    def __enter__(self) -> Lane:
        """Bring everybody up on a fast link."""
        self.laboratory.__enter__()
        self.coordinator = f"{self.laboratory.hosts.cloud}:{CONTROL_PORT}"
        if self.led:
            self.coordinator = self.laboratory.coordinator()
        self.laboratory.cloud(self.coordinator, registered=self.led)
        self.start_board()
        return self

    def __exit__(self, *reason: object) -> None:
        """End everybody."""
        self.laboratory.__exit__(*reason)

    def start_board(self) -> None:
        """Start the board, which goes on with what it has."""
        slow = self.subjects.slow
        self.entry = self.laboratory.board(BOARD, self.coordinator, slow, True, registered=self.led)

    def start_cloud(self) -> None:
        """Start the cloud's agent again; it is ready, though perhaps not yet registered, when this returns."""
        self.laboratory.cloud(self.coordinator, registered=False)

    def child(self, name: str) -> Child:
        """Return one of its processes."""
        return self.laboratory.town.children[name]

    def wire(self, rate: float, delay: float) -> None:
        """Make the link so from now on."""
        self.laboratory.wire(rate, delay)

    def serve_thirty_lines(self, folder: Path, port: int) -> str:
        """Start the 30-line application's server on the cloud's host; return where it listens."""
        words = [sys.executable, "-m", "examples.thirty_lines.server", str(folder)]
        words += ["--host", self.laboratory.hosts.cloud, "--port", str(port)]
        town = self.laboratory.town
        child = town.start("server", self.laboratory.command("cloud", words))
        child.wait_for('{"listening"')
        return f"{self.laboratory.hosts.cloud}:{port}"

    def application(self) -> Application:
        """Start an application on the board's host."""
        return Application(self)


class Application:
    """A running replayer on the board's host of a lane."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self._log = lane.directory / "replayer.log"
        with self._log.open("ab") as errors:
            self._process = subprocess.Popen(
                lane.laboratory.command("edge", [sys.executable, "-m", "bench.replayer"]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=shown(lane.subjects.key if lane.subjects.secure else None),
            )

    def prepare(self, job: Document) -> None:
        """Give it a job; `ready` waits until it has been answered."""
        known = self.lane.subjects.known
        base: Document = {"address": self.lane.entry, "model": known.subject.name, "input": known.given}
        base |= {"file": str(known.subject.given), "lead": LEAD, "patience": PATIENCE}
        self._write(json.dumps(base | job))

    def ready(self) -> None:
        """Wait until it could begin."""
        if self._line() != "ready":
            raise RuntimeError(f"an application of {self.lane.name} did not come up: {self._tail()}")

    def go(self, begin: float) -> None:
        """Let its timetable count from `begin`, on this machine's monotonic clock."""
        self._write(f"go {begin}")

    def answers(self) -> list[Answer]:
        """Wait until it has done; return what was due from the begin on."""
        told = self._line()
        if not told:
            raise RuntimeError(f"an application of {self.lane.name} ended: {self._tail()}")
        return [one for one in (Answer(**one) for one in json.loads(told)) if one.due >= 0]

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().rstrip("\n")

    def _write(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])


@contextmanager
def running(ways: Sequence[Lane]) -> Iterator[list[Application]]:
    """Bring lanes up side by side, an application in each; take all down afterwards."""
    with ThreadPoolExecutor(4) as pool, ExitStack() as stack:
        for one in ways:
            stack.callback(one.__exit__, None, None, None)
        list(pool.map(Lane.__enter__, ways))
        made = [one.application() for one in ways]
        for app in made:
            stack.callback(app.end)
        yield made


def replay(
    made: Sequence[Application],
    jobs: Sequence[Document],
    trace: Trace,
    script: Callable[[float], None] | None = None,
    begun: Callable[[float], object] = lambda begin: None,
) -> list[list[Answer]]:
    """Let applications ask by the same timetable while their links do what `trace` says; return their answers.

    `script`, where one is given, is called with the begin instead: it changes the links, and more. `begun` is
    told the second on the monotonic clock that all count from.
    """
    ways = [one.lane for one in made]
    for one in ways:
        one.wire(WARM, trace.delay)
    time.sleep(SHAPED)
    for app, job in zip(made, jobs, strict=True):
        app.prepare(job)
    for app in made:
        app.ready()
    begin = time.monotonic() + LEAD + 0.2
    begun(begin)
    for app in made:
        app.go(begin)
    for one in ways:
        one.wire(trace.rate(0.0), trace.delay)
    if script is None:
        play(trace, ways, begin)
    else:
        script(begin)
    for one in ways:
        one.wire(WARM, trace.delay)
    return [app.answers() for app in made]


def play(trace: Trace, ways: Sequence[Lane], begin: float) -> None:
    """Change all links as the trace says, from `begin` on; its first rate holds before."""
    for second, rate in trace.points:
        time.sleep(max(0.0, begin + second - time.monotonic()))
        for one in ways:
            one.wire(rate, trace.delay)
    time.sleep(max(0.0, begin + trace.seconds - time.monotonic()))
