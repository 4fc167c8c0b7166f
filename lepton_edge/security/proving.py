"""That a signing request comes from who holds the key of a certificate, where TLS cannot say so: it has ended.

Law: signs and checks under a domain of its own, so that no other signature of that key is taken for it. What was
proven may be repeated by whoever heard it: it asks for a certificate of the same new key, which is its owner's alone.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from lepton_edge.security.certificates import LONGEST_REQUEST, read_key

DOMAIN = b"lepton-edge renew 1\0"
LONGEST = 8192  # bytes of a certificate that are looked at


def prove(key: bytes, request: bytes) -> bytes:
    """Return what the private `key` (PEM) signs of a signing request; raise InvalidInput where it is none."""
    return read_key(key).sign(DOMAIN + request, ec.ECDSA(hashes.SHA256()))


def is_proven(certificate: bytes, request: bytes, proof: bytes) -> bool:
    """Say whether the key of `certificate` (PEM) signed this request. It is not looked at who signed the former."""
    if len(certificate) > LONGEST or len(request) > LONGEST_REQUEST:
        return False
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(proof, DOMAIN + request, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True
