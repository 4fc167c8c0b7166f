"""Certificates say who somebody is, by nobody's word but the coordinator's."""

from __future__ import annotations

import contextlib
import ssl
import time
from pathlib import Path

import pytest

from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.identity import COORDINATOR_HOST, NODE_HOST, Identity, Role
from lepton_edge.security import certificates
from lepton_edge.security.authority import Authority

NOW = time.time()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make(NOW)  # type: ignore[arg-type]


def test_a_certificate_says_what_it_was_issued_for_and_begins_a_day_early(authority: Authority) -> None:
    who = Identity(Role.CLIENT, "app", ("net", "ne t"[:2]))
    key = certificates.read_key(certificates.new_key()).public_key()
    issued = authority.issue(who, key, NOW, 3600)  # type: ignore[arg-type]
    facts = certificates.read(issued.certificate)
    assert (facts.identity.role, facts.identity.name, facts.identity.models) == (
        who.role,
        who.name,
        who.models,
    )
    assert facts.identity.serial > 0
    assert facts.key == certificates.key_hash(key)
    assert NOW - 86402 < facts.begins <= NOW - 86399
    assert NOW + 3598 < facts.ends <= NOW + 3600
    assert facts.begins < facts.renew_at() < facts.ends


def test_an_authority_that_is_read_back_is_the_same(authority: Authority) -> None:
    again = Authority(authority.pem)
    assert again.fingerprint == authority.fingerprint
    assert b"PRIVATE" not in again.certificate


@pytest.mark.parametrize(
    ("role", "host", "fine"),
    [
        (Role.COORDINATOR, COORDINATOR_HOST, True),
        (Role.AGENT, NODE_HOST, True),
        (Role.AGENT, COORDINATOR_HOST, False),
        (Role.CLIENT, NODE_HOST, False),
        (Role.ADMIN, COORDINATOR_HOST, False),
    ],
)
def test_who_may_be_dialled_as_what(
    authority: Authority, tmp_path: Path, role: Role, host: str, fine: bool
) -> None:
    credentials, _ = authority.credentials(Identity(role, "x"), NOW)  # type: ignore[arg-type]
    path = tmp_path / "x.pem"
    path.write_bytes(credentials.pem())
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(path)
    client.load_verify_locations(cadata=credentials.authority.decode())
    if fine:
        _shake_hands(server, client, host)
    else:
        with pytest.raises(ssl.SSLCertVerificationError):
            _shake_hands(server, client, host)


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(6):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()


def test_a_request_gives_its_public_key_and_no_more() -> None:
    key = certificates.new_key()
    asked = certificates.request(key, "admin")
    assert b"PRIVATE" not in asked
    found = certificates.requested_key(asked)
    assert certificates.key_hash(found) == certificates.key_hash(certificates.read_key(key).public_key())


@pytest.mark.parametrize(
    "text",
    [b"", b"nonsense", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"],
)
def test_what_is_no_request_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        certificates.requested_key(text)


def test_a_request_that_is_too_long_is_not_read() -> None:
    with pytest.raises(InvalidInput, match="bytes"):
        certificates.requested_key(b"x" * 100_000)


def test_another_kind_of_key_is_refused() -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    with pytest.raises(InvalidInput, match="kind of key"):
        certificates.requested_key(asked.public_bytes(serialization.Encoding.PEM))


def test_a_key_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(InvalidInput) as told:
        certificates.read_key(b"-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n")
    assert "hunter2" not in str(told.value)
