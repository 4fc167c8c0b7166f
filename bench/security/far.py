"""The far end: echoes on a port with TLS and on one in the open, in a process of its own.

    python -m bench.security.far HOST     (credentials as a line of JSON on stdin; others later renew them)

Prints where it listens, TLS first. Law: gives frames back; measures nothing. Memory is tuned as an agent tunes it.
"""

from __future__ import annotations

import asyncio
import json
import sys

from lepton_edge.client.logs import be_quiet
from lepton_edge.core.frames import Frame, FrameKind
from lepton_edge.core.identity import credentials_of
from lepton_edge.core.links import LinkHello
from lepton_edge.core.messages import Description
from lepton_edge.link.link import Link
from lepton_edge.link.server import open_data_port
from lepton_edge.wire.memory import tune_malloc
from lepton_edge.wire.tls import Trust


async def serve(host: str, pem: str) -> None:
    """Serve echoes on a port with TLS and one without, and renew on demand, until killed."""
    be_quiet()  # on stdout only what is asked for
    trust = Trust(credentials_of(pem.encode()))
    hello, told = LinkHello("agent", "far"), []
    for one in (trust, None):
        _, address = await open_data_port(f"{host}:0", hello, answer, describe, trust=one)
        told.append(address)
    print(json.dumps(told), flush=True)
    while renewed := await asyncio.to_thread(sys.stdin.readline):
        trust.renew(credentials_of(json.loads(renewed).encode()))
        print("renewed", flush=True)


async def answer(link: Link, frame: Frame) -> None:
    """Give back what came."""
    link.release(frame)
    await link.send(Frame(FrameKind.REPLY, frame.request_id, attempt=frame.attempt, tensors=frame.tensors))


async def describe() -> Description:
    """Return what anybody may know."""
    return Description("agent", "far", "bench", 1, 1)


if __name__ == "__main__":
    tune_malloc()
    asyncio.run(serve(sys.argv[1], json.loads(sys.stdin.readline())))
