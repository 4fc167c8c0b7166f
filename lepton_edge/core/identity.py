"""Who somebody is, as a certificate of the coordinator's own authority says it.

Law: nouns without I/O and without cryptography. `wire/` reads them off a verified connection, `security/` writes them
into certificates; everybody else only asks what an identity may do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

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
        """Say whether this party may ask for answers of `model`."""
        return self.role is not Role.CLIENT or ANY_MODEL in self.models or model in self.models

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
