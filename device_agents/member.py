"""This agent as one of a coordinator's: what it shows, whom it believes, and when it renews.

Law: keeps and tells; certificates are made and read by a process of their own (`joining`), so that what signs takes no
memory here. Whom not to believe is remembered over a restart. A second `agent join` on this state is taken up as it
runs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable

import structlog

from device_agents.fingerprint import fingerprint
from device_agents.membership import KEY_FILE, life, membership
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import NotFound, StorageFull, Unauthenticated, Unavailable
from lepton_edge.core.identity import Credentials, credentials_of
from lepton_edge.core.joining import renew_at
from lepton_edge.security.keyring import Keyring
from lepton_edge.wire.tls import Trust
from partitioner.errors import LeptonError
from partitioner.units import Seconds

log = structlog.get_logger("agent")

REVOKED_FILE = "revoked.json"
LOOK = Seconds(2.0)
"""Between two looks at the time (clocks of boards are set while they run) and at the key: a few system calls."""
FIRST_PAUSE, LONGEST_PAUSE = Seconds(1.0), Seconds(300.0)
PATIENCE = 60.0  # seconds that the process which renews may take
MOST_REVOKED = 20_000
JOIN_FIRST = "join: lepton-edge agent join HOST:PORT --token LE1... (lepton-edge token create makes one)"


def trust_of(config: AgentConfig) -> Trust | None:
    """Return what this agent shows and believes; None where it runs in the open.

    Raises:
        Unauthenticated: it has not joined.
    """
    if not config.secure:
        return None
    keys = Keyring(config.state_directory)
    if not keys.has(KEY_FILE):
        raise Unauthenticated(
            f"{config.name!r} has not joined a coordinator", f"{JOIN_FIRST}; or run with --insecure"
        )
    return Trust(credentials_of(keys.read(KEY_FILE)), revoked_serials(keys))


def revoked_serials(keys: Keyring) -> list[int]:
    """Return the certificates that were said not to be believed."""
    try:
        return [int(serial, 16) for serial in json.loads(keys.read(REVOKED_FILE))]
    except (NotFound, ValueError, TypeError):  # none yet, or half of it: the coordinator tells it again
        return []


class Member:
    """See the module."""

    def __init__(self, config: AgentConfig, trust: Trust) -> None:
        self._directory, self._name, self._trust = config.state_directory, config.name, trust
        self._keys = Keyring(config.state_directory)
        self._known = self._seen = self._mark()
        self.machine = fingerprint(config.machine)

    def revoke(self, serials: tuple[str, ...]) -> None:
        """Believe these certificates no more, now and after a restart."""
        known = [serial for serial in serials[:MOST_REVOKED] if _is_serial(serial)]
        self._trust.revoke([int(serial, 16) for serial in known])
        try:
            self._keys.write(REVOKED_FILE, json.dumps(known).encode())
        except StorageFull as error:
            log.warning("who is revoked is not kept over a restart", error=str(error))

    async def keep_fresh(self, address: Callable[[], str]) -> None:
        """Renew at two thirds of the certificate's life, and again until it works; `address` is the coordinator's."""
        pause = FIRST_PAUSE
        while True:
            begins, ends = life(self._keys)
            left = renew_at(begins, ends) - time.time()
            if left > 0:
                await asyncio.sleep(min(left, LOOK))
                self._look_again()
                continue
            try:
                await self._renew(address())
                pause = FIRST_PAUSE
            except LeptonError as error:
                log.warning("the certificate is not renewed yet", until=ends, error=str(error))
                await self._rest(min(pause, max((ends - begins) / 100, FIRST_PAUSE)))
                pause = min(Seconds(pause * 2), LONGEST_PAUSE)

    async def _rest(self, pause: float) -> None:
        """Wait; a key that comes meanwhile ends it."""
        shown, end = self._trust.credentials, time.monotonic() + pause
        while (left := end - time.monotonic()) > 0 and self._trust.credentials is shown:
            await asyncio.sleep(min(left, LOOK))
            self._look_again()

    def _mark(self) -> tuple[int, int]:
        """Return what tells one key file from the next."""
        try:
            found = self._keys.path(KEY_FILE).stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino

    def _look_again(self) -> None:
        """Use the key of another `agent join` on this state, once that is through: a look later nothing moves."""
        seen, self._seen = self._seen, self._mark()
        if self._seen in (self._known, (0, 0)) or self._seen != seen:
            return
        self._known = self._seen
        try:
            self._take_up(credentials_of(self._keys.read(KEY_FILE)))
        except LeptonError as error:
            log.warning("the new key cannot be used", error=error.message, do=error.hint)

    def _take_up(self, found: Credentials) -> None:
        joined = membership(self._directory)
        if (
            found.authority != self._trust.credentials.authority
            or joined is None
            or joined.name != self._name
        ):
            where = joined.coordinator if joined else ""
            log.warning(
                "joined another coordinator, or by another name: restart this agent", coordinator=where
            )
            return
        self._trust.renew(found)
        log.info("joined anew: the new key is used from now on", until=life(self._keys)[1])

    async def _renew(self, address: str) -> None:
        if not address:
            raise NotFound("no coordinator was found yet", "it is needed to renew a certificate")
        arguments = (str(self._directory), address, self._name, self.machine)
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "device_agents.joining", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, said = await asyncio.wait_for(child.communicate(), PATIENCE)
        except asyncio.TimeoutError as error:
            raise Unavailable(f"renewing took more than {PATIENCE:.0f} s", "it is tried again") from error
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode != 0:
            raise Unavailable(said.decode(errors="replace").strip()[-500:], "it is tried again")
        self._known = self._seen = self._mark()
        self._trust.renew(credentials_of(self._keys.read(KEY_FILE)))
        log.info("the certificate is renewed", until=life(self._keys)[1])


def _is_serial(text: str) -> bool:
    return 0 < len(text) <= 40 and all(letter in "0123456789abcdef" for letter in text)
