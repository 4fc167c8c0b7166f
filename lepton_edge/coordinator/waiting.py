"""Devices whose token counted and that a person is still to let in (`coordinator start --approve`).

Law: keeps who waits, and which of the keys that asked under a name a person meant; what is decided is written down
before anybody is told. A name is not a key: who has a token may ask under any name, so that a person who may have
looked at another key than the one that waits now says which. The caller holds the gate's lock.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog

from lepton_edge.coordinator import members
from lepton_edge.coordinator.members import Joining
from lepton_edge.coordinator.vault import Vault
from lepton_edge.core.errors import AlreadyExists, InvalidInput, NotFound, Overloaded
from lepton_edge.core.joining import fingerprint
from lepton_edge.security.tokens import TokenRecord

log = structlog.get_logger("coordinator")

MOST_OTHERS = 4
"""Keys beside the first that are remembered under one name: the ones that asked last."""
_FINGERPRINT = re.compile(r"[0-9a-f]{4,64}")

OnDisk = Callable[..., Awaitable[Any]]


class Waiting:
    """See the module. `known` is who waits, by name."""

    def __init__(self, vault: Vault, on_disk: OnDisk, held: Iterable[Joining]) -> None:
        self._vault, self._on_disk = vault, on_disk
        self.known = {one.name: one for one in held}

    def approved(self, name: str, key: str) -> bool:
        """Say whether a person let this very key in under this name."""
        waits = self.known.get(name)
        return waits is not None and waits.approved and waits.key == key

    async def add(self, fresh: Joining, token: TokenRecord) -> bool:
        """Have somebody wait, whose token is now as `token` says; False where it waits already.

        Raises:
            Overloaded: too many wait.
        """
        known = self.known.get(fresh.name)
        if known is None and len(self.known) >= members.MAX_JOINING:
            raise Overloaded(
                f"{members.MAX_JOINING} devices wait to be approved", "approve or refuse some first"
            )
        if known is not None and fresh.key in keys_of(known):
            return False
        waits = fresh if known is None else _beside(known, fresh.key)
        await self._on_disk(self._vault.let_in, token, None, waits)
        self.known[waits.name] = waits
        log.warning(
            "somebody waits to be approved",
            device=fresh.name,
            fingerprint=fingerprint(fresh.key),
            do="lepton-edge device approve NAME",
        )
        return True

    async def decide(self, name: str, *, refuse: bool, digits: str = "") -> Joining:
        """Approve, by the key that begins with `digits`, or refuse who waits as `name`.

        Raises:
            NotFound: nobody does, or by no such key. AlreadyExists: by several, and `digits` do not say which.
            InvalidInput: `digits` are no fingerprint.
        """
        waits = self.known.get(name)
        if waits is None:
            raise NotFound(
                f"no device called {name!r} waits to be approved", "see: lepton-edge device approve"
            )
        if refuse:
            await self._on_disk(self._vault.forget_joining, name)
            return self.known.pop(name)
        chosen = chosen_key(waits, digits)
        others = tuple(key for key in keys_of(waits) if key != chosen)
        approved = dataclasses.replace(waits, approved=True, key=chosen, others=others)
        await self._on_disk(self._vault.keep_joining, approved)
        self.known[name] = approved
        return approved

    def forget(self, name: str) -> None:
        """Forget who is let in; what is on the disk is forgotten with that."""
        self.known.pop(name, None)


def keys_of(waits: Joining) -> tuple[str, ...]:
    """Return the keys that asked under this name."""
    return (waits.key, *waits.others)


def chosen_key(waits: Joining, digits: str) -> str:
    """Return the key that a person means; raise as `Waiting.decide`."""
    keys, begin = keys_of(waits), digits.lower().replace(":", "")
    if begin and not _FINGERPRINT.fullmatch(begin):
        raise InvalidInput(
            f"{digits[:80]!r} is no fingerprint", "give at least four of its digits (0-9, a-f)"
        )
    found = [key for key in keys if key.startswith(begin)]
    if len(found) == 1:
        return found[0]
    shown = ", ".join(map(fingerprint, keys))
    if not found:
        raise NotFound(
            f"no key that begins with {digits.upper()} waits as {waits.name!r}: {shown} does",
            "compare it with what the device itself shows; somebody else may have asked under its name",
        )
    raise AlreadyExists(
        f"{len(keys)} keys ask to be {waits.name!r}: {shown}",
        f"take the one that the device itself shows: lepton-edge device approve {waits.name} "
        f"--fingerprint {fingerprint(keys[0])}; or none: --refuse",
    )


def _beside(known: Joining, key: str) -> Joining:
    """Return who waits after another key asked under its name: the first keeps its place."""
    return dataclasses.replace(known, others=(*known.others, key)[-MOST_OTHERS:])
