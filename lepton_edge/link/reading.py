"""The chunks of a stream as they come: pushed by the stream itself where it can, read by a task where it cannot.

Law: knows streams; what a chunk means is for whoever takes it.
"""

from __future__ import annotations

from lepton_edge.wire.streams import ChunkStream, Over, Take
from partitioner.errors import LeptonError


async def read_all(stream: ChunkStream, take: Take, over: Over) -> None:
    """Give each chunk to `take` until the stream ends, and then why to `over`, once; None: the peer ended it.

    Returns at once where the stream pushes.
    """
    if stream.push(take, over):
        return
    try:
        while (chunk := await stream.read()) is not None:
            take(chunk)
    except LeptonError as error:
        over(error)
    else:
        over(None)
