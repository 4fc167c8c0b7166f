"""An authority and its certificates for tests, made here so that `wire` is tested without `security`."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lepton_edge.core.identity import COORDINATOR_HOST, NODE_HOST, SCHEME, Credentials, Role
from lepton_edge.wire.tls import Trust

DAY = datetime.timedelta(days=1)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class Authority:
    """A certificate authority."""

    name: str = "authority"
    key: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    @functools.cached_property
    def certificate(self) -> x509.Certificate:
        """Its own certificate."""
        made = self._begun(_name(self.name), self.key.public_key(), 3650 * DAY)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return made.sign(self.key, hashes.SHA256())

    def _begun(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, life: datetime.timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name(self.name))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + life)
        )

    def credentials(
        self, role: Role, name: str, models: Iterable[str] = (), life: datetime.timedelta = DAY
    ) -> Credentials:
        """Return credentials of its own making."""
        key = _key()
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"{SCHEME}:{role.value}:{name}")]
        names += [x509.UniformResourceIdentifier(f"{SCHEME}:model:{model}") for model in models]
        if role in (Role.AGENT, Role.COORDINATOR):
            names.append(x509.DNSName(NODE_HOST))
        if role is Role.COORDINATOR:
            names.append(x509.DNSName(COORDINATOR_HOST))
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        made = self._begun(_name(name), key.public_key(), life)
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = made.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        certificate = made.sign(self.key, hashes.SHA256())
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Credentials(_pem(self.certificate), _pem(certificate), secret)

    def trust(self, role: Role, name: str, models: Iterable[str] = ()) -> Trust:
        """Return the trust of a process with such credentials."""
        return Trust(self.credentials(role, name, models))

    def stranger(self) -> Trust:
        """Return the trust of somebody who believes this authority and has no certificate."""
        return Trust(Credentials(_pem(self.certificate), b"", b""))


@functools.cache
def authority() -> Authority:
    """Return the authority that most tests share."""
    return Authority()
