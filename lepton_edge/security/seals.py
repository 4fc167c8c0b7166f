"""Signatures of the authority over what devices are to run.

Law: bytes in, bytes out. What is signed begins with `DOMAIN`, which no certificate begins with, so that one kind of
signature is never taken for the other. It is the authority that signs, whose certificate every device has since it
joined: no other certificate can, and a device that was without a network for months still knows it.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from lepton_edge.core.errors import BadSignature
from lepton_edge.core.seals import Seal
from lepton_edge.security.certificates import read_key

DOMAIN = b"lepton-edge command 1\0"
_HASH = ec.ECDSA(hashes.SHA256())


def sealed(authority: bytes, statement: bytes) -> Seal:
    """Return `statement` signed by the private key in `authority` (PEM)."""
    return Seal(statement, read_key(authority).sign(DOMAIN + statement, _HASH))


def check(authorities: bytes, seal: Seal) -> None:
    """Raise BadSignature unless one of `authorities` (certificates, PEM) signed what `seal` says."""
    for one in x509.load_pem_x509_certificates(authorities):
        key = one.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey) and _signed(key, seal):
            return
    raise BadSignature(
        "what is to be run is not signed by the authority that this device joined",
        "it was changed on its way or on the disk, or comes from another coordinator: nothing of it is run",
    )


def _signed(key: ec.EllipticCurvePublicKey, seal: Seal) -> bool:
    try:
        key.verify(seal.signature, DOMAIN + seal.statement, _HASH)
    except InvalidSignature:
        return False
    return True
