"""Faults by the hundred under a stream of requests whose answers are known: none wrong, lost, doubled, late.

    python -m bench.chaos [--seed N] [--faults 500] [--minutes M] [--keep FOLDER] >rows.jsonl

Real processes: a coordinator, boards, clouds behind a link each, witnesses that ask at 80 % of what the board alone
can do. The seed gives the order of the faults, their victims, durations and moments; `--only` a kind, `--from` an index
go on where one is looked for. Needs root (small file systems that can be full). Law: orders and times; what is
right is `judge`'s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.chaos import judge, subject
from bench.chaos.faults import STRIKES, Strike
from bench.chaos.forgery import OF_PAPERS
from bench.chaos.judge import Evidence, Struck
from bench.chaos.rest import left_over
from bench.chaos.scene import Scene
from bench.chaos.schedule import FEWEST, Fault, kinds, schedule
from bench.chaos.testimony import Ended
from bench.chaos.town import Place
from bench.chaos.witnesses import Witnesses
from examples.demo.processes import StartFailed
from lepton_edge.client import AsyncClient, Client

BOARDS, CLOUDS = ("north", "south"), ("east", "west")
WITNESSES = {"anna": "north", "bruno": "north", "clara": "south", "david": "south"}
DEADLINE = 2.0
SHARE = 0.8
AIM_SECONDS = 5.0
BACK_SECONDS = 15.0
IN_A_ROW = 3


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is ended and unmounted
    with tempfile.TemporaryDirectory(prefix="lepton-chaos-") as temporary:
        directory = options.keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        made = subject.make(directory / "subject")
        made.save(directory / "subject.npz")
        with Place(directory, BOARDS, CLOUDS, options.tls) as place:
            place.open()
            evidence = _run(place, made, options)
    rows = list(judge.rows(evidence))
    for row in rows:
        row.print()
    return int(any(row.met is False for row in rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=60.0, help="begin no fault after so long")
    parser.add_argument("--keep", type=Path, help="a folder for states and logs that stays")
    parser.add_argument(
        "--keep-input", action="store_true", help="the input stays on the board: interior cuts"
    )
    parser.add_argument(
        "--tls", action="store_true", help="everybody proves who it is; more kinds, of certificates and keys"
    )
    parser.add_argument("--only", default="", help="nothing but this kind of fault (kinds, by commas)")
    parser.add_argument(
        "--stop", action="store_true", help="end with the first thing that is not as it must be"
    )
    parser.add_argument(
        "--fewest", type=int, default=FEWEST, help="times that each kind must bite (0 for a short run)"
    )
    parser.add_argument(
        "--each", type=int, default=0, help="so many of each kind that is chosen, whatever --faults says"
    )
    parser.add_argument("--lasts", type=float, default=0.0, help="seconds that every fault lasts; 0: its own")
    parser.add_argument("--share", type=float, default=SHARE, help="asked, of what a board alone can answer")
    parser.add_argument("--from", type=int, default=0, dest="first", help="begin at this fault")
    return parser.parse_args()


def _run(place: Place, made: subject.Subject, options: argparse.Namespace) -> Evidence:
    witnesses = Witnesses({}, place.town.logs)
    scene = Scene(place, witnesses, made, keep_input=options.keep_input, homes=WITNESSES)
    with Client(place.coordinator, patience=120.0) as client:
        client.push(subject.NAME, made.models[subject.VERSIONS[0]])
        pages = [scene.deploy(client, board)["plan"]["page"] for board in BOARDS]
    alone = asyncio.run(_capacity(place.addresses[BOARDS[0]], made))
    rate = options.share * alone
    note(f"plans {pages}; a board alone answers {alone:.0f} a second, {rate:.0f} are asked of each")
    witnesses.jobs = {name: _job(place, name, rate) for name in WITNESSES}
    try:
        for name in WITNESSES:
            witnesses.start(name)
        time.sleep(6.0)
        scene.allow(subject.VERSIONS[0])
        run = Run(scene, options)
        evidence = _evidence(scene, run.all())
        evidence.kinds, evidence.fewest = run.kinds, options.fewest
        _keep(place.directory, evidence)
        return evidence
    finally:
        witnesses.close()


def _job(place: Place, witness: str, rate: float) -> dict[str, Any]:
    """Return what a witness is told: its share of what is asked of its board."""
    board = WITNESSES[witness]
    share = sum(name == board for name in WITNESSES.values())
    return {
        "address": place.addresses[board],
        "key": place.papers.key(witness),
        "file": str(place.directory / "subject.npz"),
        "rate": rate / share,
        "deadline": DEADLINE,
    }


async def _capacity(address: str, made: subject.Subject, seconds: float = 3.0) -> float:
    """Return how many answers a second a few closed loops get of the board alone: what is left in the worst case."""
    async with AsyncClient(address) as client:
        begun, count = time.monotonic(), 0

        async def loop() -> None:
            nonlocal count
            while time.monotonic() - begun < seconds:
                await client.infer(subject.NAME, {"x": made.inputs[0]}, page="local")
                count += 1

        await client.infer(subject.NAME, {"x": made.inputs[0]})
        begun = time.monotonic()
        await asyncio.gather(*(loop() for _ in range(3)))
    return count / seconds


def _evidence(scene: Scene, struck: list[Struck]) -> Evidence:
    time.sleep(1.0)
    stuck = scene.witnesses.finish()
    testimonies = scene.witnesses.testimonies
    ended = [one for testimony in testimonies for one in testimony.ended]
    excused = {place for place, one in enumerate(ended) if scene.witnesses.is_excused(one)}
    lost = [f"{one.witness}: {one.under_way}" for one in testimonies if one.complete and one.under_way]
    lost += [f"{name} did not end" for name in stuck]
    doubled = [name for one in testimonies for name in one.doubled]
    for (what, how), count in Counter((what, how[:90]) for _, what, how in scene.commands).items():
        note(f"{count}x {what}: {how}")
    return Evidence(
        struck,
        ended,
        excused,
        doubled,
        lost,
        scene.untyped,
        scene.allowed,
        DEADLINE,
        homes=WITNESSES,
        pins=scene.pins,
        given_up=sum(one.given_up for one in testimonies),
        unheeded=sum(one.unheeded for one in testimonies),
        unserved=scene.unserved,
        obeyed=scene.obeyed,
        believed=scene.believed,
        left=left_over(scene.place.coordinator),
    )


def _keep(directory: Path, evidence: Evidence) -> None:
    """Write down all that was said, for who looks into a finding."""
    with (directory / "said.jsonl").open("w") as out:
        for each in evidence.struck:
            out.write(
                json.dumps({"fault": vars(each.fault) | {"beside": ""}, "at": each.at, "back": each.back})
                + "\n"
            )
        for one in evidence.ended:
            out.write(json.dumps({"witness": one.witness, "sent": one.sent, **one.told}) + "\n")


class Run:
    """The faults of one schedule, one after the other."""

    def __init__(self, scene: Scene, options: argparse.Namespace) -> None:
        self.scene, self.options = scene, options
        of = kinds(BOARDS, CLOUDS, tuple(WITNESSES), options.tls)
        self.strikes = {**STRIKES, **(OF_PAPERS if options.tls else {})}
        self.kinds = frozenset(options.only.split(",") if options.only else self.strikes)
        if options.each:
            of = [kind for kind in of if kind.name in self.kinds]
        every = schedule(options.seed, options.each * len(of) or options.faults, of)
        self.faults = [one for one in every if one.index >= options.first and one.kind in self.kinds]
        self.struck: list[Struck] = []
        self.broken = False

    def _calm(self) -> str:
        """Return how requests end before anything strikes."""
        recent = self.scene.witnesses.recent(0.0)
        ends = Counter(f"{one.what} {one.told.get('page', '')}" for one in recent)
        return ", ".join(f"{count}x {what}" for what, count in ends.most_common())

    def all(self) -> list[Struck]:
        """Let every fault strike."""
        note(f"before anything strikes: {self._calm()}")
        begun = time.monotonic()
        for fault in self.faults:
            if time.monotonic() - begun > self.options.minutes * 60:
                break
            self._one(fault)
            if self.broken or (self.options.stop and self._is_bad()):
                break
        return self.struck

    def _is_bad(self) -> bool:
        """Whether an answer was wrong, or something ended untyped."""
        told = [one for testimony in self.scene.witnesses.testimonies for one in testimony.ended]
        evidence = Evidence(self.struck, told, allowed=self.scene.allowed, untyped=self.scene.untyped)
        return bool(judge.wrong(evidence) or judge.untyped(evidence))

    def _one(self, fault: Fault) -> None:
        both = [fault, *([fault.beside] if fault.beside else [])]
        strikes = [(each, self.strikes[each.kind](self.scene, each)) for each in both]
        now = [self._strike(each, strike) for each, strike in strikes]
        time.sleep(self.options.lasts or max(each.lasts for each in both))
        for each, (_, strike) in zip(now, strikes, strict=True):
            self._go_on(each.fault, strike)
            each.over = time.monotonic()
            each.bit = each.fault.index not in self.scene.toothless
        self._wait_until_back(now)
        for each in now:
            back = "never" if each.back is None else f"{each.back:.2f} s"
            aim = "with a request in it" if each.aimed else "unaimed"
            bit = "" if each.bit else ", did not bite"
            note(
                f"#{each.fault.index} {each.fault.kind} of {each.fault.victim}, {aim}{bit}: back after {back}"
            )

    def _strike(self, fault: Fault, strike: Strike) -> Struck:
        aimed = self._aim(fault)
        done = Struck(fault, time.monotonic(), aimed=aimed)
        self.struck.append(done)
        self._go_on(fault, strike)
        return done

    def _go_on(self, fault: Fault, strike: Strike) -> None:
        """Strike, or undo; a process that does not come up again is a finding, and the end."""
        try:
            next(strike, None)
        except StartFailed as error:
            self.scene.unserved.append(f"#{fault.index} {fault.kind}: {error}"[:300])
            self.broken = True

    def _aim(self, fault: Fault) -> bool:
        """Wait until a request is where the fault shall strike; give up after a while."""
        names = self._askers(fault.victim)
        low, high = self._window(fault, names)
        end = time.monotonic() + AIM_SECONDS
        wanted = low + fault.moment * (high - low)
        slack = max(0.002, 0.3 * (high - low))
        while time.monotonic() < end:
            if any(abs(age - wanted) <= slack for age in self.scene.witnesses.ages(names)):
                return True
            time.sleep(0.001)
        return False

    def _askers(self, victim: str) -> set[str]:
        """Return the witnesses whose requests a victim has a part in."""
        users = self.scene.users(victim)
        return {victim} if victim in WITNESSES else {name for name in WITNESSES if WITNESSES[name] in users}

    def _window(self, fault: Fault, names: set[str]) -> tuple[float, float]:
        """Return when, after it was sent, a request of these is at the fault's part: from, to, seconds."""
        recent = [one for one in self.scene.witnesses.recent(0.0) if one.witness in names]
        hops = [one.told["hops"] for one in recent if one.verdict == "right" and len(one.told["hops"]) > 2]
        if not hops or fault.part == "any":
            return 0.0, 0.05
        board = sorted(one[1][1] + one[1][2] for one in hops)[len(hops) // 2]
        link = sorted(one[1][3] for one in hops)[len(hops) // 2]
        cloud = sorted(one[2][1] + one[2][2] for one in hops)[len(hops) // 2]
        parts = {"board": (0.0, board), "link": (board, board + link + cloud)}
        return parts.get(fault.part, (board + link / 2, board + link / 2 + cloud))

    def _wait_until_back(self, now: list[Struck]) -> None:
        over = max(each.over for each in now)
        while time.monotonic() < over + BACK_SECONDS:
            back = self._back_since(over)
            if back is not None:
                for each in now:
                    each.back = back - over
                return
            time.sleep(0.05)

    def _back_since(self, over: float) -> float | None:
        """Return when the last few answers of each board began to be by its plan, None where they are not yet."""
        recent = sorted(self.scene.witnesses.recent(over), key=lambda one: one.at)
        began = []
        for board in BOARDS:
            last = [one for one in recent if WITNESSES[one.witness] == board][-IN_A_ROW:]
            if len(last) < IN_A_ROW or not all(_is_home(one) for one in last):
                return None
            began.append(last[0].at)
        return max(began)


def _is_home(one: Ended) -> bool:
    """Whether an answer came by a cloud: pages turn, but to be alone is what the plan leaves to a fault."""
    told = one.told
    return one.verdict == "right" and told["page"] != "local" and not told["reason"].startswith("fallback")


def note(text: str) -> None:
    print(f"[chaos] {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    started = time.monotonic()
    status = main()
    note(f"{time.monotonic() - started:.0f} s in all")
    sys.exit(status)
