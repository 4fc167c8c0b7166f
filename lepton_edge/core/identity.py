"""Who somebody is, as a certificate of the coordinator's own authority says it.

Law: nouns without I/O and without cryptography. `wire/` reads them off a verified connection, `security/` writes them
into certificates; everybody else only asks what an identity may do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from lepton_edge.core.errors import InvalidInput

ANY_MODEL = "*"
SCHEME = "lepton-edge"
"""Of the URIs in a certificate: `lepton-edge:ROLE:NAME`, and `lepton-edge:model:NAME` for each model of a client."""
NODE_HOST = "node.lepton-edge"
"""The DNS name in the certificate of whoever may be dialled: addresses change, this does not."""
COORDINATOR_HOST = "coordinator.lepton-edge"
"""The DNS name in the coordinator's certificate alone: an agent's cannot command others."""


class Role(str, Enum):
    """What a certificate is for."""

    COORDINATOR = "coordinator"
    AGENT = "agent"
    CLIENT = "client"
    ADMIN = "admin"


@dataclass(frozen=True)
class Identity:
    """One party, as its verified certificate names it.

    Attributes:
        role: what it may be.
        name: the device id of an agent, the key's name of a client or an administrator.
        models: what a client may infer on; `ANY_MODEL` stands for all. Empty for the others.
        serial: of its certificate, by which that can be revoked.
    """

    role: Role
    name: str
    models: tuple[str, ...] = ()
    serial: int = 0

    def may_infer(self, model: str) -> bool:
        """Say whether this party may ask for answers of `model`; an agent does its part of plans, and asks nothing."""
        return self.may_administer() or ANY_MODEL in self.models or model in self.models

    def may_administer(self) -> bool:
        """Say whether this party may change what runs."""
        return self.role in (Role.ADMIN, Role.COORDINATOR)


@dataclass(frozen=True)
class Credentials:
    """What a process proves who it is with, and whom it believes; each in PEM.

    Attributes:
        authority: the certificates of the authorities that are believed, newest first.
        certificate: its own, by one of them.
        key: the private key to it; never shown, never sent.
    """

    authority: bytes
    certificate: bytes
    key: bytes = field(repr=False)

    def pem(self) -> bytes:
        """Return all three as one file: the own certificate, the authorities, the private key."""
        return b"".join(part.strip() + b"\n" for part in (self.certificate, self.authority, self.key) if part)


_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----\n?", re.DOTALL)


def credentials_of(pem: bytes) -> Credentials:
    """Return what one file holds: its first certificate is the owner's, the others are authorities.

    Raises:
        InvalidInput: it is no such file. The message never shows what is in it.
    """
    blocks = [(found.group(1), found.group(0)) for found in _BLOCK.finditer(pem)]
    certificates = [text for kind, text in blocks if kind == b"CERTIFICATE"]
    keys = [text for kind, text in blocks if kind.endswith(b"PRIVATE KEY")]
    if len(certificates) < 2 or len(keys) != 1:
        raise InvalidInput(
            "a key file holds a certificate, that of its authority, and one private key",
            "make one with `lepton-edge client key create`",
        )
    return Credentials(b"".join(certificates[1:]), certificates[0], keys[0])
