"""Who asked: the name under which a request waits, is counted, and goes on.

Law: one function of a link and a frame. What a client says of itself counts for nothing but a name: it cannot
take another's turns, nor more than its link's.
"""

from __future__ import annotations

from device_agents.machine.events import LinkId
from lepton_edge.core.frames import Frame
from lepton_edge.link.link import Link

MAX_NAME, MAX_FLOW = 64, 512  # characters that others chose, in what is kept of a request


def flow_of(link: Link, number: LinkId, frame: Frame) -> str:
    """Return the flow of a request: a client by its link; an agent's client in that agent's words.

    An agent that has no words for it, one of protocol 1.0, is one flow itself.
    """
    if link.peer.kind == "agent":
        return frame.flow[:MAX_FLOW] or str(link.peer.name)
    return f"{link.peer.name[:MAX_NAME]}#{number}"
