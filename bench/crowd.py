"""One process of a crowd: many clients, each with a connection of its own, asking in a closed loop.

    python -m bench.crowd <job.json     (a line on stdin; then "go" on a line of its own)

Prints "ready" when every client has been answered once, and a JSON object with every client's figures at the end.
Law: the SDK only, without retries: what is refused counts as an error.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lepton_edge.client import AsyncClient
from lepton_edge.core.errors import LeptonError

Job = dict[str, Any]


@dataclass
class Member:
    """One client: what it asks for, and what came of it; seconds are from the start of the crowd.

    It leaves and comes back on a new connection after `stays` answers; 0: it stays.
    """

    page: str
    in_flight: int
    stays: int = 0
    ended: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    strayed: Counter[str] = field(default_factory=Counter)

    def answered_within(self, seconds: float) -> int:
        """Return how many answers came in the first `seconds`; the last ones end later."""
        return sum(end <= seconds for end in self.ended)


async def live(client: AsyncClient, member: Member, job: Job, begun: float) -> None:
    """Be a client until the time is over, of one connection or of one after the other."""
    while time.monotonic() - begun < job["seconds"]:
        until = len(member.ended) + (member.stays or sys.maxsize)
        await asyncio.gather(*(ask_until(client, member, job, begun, until) for _ in range(member.in_flight)))
        await client.close()
        client = new_client(job)
    await client.close()


def new_client(job: Job) -> AsyncClient:
    return AsyncClient(job["address"], retries=0, patience=120.0)


async def ask_until(
    client: AsyncClient, member: Member, job: Job, begun: float, until: int = sys.maxsize
) -> None:
    """Ask again and again until the time is over, or the client has its answers."""
    inputs = {job["input"]: Path(job["file"]).read_bytes()}
    while (now := time.monotonic()) - begun < job["seconds"] and len(member.ended) < until:
        try:
            result = await client.infer(job["model"], inputs, page=member.page)
        except LeptonError as error:
            member.errors[f"{error.code}: {error.message[:120]}"] += 1
            await asyncio.sleep(0.01)  # a refusal that costs nothing must not become a loop
            continue
        done = time.monotonic()
        member.ended.append(round(done - begun, 4))
        member.latencies.append(round(done - now, 5))
        if result.page != member.page:
            member.strayed[re.sub(r"[0-9.]+", "#", result.reason)[:120]] += 1


async def warm_up(client: AsyncClient, member: Member, job: Job) -> None:
    inputs = {job["input"]: Path(job["file"]).read_bytes()}
    await client.infer(job["model"], inputs, page=member.page)


async def crowd(job: Job) -> list[Member]:
    """Let every member ask; return them with their figures."""
    members = [Member(**one) for one in job["members"]]
    clients = [new_client(job) for _ in members]
    await asyncio.gather(*(warm_up(client, one, job) for client, one in zip(clients, members, strict=True)))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    begun = time.monotonic()
    await asyncio.gather(
        *(live(client, one, job, begun) for client, one in zip(clients, members, strict=True))
    )
    return members


def told(members: list[Member]) -> str:
    """Return every member's figures as JSON (`asdict` would make counts of a Counter's pairs)."""
    return json.dumps([vars(one) for one in members])


def main() -> int:
    job: Job = json.loads(sys.stdin.readline())
    members = asyncio.run(crowd(job))
    sys.stdout.write(told(members))
    return 0


if __name__ == "__main__":
    sys.exit(main())
