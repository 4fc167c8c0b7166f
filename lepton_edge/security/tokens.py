"""Tokens to join with: what they look like, and whether one counts. Pure.

Law: nouns and functions without I/O, clock or randomness but `secrets` for new ones. The text of a token,
`LE1.AUTHORITY.ID.SECRET`, names the authority by the SHA-256 of its certificate, so that who joins knows whom to trust
before the secret is said. Of the secret (256 random bits: nothing to guess, so a plain hash is enough) only its
SHA-256 is kept. A token counts for `uses` places, each a key under a name; who has one may ask again, since its answer
may be lost.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from lepton_edge.core.errors import InvalidInput, Unauthenticated
from lepton_edge.core.identity import Role
from partitioner.units import ModelName, Seconds

VERSION = "LE1"
ID_BYTES, SECRET_BYTES = 6, 32
MOST_USES = 1000
LONGEST = Seconds(30 * 86400.0)
EARLY = Seconds(300.0)
"""A token from a later time than now is no good: somebody set the clock back. But for so much, which clocks wander."""

_SHAPE = re.compile(r"LE1\.([0-9a-f]{64})\.([0-9a-f]{12})\.([A-Za-z0-9_-]{43})")
WHOLE = len(VERSION) + 1 + 64 + 1 + 2 * ID_BYTES + 1 + 43  # characters of a token
ANOTHER = "make another where the coordinator runs: lepton-edge token create"


@dataclass(frozen=True)
class Token:
    """A token as a person pastes it: the authority's SHA-256 (hexadecimal), its id, and the secret."""

    authority: str
    id: str
    secret: str = field(repr=False)

    def text(self) -> str:
        """Return what is pasted."""
        return f"{VERSION}.{self.authority}.{self.id}.{self.secret}"


@dataclass(frozen=True)
class TokenRecord:
    """A token as the coordinator keeps it; times are seconds since 1970.

    Attributes:
        id: names it; digest: SHA-256 of the secret, hexadecimal.
        role: of who joins with it; models: what a client then may infer on.
        created, expires: between them it counts.
        uses: how many places it may give; keys: SHA-256 of those that it has given.
        revoked: it counts no more.
    """

    id: str
    digest: str
    role: str
    created: Seconds
    expires: Seconds
    uses: int
    models: tuple[ModelName, ...] = ()
    keys: tuple[str, ...] = ()
    revoked: bool = False

    @property
    def left(self) -> int:
        """How many places more it may give."""
        return 0 if self.revoked else max(0, self.uses - len(self.keys))

    def over(self, now: Seconds) -> bool:
        """Say whether it can never count again, whatever is shown."""
        return self.revoked or now >= self.expires


def create(
    authority: str,
    now: Seconds,
    ttl: Seconds,
    uses: int,
    role: Role = Role.AGENT,
    *,
    models: tuple[ModelName, ...] = (),
) -> tuple[Token, TokenRecord]:
    """Return a new token and what is kept of it.

    Raises:
        InvalidInput: no time, no uses, or more than may be.
    """
    if not 0 < ttl <= LONGEST or not 0 < uses <= MOST_USES:
        raise InvalidInput(
            f"a token for {uses} uses within {ttl:.0f} s cannot be",
            f"give 1 to {MOST_USES} uses, and at most {LONGEST / 86400:.0f} days",
        )
    token = Token(authority, secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES))
    expires = Seconds(now + ttl)
    return token, TokenRecord(token.id, digest(token.secret), role.value, now, expires, uses, models)


def parse(text: str) -> Token:
    """Return the token that was pasted.

    Raises:
        InvalidInput: it is none; the message does not show it.
    """
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        length = len(text.strip())
        what = "cut off" if length < WHOLE else "longer than one" if length > WHOLE else "damaged"
        raise InvalidInput(
            f"that is no token: it is {what} ({length} characters; a whole one has {WHOLE}: "
            f"{VERSION}.<64 digits>.<12 digits>.<43 letters>)",
            "paste all of it, and nothing else; or put it into a file: --token-file FILE",
        )
    return Token(*found.groups())


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def use(record: TokenRecord | None, secret: str, key: str, now: Seconds) -> TokenRecord:
    """Return the record after `key` (the SHA-256 of a place: a public key under a name) was let in by it.

    Raises:
        Unauthenticated: it lets nobody in. Who does not have the secret learns nothing about the token.
    """
    record = proven(record, secret)
    _refuse_old(record, now)
    if key in record.keys:
        return record
    if record.left <= 0:
        raise Unauthenticated(
            f"token {record.id} was used {record.uses} times, which is as often as it may be", ANOTHER
        )
    return dataclasses.replace(record, keys=(*record.keys, key))


def shows(record: TokenRecord | None, secret: str) -> bool:
    """Say whether `secret` is that of the token; it takes as long either way."""
    expected = record.digest if record is not None else digest("")
    return hmac.compare_digest(expected, digest(secret)) and record is not None


def proven(record: TokenRecord | None, secret: str) -> TokenRecord:
    """Return the record where `secret` is its own; raise Unauthenticated, which tells nothing about it."""
    if not shows(record, secret) or record is None:
        raise Unauthenticated("no such token is valid here", ANOTHER)
    return record


def _refuse_old(record: TokenRecord, now: Seconds) -> None:
    if record.revoked:
        raise Unauthenticated(f"token {record.id} was revoked", ANOTHER)
    if now >= record.expires:
        raise Unauthenticated(f"token {record.id} has expired", ANOTHER)
    if now < record.created - EARLY:
        raise Unauthenticated(
            f"token {record.id} was made at a later time than it is now",
            "the coordinator's clock was set back: put it right, or make another token",
        )


def revoked(record: TokenRecord) -> TokenRecord:
    """Return the record of a token that counts no more."""
    return dataclasses.replace(record, revoked=True)
