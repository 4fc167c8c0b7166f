"""What a person asks of a coordinator about who may take part: tokens, devices that wait, keys of clients.

Law: frozen nouns without I/O, each with a message of the same name and field names in
`protos/lepton_edge/wire/v1/admin.proto`. Documents that answer them never hold a secret but that of a new token.
"""

from __future__ import annotations

from dataclasses import dataclass

from partitioner.units import DeviceId, ModelName, Seconds


@dataclass(frozen=True)
class CreateToken:
    """Make a token to join with: for `uses` joins within `ttl` seconds; 0 for the coordinator's own choice."""

    ttl: Seconds = Seconds(0.0)
    uses: int = 0
    role: str = "agent"
    models: tuple[ModelName, ...] = ()


@dataclass(frozen=True)
class ListTokens:
    """Ask for the tokens that may still be used."""


@dataclass(frozen=True)
class RevokeToken:
    """Let nobody join with a token any more; who has joined stays."""

    token: str


@dataclass(frozen=True)
class ListJoining:
    """Ask for the devices that wait to be approved."""


@dataclass(frozen=True)
class ApproveDevice:
    """Give a device that waits its certificate; or, with `refuse`, none.

    `fingerprint` is how its key begins (hexadecimal): needed where several keys wait by one name.
    """

    device: DeviceId
    refuse: bool = False
    fingerprint: str = ""


@dataclass(frozen=True)
class RevokeDevice:
    """Believe the certificates of a device no more, anywhere; what runs there is lost."""

    device: DeviceId


@dataclass(frozen=True)
class CreateKey:
    """Make a client's certificate for the key behind `request` (a signing request, PEM), for `ttl` seconds.

    `role` is "client", which may infer on `models` ("*": all), or "admin".
    """

    name: str
    request: bytes
    role: str = "client"
    models: tuple[ModelName, ...] = ()
    ttl: Seconds = Seconds(0.0)


@dataclass(frozen=True)
class ListKeys:
    """Ask for the certificates that are believed: devices', clients' and administrators'."""


@dataclass(frozen=True)
class RevokeKey:
    """Believe the certificates of a client or an administrator no more, anywhere."""

    name: str


KeyCall = (
    CreateToken
    | ListTokens
    | RevokeToken
    | ListJoining
    | ApproveDevice
    | RevokeDevice
    | CreateKey
    | ListKeys
    | RevokeKey
)
