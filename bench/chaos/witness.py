"""One client of the chaos run: streams known inputs and testifies of every answer, a JSON object a line.

    python -m bench.chaos.witness <job.json    (one line on stdin; ends at the end of stdin)

Lines: {"sent": n, "at": s}, then for each of them {"ended": n, "at": s, "took": s, "verdict": ...}. Every sixteenth
request is given up as soon as it is sent; of those only the count is told, and how many were answered all the same.
Times are of the machine's monotonic clock, which all processes share. Law: the SDK, and a count of the answers on the
wire; a verdict is "right" (with the version), "wrong", "error" (with its code), "untyped".
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.chaos.subject import NAME, VERSIONS, version_of
from lepton_edge.client import AsyncClient
from lepton_edge.client.keys import trust_for
from lepton_edge.client.remote import RemoteTransport
from lepton_edge.core.frames import FrameKind
from lepton_edge.core.results import Result
from lepton_edge.link import events
from lepton_edge.link.link import Link
from partitioner.errors import LeptonError

LAG = 0.02
GIVES_UP_EVERY, GIVES_UP_AFTER = 16, 0.004
CROSSED = 0.008
"""Seconds after it was given up within which an answer may be here: it was on its way."""
ANSWERS = (FrameKind.REPLY, FrameKind.ERROR)
SOON = 0.1
"""Seconds after it was sent within which a request that is abandoned was given up on purpose, not for its deadline."""
Step = Callable[[Link, events.Event], None]


class Lag:
    """How late this process itself was: the most by which a sleep ended late, over the last few seconds."""

    def __init__(self) -> None:
        self.moments: list[tuple[float, float]] = []

    async def watch(self) -> None:
        """Sleep and look at the clock, for ever."""
        while True:
            begun = time.monotonic()
            await asyncio.sleep(LAG)
            late = time.monotonic() - begun - LAG
            self.moments = [*self.moments[-400:], (begun, late)]

    def since(self, begun: float) -> float:
        """Return the sum of what was late since `begun`."""
        return sum(late for at, late in self.moments if at >= begun - 1.0 and late > LAG / 2)


class Wire:
    """Counts the answers that come in by request and attempt, below the SDK: it would drop the second of two.

    `given_up` is when requests were, by the same key; `unheeded` counts those that were answered all the same.
    """

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.sent: dict[tuple[str, int], float] = {}
        self.given_up: dict[tuple[str, int], float] = {}
        self.unheeded = 0

    def watch(self) -> None:
        """Look at every event of every link of this process from now on."""
        step: Step = Link._step

        def counted(link: Link, event: events.Event) -> None:
            self.see(event, time.monotonic())
            step(link, event)

        Link._step = counted  # type: ignore[method-assign, assignment]

    def see(self, event: events.Event, now: float) -> None:
        """Count one event of a link."""
        if isinstance(event, events.Arrived) and event.frame.kind in ANSWERS:
            key = event.frame.request_id, event.frame.attempt
            self.answers[key] += 1
            heeded = event.frame.error is not None and event.frame.error.code == "cancelled"
            self.unheeded += not heeded and now - self.given_up.get(key, now) > CROSSED
        elif isinstance(event, events.Submitted) and event.expects:
            self.sent[event.frame.request_id, event.frame.attempt] = now
        elif isinstance(event, events.Abandoned) and now - self.sent.get(event.key, 0.0) < SOON:
            self.given_up[event.key] = now

    def doubled(self) -> list[str]:
        """Return the requests that were answered more than once."""
        return [f"{request}/{attempt}" for (request, attempt), count in self.answers.items() if count > 1]


def client_at(address: str, key: str | None) -> AsyncClient:
    """Return a client; one with a key proves who it is at the data port, since the near door asks nobody for one."""
    if key is None:
        return AsyncClient(address, max_in_flight=128)
    return AsyncClient(
        transport=RemoteTransport(address, trust=trust_for(key), near=False), max_in_flight=128
    )


class Witness:
    """Asks `rate` times a second, whatever becomes of it, each request within `deadline` seconds."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        with np.load(Path(job["file"])) as arrays:
            self.inputs = arrays["inputs"]
            self.answers = {version: list(arrays[version]) for version in VERSIONS}
        self.lag, self.wire = Lag(), Wire()
        self.client = client_at(job["address"], job["key"])

    async def live(self) -> None:
        """Ask until standard input ends; then wait for what is under way, and tell what was doubled."""
        self.wire.watch()
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(target=_at_the_end, args=(loop, over), daemon=True).start()
        lagging = loop.create_task(self.lag.watch())
        tasks: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        for number in itertools.count():
            due = max(
                due + 1 / self.job["rate"], time.monotonic() - 1.0
            )  # one that slept does not make up for it
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(over.wait(), max(0.0, due - time.monotonic()))
            if over.is_set():
                break
            gives_up = number % GIVES_UP_EVERY == GIVES_UP_EVERY - 1
            task = loop.create_task(self.give_up(number) if gives_up else self.ask(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        lagging.cancel()
        wire = self.wire
        say({"doubled": wire.doubled(), "given_up": len(wire.given_up), "unheeded": wire.unheeded})
        await self.client.close()

    async def ask(self, number: int) -> None:
        """Ask once and testify."""
        index = (number * 7 + self.job["number"]) % len(self.inputs)
        begun = time.monotonic()
        say({"sent": number, "at": begun})
        asking = self.client.infer(NAME, {"x": self.inputs[index]}, deadline=self.job["deadline"])
        [outcome] = await asyncio.gather(asking, return_exceptions=True)
        now = time.monotonic()
        told = {"ended": number, "at": now, "took": now - begun, "lag": self.lag.since(begun)}
        say({**told, **self.judged(outcome, index)})

    async def give_up(self, number: int) -> None:
        """Ask, and want it no more."""
        asking = self.client.infer(NAME, {"x": self.inputs[number % len(self.inputs)]}, deadline=1.0)
        with contextlib.suppress(asyncio.TimeoutError, LeptonError):
            await asyncio.wait_for(asking, GIVES_UP_AFTER)

    def judged(self, outcome: Result | BaseException, index: int) -> dict[str, Any]:
        """Return the verdict on what came of a request for input `index`."""
        if isinstance(outcome, LeptonError):
            return {"verdict": "error", "code": outcome.code, "why": outcome.message[:200]}
        if isinstance(outcome, BaseException):
            return {"verdict": "untyped", "why": repr(outcome)[:200]}
        version = version_of(outcome["y"], self.answers, index)
        hops = [
            [hop.device, hop.queue, hop.decode + hop.compute + hop.encode, hop.network]
            for hop in outcome.hops
        ]
        where = {"page": outcome.page, "epoch": outcome.epoch, "reason": outcome.reason[:120], "hops": hops}
        return {"verdict": "right" if version else "wrong", "version": version, "input": index, **where}


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _at_the_end(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    sys.stdin.read()
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(over.set)


def main() -> int:
    asyncio.run(Witness(json.loads(sys.stdin.readline())).live())
    return 0


if __name__ == "__main__":
    sys.exit(main())
