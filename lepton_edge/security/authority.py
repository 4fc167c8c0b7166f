"""The coordinator's own certificate authority: made once, then it signs keys for as long as its state lives.

Law: signs what it is told to; who gets a certificate is decided above. Of a signing request it takes the public key
and nothing else. Certificates begin a day early, since boards have no clock before they have a network.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lepton_edge.core.identity import COORDINATOR_HOST, NODE_HOST, SCHEME, Credentials, Identity, Role
from lepton_edge.core.joining import EARLY
from lepton_edge.security import certificates
from partitioner.units import Seconds

DAY = Seconds(86400.0)
LIFE = Seconds(3650 * DAY)
LEAF_LIFE = Seconds(180 * DAY)
"""Renewed when a third is left: a board that is offline for less than two months serves all that time."""
LONGEST_LEAF = Seconds(825 * DAY)
_DIALLED = (Role.COORDINATOR, Role.AGENT)


@dataclass(frozen=True)
class Issued:
    """A certificate that was signed, PEM, and what it says."""

    certificate: bytes
    facts: certificates.Facts


class Authority:
    """One authority: its certificate and its key. `pem` holds both, and is a secret."""

    def __init__(self, pem: bytes) -> None:
        self.pem = pem
        self._key = certificates.read_key(pem)
        self._certificate = x509.load_pem_x509_certificate(pem)
        self.certificate = self._certificate.public_bytes(serialization.Encoding.PEM)
        self.fingerprint = certificates.fingerprint(self.certificate)

    @classmethod
    def make(cls, now: Seconds) -> Authority:
        """Return a new authority, valid for ten years from `now` (seconds since 1970)."""
        key = ec.generate_private_key(ec.SECP256R1())
        serial = x509.random_serial_number()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lepton-edge authority {serial:x}"[:48])])
        builder = _dated(x509.CertificateBuilder(), now, LIFE).subject_name(name).issuer_name(name)
        usage = _usage(signs_certificates=True)
        signed = (
            builder.public_key(key.public_key())
            .serial_number(serial)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(signed.public_bytes(serialization.Encoding.PEM) + certificates.private_pem(key))

    def issue(
        self, who: Identity, key: ec.EllipticCurvePublicKey, now: Seconds, life: Seconds = LEAF_LIFE
    ) -> Issued:
        """Return a certificate of `life` seconds from `now` that says that the owner of `key` is `who`.

        The serial in `who` is not looked at: a new one is drawn.
        """
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who.name[:64])])
        life = min(life, LONGEST_LEAF)
        signed = (
            _dated(x509.CertificateBuilder(), now, life)
            .subject_name(subject)
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_purposes(who.role)), critical=False)
            .add_extension(x509.SubjectAlternativeName(_names(who)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        pem = signed.public_bytes(serialization.Encoding.PEM)
        return Issued(pem, certificates.read(pem))

    def credentials(
        self, who: Identity, now: Seconds, life: Seconds = LEAF_LIFE
    ) -> tuple[Credentials, Issued]:
        """Return credentials for a new key of this process's own, and the certificate in them."""
        key = certificates.new_key()
        issued = self.issue(who, certificates.read_key(key).public_key(), now, life)
        return Credentials(self.certificate, issued.certificate, key), issued


def _dated(builder: x509.CertificateBuilder, now: Seconds, life: Seconds) -> x509.CertificateBuilder:
    begins = datetime.datetime.fromtimestamp(max(now - EARLY, 0.0), datetime.timezone.utc)
    ends = datetime.datetime.fromtimestamp(now + life, datetime.timezone.utc)
    return builder.not_valid_before(begins).not_valid_after(ends)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _purposes(role: Role) -> list[x509.ObjectIdentifier]:
    dials = [ExtendedKeyUsageOID.CLIENT_AUTH]
    return [ExtendedKeyUsageOID.SERVER_AUTH, *dials] if role in _DIALLED else dials


def _names(who: Identity) -> list[x509.GeneralName]:
    named: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"{SCHEME}:{who.role.value}:{who.name}"),
        *(x509.UniformResourceIdentifier(f"{SCHEME}:model:{model}") for model in who.models),
    ]
    if who.role in _DIALLED:
        named.append(x509.DNSName(NODE_HOST))
    if who.role is Role.COORDINATOR:
        named.append(x509.DNSName(COORDINATOR_HOST))
    return named
