"""Keys, signing requests and certificates: made and read. All are PEM outside of this room.

Law: no decision who gets a certificate (that is the coordinator's) and no authority's key (`authority.py`). Keys are
EC P-256: small, quick on a board, and known to every TLS library.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lepton_edge.core.errors import InvalidInput, Unauthenticated
from lepton_edge.core.identity import SCHEME, Identity, Role
from lepton_edge.core.joining import renew_at
from partitioner.units import Seconds

LONGEST_REQUEST = 8192  # bytes of a signing request
CURVES = ("secp256r1", "secp384r1")
_UNREADABLE = (
    *(ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion),
    *(x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
"""What comes of bytes that only look like a certificate or a request."""


@dataclass(frozen=True)
class Facts:
    """What a certificate says; `begins` and `ends` are seconds since 1970, `key` is the SHA-256 of its public key."""

    identity: Identity
    begins: Seconds
    ends: Seconds
    key: str

    def renew_at(self) -> Seconds:
        """Return when it is to be renewed: at two thirds of its life."""
        return renew_at(self.begins, self.ends)


def new_key() -> bytes:
    """Return a new private key, PEM without a password: its file's mode keeps it."""
    return private_pem(ec.generate_private_key(ec.SECP256R1()))


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the private key in `pem`.

    Raises:
        InvalidInput: there is none; the message shows nothing of it.
    """
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidInput("the private key cannot be read", "restore the file, or join again") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InvalidInput("the private key is of another kind", "join again: keys are EC P-256")
    return key


def request(key: bytes, name: str) -> bytes:
    """Return a signing request for the private `key`, PEM; the authority takes nothing but the public key from it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(read_key(key), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def requested_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """Return the public key that a signing request is for, whose private key signed it.

    Raises:
        InvalidInput: it is no request, too long, of another kind of key, or signed by another.
    """
    if len(pem) > LONGEST_REQUEST:
        raise InvalidInput(
            f"a signing request of {len(pem)} bytes", f"{LONGEST_REQUEST} are as many as are read"
        )
    try:
        asked = x509.load_pem_x509_csr(pem)
        key = asked.public_key()
    except _UNREADABLE:
        raise InvalidInput(
            "the signing request cannot be read", "is this an agent of the same release?"
        ) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise InvalidInput("the signing request is for a kind of key that is not taken", "use EC P-256")
    if not _is_signed(asked):  # only now: with other kinds of keys that takes a hundred times as long
        raise InvalidInput("the signing request is not signed by its own key", "make another")
    return key


def _is_signed(asked: x509.CertificateSigningRequest) -> bool:
    try:
        return asked.is_signature_valid
    except (*_UNREADABLE, InvalidSignature):
        return False


def key_hash(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SHA-256 of a public key, hexadecimal."""
    return hashlib.sha256(
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def fingerprint(pem: bytes) -> str:
    """Return the SHA-256 of the first certificate in `pem`, hexadecimal: what a token names an authority by."""
    return _certificate(pem).fingerprint(hashes.SHA256()).hex()


def pinned(pem: bytes, sha256: str) -> bytes:
    """Return that one certificate in `pem` which has this hash, and nothing of what else is there.

    Raises:
        Unauthenticated: none has.
    """
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        found = []
    for one in found:
        if hmac.compare_digest(one.fingerprint(hashes.SHA256()).hex(), sha256):
            return one.public_bytes(serialization.Encoding.PEM)
    raise Unauthenticated(
        "that is not the coordinator which the token is of: its authority has another hash; nothing was sent",
        "check the address; if it is right, somebody is in between, or the coordinator has a new state",
    )


def read(pem: bytes) -> Facts:
    """Return what the first certificate in `pem` says. It is not checked who signed it.

    Raises:
        InvalidInput: it is none, or not of ours.
    """
    found = _certificate(pem)
    try:
        key = found.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise InvalidInput("the certificate is for another kind of key", "join again")
        return Facts(_identity(found), *_life(found), key_hash(key))
    except _UNREADABLE:  # whoever made it: strangers show some, too
        raise InvalidInput("the certificate cannot be read", "restore the file, or join again") from None


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except _UNREADABLE:
        raise InvalidInput("the certificate cannot be read", "restore the file, or join again") from None


def _life(found: x509.Certificate) -> tuple[Seconds, Seconds]:
    utc = datetime.timezone.utc
    begins, ends = (
        getattr(found, f"{name}_utc", None)
        or getattr(found, name).replace(tzinfo=utc)  # before cryptography 42
        for name in ("not_valid_before", "not_valid_after")
    )
    return Seconds(begins.timestamp()), Seconds(ends.timestamp())


def _identity(found: x509.Certificate) -> Identity:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise InvalidInput("the certificate names nobody", "join again") from None
    role, name, models = "", "", []
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        scheme, _, rest = uri.partition(":")
        kind, _, what = rest.partition(":")
        if scheme != SCHEME:
            continue
        if kind == "model":
            models.append(what)
        else:
            role, name = kind, what
    try:
        return Identity(Role(role), name, tuple(models), found.serial_number)
    except ValueError:
        raise InvalidInput(
            f"the certificate is for an unknown role {role!r}", "install the same release"
        ) from None
