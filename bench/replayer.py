"""An application that asks by a timetable, in a process of its own, so that it can run on any host of the laboratory.

    python -m bench.replayer     (jobs on stdin, one a line, each followed by "go SECOND" on a line of its own)

A job has "do": "stream" (requests are due every "period" seconds, whether or not others have been answered),
"rounds" (the pages in turn, one request at a time, leaving out what is hopeless at the trace's rate),
"application" (the 30-line application, by the same timetable), "switches" (runs of pages by turns), or "closed" (one
request after the other). A job says by "first" which page tells that the entry serves ("local"). It prints
"ready" when it has been answered, and then all answers on one line; SECOND is on this machine's monotonic clock.
Law: the SDK (or the 30-line application) only, without retries; latencies count from when a request was due.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.traces import Trace
from bench.verdicts import Answer
from examples.thirty_lines.app import Application, Settings
from lepton_edge.client import AsyncClient
from lepton_edge.core.errors import LeptonError

Job = dict[str, Any]
WARM_UP = 2
STARTED = 20.0
"""Seconds that an entry may take until it serves."""
TIMEOUT = 0.5
"""Seconds after which the 30-line application gives the cloud up: its own default."""


def main() -> int:
    for line in iter(sys.stdin.readline, ""):
        job: Job = json.loads(line)
        answers = application(job) if job["do"] == "application" else asyncio.run(_asked(job))
        print(json.dumps([asdict(one) for one in answers]), flush=True)
    return 0


def _told_to_go() -> float:
    """Say that all is ready; return the second that the timetable counts from."""
    print("ready", flush=True)
    return float(sys.stdin.readline().split()[1])


# --- the product ----------------------------------------------------------------------------------


async def _asked(job: Job) -> list[Answer]:
    async with AsyncClient(job["address"], retries=0, patience=job["patience"]) as client:
        ask = Asking(client, job)
        await ask.until_served(job.get("first", "local"))
        for page in (job["pages"] if "pages" in job else [job.get("page", "")]) * WARM_UP:
            await ask.once(page, time.monotonic())
        ask.begin = await asyncio.to_thread(_told_to_go)
        return await WAYS[job["do"]](ask, job)


class Asking:
    """One client that asks one question again and again; `begin` is the second that its answers count from."""

    def __init__(self, client: AsyncClient, job: Job) -> None:
        self._client, self._model = client, job["model"]
        self._inputs = {job["input"]: Path(job["file"]).read_bytes()}
        self.begin = 0.0

    async def until_served(self, page: str) -> None:
        """Wait until the entry answers at all: an agent that has just started opens its models first."""
        limit = time.monotonic() + STARTED
        while (await self.once(page, time.monotonic())).error and time.monotonic() < limit:
            await asyncio.sleep(0.2)

    async def once(self, page: str, due: float) -> Answer:
        """Ask now; `due` is when that should have been, on the monotonic clock."""
        begun = time.monotonic()
        try:
            result = await self._client.infer(self._model, self._inputs, page=page)
        except LeptonError as error:
            took = time.monotonic() - due
            text = f"{error.code}: {error.message[:120]}"
            return Answer(round(due - self.begin, 5), round(took, 5), "", page, error=text)
        took = begun - due + result.latency
        network = sum(hop.network for hop in result.hops if hop.device != "client")
        played = sum(hop.compute * (1 - 1 / hop.simulated_slowdown) for hop in result.hops)
        due = round(due - self.begin, 5)
        return Answer(
            due, round(took, 5), result.page, page, result.reason,
            network=network, played=played, epoch=result.epoch,
        )  # fmt: skip


async def _stream(ask: Asking, job: Job) -> list[Answer]:
    """Ask whenever a request is due, from "lead" seconds before the begin on."""
    asked = []
    for number in range(job["count"]):
        due = ask.begin - job["lead"] + number * job["period"]
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        asked.append(asyncio.create_task(ask.once(job.get("page", ""), due)))
    return list(await asyncio.gather(*asked))


async def _rounds(ask: Asking, job: Job) -> list[Answer]:
    """Ask every page in turn, one request at a time, as often as the stream does, until "seconds" are over.

    A request after a pause takes longer than in a tight loop, so samples are paced as what they are held against.
    "least_rates" are Mbit/s below which a page cannot be the best: asked then, it would only be in the others' way.
    """
    trace = Trace("", 0.0, 0.0, tuple((second, rate) for second, rate in job["points"]))
    answers: list[Answer] = []
    due = ask.begin - job["lead"] + job["shift"]
    for page in itertools.cycle(job["pages"]):
        if trace.rate(due - ask.begin) < job["least_rates"][page]:
            answers.append(Answer(round(due - ask.begin, 5), math.inf, "", page, error="hopeless: left out"))
            continue
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if now - ask.begin > job["seconds"]:
            return answers
        answers.append(await ask.once(page, now))
        while due < time.monotonic():
            due += job["period"]
    return answers


async def _switches(ask: Asking, job: Job) -> list[Answer]:
    """Ask "run" times for each page in turn, one request at a time, "count" requests in all."""
    answers = []
    for page in itertools.islice(_in_runs(job["pages"], job["run"]), job["count"]):
        answers.append(await ask.once(page, time.monotonic()))
        await asyncio.sleep(job.get("pause", 0.0))
    return answers


async def _closed(ask: Asking, job: Job) -> list[Answer]:
    """Ask one request after the other until "seconds" are over."""
    answers: list[Answer] = []
    await asyncio.sleep(max(0.0, ask.begin - job["lead"] - time.monotonic()))
    while (now := time.monotonic()) < ask.begin + job["seconds"]:
        answers.append(await ask.once(job.get("page", ""), now))
        await asyncio.sleep(job["pause"])
    return answers


def _in_runs(pages: list[str], run: int) -> Iterator[str]:
    for page in itertools.cycle(pages):
        yield from itertools.repeat(page, run)


WAYS = {"stream": _stream, "rounds": _rounds, "switches": _switches, "closed": _closed}


# --- the 30-line application ----------------------------------------------------------------------


def application(job: Job) -> list[Answer]:
    """Let the 30-line application answer by the timetable, one picture after the other, as it is written."""
    picture = Path(job["file"]).read_bytes()
    settings = Settings(job["server"] or None, TIMEOUT, job["slow"])
    with Application(Path(job["int8"]), settings) as app:
        for _ in range(WARM_UP):
            app.classify(picture)
        begin = _told_to_go()
        return [
            _classified(app, picture, begin, begin - job["lead"] + number * job["period"])
            for number in range(job["count"])
        ]


def _classified(app: Application, picture: bytes, begin: float, due: float) -> Answer:
    time.sleep(max(0.0, due - time.monotonic()))
    begun = time.monotonic()
    told = app.classify(picture)
    ended = time.monotonic()
    late = told.where == "board" and ended - begun >= TIMEOUT
    reason = "timed out" if late else ""
    return Answer(round(due - begin, 5), round(ended - due, 5), told.where, reason=reason)


if __name__ == "__main__":
    sys.exit(main())
