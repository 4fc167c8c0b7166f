"""What either side of a plain stream says first, where there is no ALPN to say it.

Law: eight bytes, and reading them.
"""

from __future__ import annotations

import asyncio
import socket

PREFACE = b"LEPTON1\n"
"""HTTP/2 begins otherwise, on both sides."""


async def first_bytes(connection: socket.socket) -> bytes:
    """Return what came first: the preface, or as much as shows that it is none."""
    loop = asyncio.get_running_loop()
    came = b""
    while len(came) < len(PREFACE) and PREFACE.startswith(came):
        more = await loop.sock_recv(connection, len(PREFACE) - len(came))
        if not more:
            break
        came += more
    return came
