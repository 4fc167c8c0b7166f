"""Links between an application and the agent on its own machine: the same protocol over a local socket.

Law: says what such a link allows itself, and how it is opened; the protocol is `machine.py`'s, the socket is
`wire/near_door.py`'s. Large chunks: there is no slow link on which a small frame would wait for one, and a frame that
comes in one chunk is not copied again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lepton_edge.core.links import Limits, LinkHello
from lepton_edge.link.link import Handler, Link
from lepton_edge.link.server import accepting
from lepton_edge.wire import near_door
from partitioner.units import Bytes

LIMITS = Limits(chunk=Bytes(2 << 20), checksum=False, paced=False)


async def dial(path: str, hello: LinkHello, handler: Handler) -> Link:
    """Open a link to the agent whose socket is at `path`, and return it after the handshake.

    Raises:
        Unavailable: there is none, it is another user's, or nobody says hello.
        IncompatibleVersion: the peer speaks another protocol.
    """
    link = Link(await near_door.dial(path), hello, handler, LIMITS)
    await link.open()
    return link


def open_door(
    state: Path, hello: LinkHello, handler: Handler, on_open: Callable[[Link], None]
) -> near_door.NearDoor | None:
    """Accept links of this machine; None where there can be no such door. `state` is this process's folder."""
    return near_door.open_door(state, accepting(hello, handler, on_open, LIMITS))
