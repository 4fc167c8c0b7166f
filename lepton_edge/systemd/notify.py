"""What a service tells its manager: that it is ready, alive, about to end (the protocol of sd_notify(3)).

Law: one datagram to the socket that NOTIFY_SOCKET names; without one, nothing. Never fails, and waits for a second at
most, where a word must not be lost: a manager that takes none cannot stop a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping

SOCKET, WATCHDOG, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
SHARE = 3.0
"""Pings in the time that the manager allows between two: one may be late, and one lost."""
PATIENCE = 1.0  # seconds for a manager to take a word that is said once
UNWATCHED = 3600.0  # seconds between two looks of what nobody watches


class Notifier:
    """The way to the manager. `every` is the seconds between two signs of life, 0 where none are wanted."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        told = os.environ if environment is None else environment
        self._address = told.get(SOCKET, "")
        self.every = _pause(told) if self._address else 0.0

    def ready(self, status: str = "") -> None:
        """Say that the service answers."""
        self._say("READY=1", status, wait=PATIENCE)

    def stopping(self) -> None:
        """Say that the service is about to end."""
        self._say("STOPPING=1", "lets requests in progress end", wait=PATIENCE)

    def alive(self) -> None:
        """Give a sign of life."""
        self._say("WATCHDOG=1")

    def _say(self, word: str, status: str = "", wait: float = 0.0) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        text = f"{word}\nSTATUS={status}" if status else word
        # an abstract address is written with "@" for its leading zero byte
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
            way.settimeout(wait)
            way.sendto(text.encode(), address)

    async def keep_alive(self, turns: Callable[[], bool] = lambda: True) -> None:
        """Give signs of life, where they are wanted, for as long as `turns` says that the work goes on.

        Goes on until it is cancelled; a loop of events that stands still gives none.
        """
        while True:
            if self.every and turns():
                self.alive()
            await asyncio.sleep(self.every or UNWATCHED)


def _pause(told: Mapping[str, str]) -> float:
    """Return the seconds between signs of life: of this very process, or it is another one's watchdog."""
    if told.get(WATCHDOG_PID, str(os.getpid())) != str(os.getpid()):
        return 0.0
    with contextlib.suppress(ValueError):
        return int(told.get(WATCHDOG, "0")) / 1e6 / SHARE
    return 0.0
