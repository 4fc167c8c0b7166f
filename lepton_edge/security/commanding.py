"""That a coordinator with this very authority began a term: shown by the name of its start, which agents hand on.

Law: text in, text out. A copy of a state has its authority's key as well, so that copies believe each other; who holds
a device's certificate has not, and cannot make up a term that ends another's.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from lepton_edge.core.messages import Leader

DOMAIN = b"lepton-edge term 1\0"
_RANDOM, _PROOF = 16, 32  # digits


def incarnation(authority: bytes, identity: str, term: int) -> str:
    """Return a new name for a start of the coordinator with the private key in `authority` (PEM)."""
    random = secrets.token_hex(_RANDOM // 2)
    return random + _proof(authority, identity, term, random)


def is_proven(authority: bytes, leader: Leader) -> bool:
    """Say whether a coordinator with this authority began the term that `leader` tells of."""
    random, proof = leader.incarnation[:_RANDOM], leader.incarnation[_RANDOM:]
    told = _proof(authority, leader.identity, leader.term, random)
    return hmac.compare_digest(told.encode(), proof.encode())


def _proof(authority: bytes, identity: str, term: int, random: str) -> str:
    key = hashlib.sha256(DOMAIN + authority).digest()
    return hmac.new(key, f"{identity} {term} {random}".encode(), hashlib.sha256).hexdigest()[:_PROOF]
