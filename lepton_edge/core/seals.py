"""A command that names what is to be run, signed by the coordinator's authority.

Law: a frozen noun without I/O, with a message of the same name in `protos/lepton_edge/wire/v1/control.proto`.
`lepton_edge/security/seals.py` makes and checks the signature.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Seal:
    """A signature over bytes.

    Attributes:
        statement: the command as a protobuf message without its seal: the bytes that were signed, never encoded anew.
        signature: of the authority over them, DER.
    """

    statement: bytes
    signature: bytes
