"""Nobody but the authority signs, and nothing that it signed for another purpose counts."""

from __future__ import annotations

import dataclasses

import pytest

from lepton_edge.core.errors import BadSignature
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.seals import Seal
from lepton_edge.security import seals
from lepton_edge.security.authority import Authority
from lepton_edge.security.certificates import read_key

AUTHORITY, OTHER = Authority.make(1.7e9), Authority.make(1.7e9)  # type: ignore[arg-type]
SEAL = seals.sealed(AUTHORITY.pem, b"run this")


def test_what_the_authority_signed_counts_among_others_too() -> None:
    seals.check(AUTHORITY.certificate, SEAL)
    seals.check(OTHER.certificate + AUTHORITY.certificate, SEAL)


@pytest.mark.parametrize(
    "seal",
    [
        dataclasses.replace(SEAL, statement=b"run that"),
        dataclasses.replace(SEAL, signature=SEAL.signature[:-1] + bytes([SEAL.signature[-1] ^ 1])),
        Seal(SEAL.statement, b""),
        seals.sealed(OTHER.pem, b"run this"),
    ],
    ids=["another statement", "a changed signature", "no signature", "another authority"],
)
def test_what_it_did_not_sign_does_not(seal: Seal) -> None:
    with pytest.raises(BadSignature):
        seals.check(AUTHORITY.certificate, seal)


@pytest.mark.parametrize("role", [Role.AGENT, Role.ADMIN, Role.COORDINATOR])
def test_no_certificate_of_its_signs_in_its_place(role: Role) -> None:
    credentials, _ = AUTHORITY.credentials(Identity(role, "pi"), 1.7e9)  # type: ignore[arg-type]
    with pytest.raises(BadSignature):
        seals.check(AUTHORITY.certificate, seals.sealed(credentials.key, b"run this"))


def test_a_signature_of_another_kind_is_not_taken_for_one() -> None:
    bare = read_key(AUTHORITY.pem).sign(b"run this", seals._HASH)
    with pytest.raises(BadSignature):
        seals.check(AUTHORITY.certificate, Seal(b"run this", bare))
