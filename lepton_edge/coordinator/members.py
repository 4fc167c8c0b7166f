"""Who is let in: certificates that were issued, devices that wait, and whether a name may be taken. Pure.

Law: frozen nouns, written as JSON by their field names (a field is added at the end, with a default), and functions of
them; times are handed in, seconds since 1970. A device is bound to its key and its machine: who copies its storage
takes along the key and not the machine.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from lepton_edge.core.errors import AlreadyExists, InvalidInput, Overloaded, PermissionDenied
from lepton_edge.core.identity import ANY_MODEL, Identity, Role
from lepton_edge.core.joining import EARLY
from partitioner.units import DeviceId, ModelName, Seconds

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MACHINE = re.compile(r"[0-9a-f]{0,64}")
MAX_JOINING = 256
MAX_CERTIFICATES = 20_000
MAX_TOKENS = 256
MAX_MODELS = 64  # of one client
MAX_OF_NAME = 32
"""Certificates of one name that have not expired; after that one for each such part of a life, or of a month."""
MONTH = Seconds(30 * 86400.0)


@dataclass(frozen=True)
class Certificate:
    """A certificate that was issued: `serial` in hexadecimal, `key` the SHA-256 of its public key.

    `machine` is what its owner's machine was known by then; `revoked` when it was, 0 while it counts. `by` says how it
    came: by a token, a renewal, a person.
    """

    serial: str
    role: str
    name: str
    key: str
    begins: Seconds
    expires: Seconds
    machine: str = ""
    models: tuple[ModelName, ...] = ()
    by: str = ""
    revoked: Seconds = Seconds(0.0)

    def counts(self, now: Seconds) -> bool:
        """Say whether it is to be believed."""
        return not self.revoked and now < self.expires

    @property
    def identity(self) -> Identity:
        """Whom it names."""
        return Identity(Role(self.role), self.name, self.models, int(self.serial, 16))


@dataclass(frozen=True)
class Joining:
    """Somebody whose token counted and who waits to be approved; `request` is its signing request, PEM.

    `key` is the one that asked first, or that a person approved; `others` asked under the same name.
    """

    name: str
    role: str
    key: str
    machine: str
    request: str
    token: str
    at: Seconds
    models: tuple[ModelName, ...] = ()
    approved: bool = False
    others: tuple[str, ...] = ()


def check_name(name: str, machine: str = "") -> None:
    """Raise InvalidInput where nobody can be called so, or a machine is described so."""
    if not NAME.fullmatch(name) or not MACHINE.fullmatch(machine):
        raise InvalidInput(
            f"nobody can be called {name[:80]!r}", "use letters, digits, '.', '_' and '-', 63 at most"
        )


def place(name: str, key: str) -> str:
    """Return what one use of a token is for: a key under a name, or one use would let its key in under all names."""
    return hashlib.sha256(f"{name} {key}".encode()).hexdigest()


def check_models(role: Role, models: tuple[ModelName, ...]) -> None:
    """Raise InvalidInput unless just a client has models, at least one, that can be models."""
    wrong = [one for one in models if one != ANY_MODEL and not MODEL.fullmatch(one)]
    if wrong or len(models) > MAX_MODELS:
        raise InvalidInput(
            f"no model is called {wrong[:1]}, or too many", f"give up to {MAX_MODELS} names, or '*'"
        )
    if (role is Role.CLIENT) != bool(models):
        raise InvalidInput(
            "a client may infer on models, others have none", "give --model NAME, or --model '*'"
        )


def current(known: Iterable[Certificate], role: str, name: str, now: Seconds) -> Certificate | None:
    """Return the newest certificate of `name` that counts."""
    found = [one for one in known if (one.role, one.name) == (role, name) and one.counts(now)]
    return max(found, key=lambda one: one.begins, default=None)


def taken(known: Iterable[Certificate], role: str, name: str, now: Seconds) -> Certificate | None:
    """Return whose `name` is, for who joins as `role`: a client takes no administrator's; one word revokes both."""
    known = tuple(known)
    held = current(known, Role.ADMIN.value, name, now) if role == Role.CLIENT.value else None
    return held or current(known, role, name, now)


def shut_out(known: Iterable[Certificate], now: Seconds) -> tuple[DeviceId, ...]:
    """Return the devices of whose certificates none counts, and one that has not expired was revoked."""
    mine = [one for one in known if one.role == Role.AGENT.value and now < one.expires]
    counting = {one.name for one in mine if one.counts(now)}
    return tuple(DeviceId(name) for name in sorted({one.name for one in mine if one.revoked} - counting))


def check_free(held: Certificate | None, key: str, machine: str) -> None:
    """Raise AlreadyExists where a name is another's: neither its key nor its machine joins under it."""
    if held is None or held.key == key or (machine and held.machine == machine):
        return
    raise AlreadyExists(
        f"{held.role} {held.name!r} is known already, with another key on another machine",
        f"choose another --name; or, if it is gone for good: lepton-edge {_REMOVE.get(held.role, 'client key revoke')} "
        f"{held.name}",
    )


def in_use(name: str, seen: tuple[str, Seconds] | None) -> AlreadyExists:
    """Return what somebody hears who would take the name of an agent that is attached: one is a mistake."""
    return AlreadyExists(
        f"another agent called {name!r} is connected{_seen(seen)}",
        "join under another name (--name); or end that one, whose certificate is then revoked: --replace",
    )


def replaced(name: str, seen: tuple[str, Seconds] | None = None) -> str:
    """Return whose place was taken: that of an agent which was attached as `seen` tells, or of an earlier join."""
    if seen is None:
        return f"the certificate of an earlier join as {name!r} on this machine is revoked"
    return f"the certificate of the agent {name!r} that was connected{_seen(seen)} is revoked"


def _seen(seen: tuple[str, Seconds] | None) -> str:
    if seen is None:
        return ""
    return f" from {seen[0]} since {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(seen[1]))}"


_REMOVE = {Role.AGENT.value: "device revoke"}


def check_often(known: Iterable[Certificate], who: Identity, now: Seconds, life: Seconds) -> None:
    """Raise Overloaded where `who` had so many certificates that others would be left without."""
    own = [
        one.begins
        for one in known
        if (one.role, one.name) == (who.role.value, who.name) and now < one.expires
    ]
    pause = min(life, MONTH) / MAX_OF_NAME
    if len(own) >= MAX_OF_NAME and 0 <= now - (max(own) + EARLY) < pause:
        late = Overloaded(
            f"{who.role.value} {who.name!r} was given {len(own)} certificates that have not expired",
            f"the one that it has counts on; another can be had {pause:.0f} s after the last",
        )
        late.retry_after = pause
        raise late


def check_machine(held: Certificate | None, machine: str) -> None:
    """Raise PermissionDenied where a certificate is shown on another machine than it was given to."""
    if held is None or not held.machine or not machine or held.machine == machine:
        return
    raise PermissionDenied(
        f"the certificate of {held.role} {held.name!r} was given to another machine: its storage was copied",
        f"join under a name of its own; if {held.name!r} moved to new hardware: lepton-edge device revoke {held.name}, "
        "then join anew",
    )
