"""A proof that a request is of who holds a certificate's key: of that key, that request, and nothing else."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from lepton_edge.core.errors import InvalidInput
from lepton_edge.core.identity import Identity, Role
from lepton_edge.security import certificates, proving
from lepton_edge.security.authority import Authority
from partitioner.units import Seconds

REQUEST = b"-----BEGIN CERTIFICATE REQUEST-----"


def test_what_a_key_proves_is_of_that_key_and_that_request() -> None:
    held, _ = Authority.make(Seconds(time.time())).credentials(
        Identity(Role.AGENT, "pi"), Seconds(time.time())
    )
    proof = proving.prove(held.key, REQUEST)
    assert proving.is_proven(held.certificate, REQUEST, proof)
    assert not proving.is_proven(held.certificate, REQUEST + b" ", proof)
    assert not proving.is_proven(held.certificate, REQUEST, proving.prove(certificates.new_key(), REQUEST))
    bare = certificates.read_key(held.key).sign(REQUEST, ec.ECDSA(hashes.SHA256()))
    assert not proving.is_proven(held.certificate, REQUEST, bare), "it counts under its own domain only"


@pytest.mark.parametrize("certificate", [b"", b"nonsense", b"x" * 100_000])
def test_what_is_no_certificate_proves_nothing(certificate: bytes) -> None:
    assert not proving.is_proven(certificate, REQUEST, b"proof")


def test_who_has_no_key_proves_nothing() -> None:
    with pytest.raises(InvalidInput):
        proving.prove(b"nonsense", REQUEST)
