"""Certificates that are renewed while requests go on: does one get lost?

Law: asks from this process, since both sides renew at once; over TLS alone.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

from bench.rows import Row
from bench.security.ends import End, Papers, python
from bench.security.near import dialled, frame, payload
from lepton_edge.client.logs import be_quiet
from lepton_edge.core.frames import FrameKind
from lepton_edge.security.authority import Authority
from lepton_edge.wire.tls import Trust
from partitioner.units import Seconds

ROUNDS, EVERY = 60, 20


def renewal(_trips: int) -> Iterator[Row]:
    """Yield the requests that were lost while both sides renewed three times."""
    be_quiet()
    authority = Authority.make(Seconds(time.time()))
    papers, later = Papers.make(authority), Papers.make(authority)
    far = End(python("bench.security.far", "127.0.0.1"))
    try:
        address = json.loads(far.tell(papers.far.pem().decode()))[0]
        lost, asked = asyncio.run(_asked(far, address, papers, later))
    finally:
        far.stop()
    what = f"requests lost of {asked} while certificates were renewed {ROUNDS // EVERY} times"
    yield Row("security", what, lost, "requests", "both ends at once", 0, met=not lost)


async def _asked(far: End, address: str, papers: Papers, later: Papers) -> tuple[int, int]:
    """Ask without pause, on a link that is there and on ones that are made meanwhile; return what was lost of what."""
    trust, small, lost = Trust(papers.near), payload(1_000), 0
    link = await dialled(address, trust)
    for number in range(ROUNDS):
        if number % EVERY == EVERY // 2:
            await asyncio.to_thread(far.tell, later.far.pem().decode())
            trust.renew(later.near)
        other = await dialled(address, trust)
        for one in (link, other):
            answer = await one.request(frame(small), 5.0)
            lost += answer.kind is not FrameKind.REPLY
        await other.close()
    await link.close()
    return lost, 2 * ROUNDS
