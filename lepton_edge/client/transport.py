"""What a client needs of the world below it: to put one question and get one answer.

Law: a protocol, no implementation and no I/O. `remote.py` keeps it over a link, `mock.py` without a network.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from lepton_edge.core.frames import Frame
from lepton_edge.core.messages import AdminCall, AdminEvent


class Transport(Protocol):
    """One question, one answer; all deadlines and all reading of answers are the client's."""

    async def call(self, frame: Frame) -> Frame:
        """Send a REQUEST frame and return the REPLY or ERROR frame that answers it.

        Cancelling this coroutine cancels the request on the far side too.

        Raises:
            Unavailable: nobody could be reached, or the link broke and it was not safe to ask again.
        """
        ...

    def admin(self, calls: AsyncIterator[AdminCall]) -> AsyncIterator[AdminEvent]:
        """Put a call (one message, or several for an upload) to the coordinator; yield what it says.

        Raises:
            Unavailable: no coordinator could be reached.
        """
        ...

    async def close(self) -> None:
        """Give back links and channels; calls in flight end with Unavailable."""
        ...
