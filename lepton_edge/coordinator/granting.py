"""What a person asks about tokens, devices that wait, and keys: documents that answer it.

Law: asks the gate and writes down the answer; no secret is in a document but that of a token just made.
"""

from __future__ import annotations

import typing
from typing import Any

from lepton_edge.coordinator.gate import Gate
from lepton_edge.coordinator.members import Certificate
from lepton_edge.core.errors import InvalidInput, NotFound, RequestError
from lepton_edge.core.identity import Identity, Role
from lepton_edge.core.joining import fingerprint
from lepton_edge.core.keys import (
    ApproveDevice,
    CreateKey,
    CreateToken,
    KeyCall,
    ListJoining,
    ListKeys,
    ListTokens,
    RevokeDevice,
    RevokeKey,
    RevokeToken,
)
from lepton_edge.security.tokens import TokenRecord
from partitioner.units import Seconds

TOKEN, TOKENS, JOINING = "lepton-edge/token/1", "lepton-edge/tokens/1", "lepton-edge/joining/1"
KEY, KEYS = "lepton-edge/key/1", "lepton-edge/keys/1"
KEY_CALLS: tuple[type, ...] = typing.get_args(KeyCall)
TTL, USES = Seconds(86400.0), 1
KEY_LIFE = Seconds(365 * 86400.0)

Json = dict[str, Any]


async def answer(gate: Gate | None, call: KeyCall, who: Identity | None) -> Json:
    """Do what `call` asks and return the document that answers it; raise NotFound, InvalidInput, AlreadyExists."""
    if gate is None:
        raise RequestError(
            "this coordinator runs without TLS: nobody needs a key", "start it without --insecure"
        )
    if isinstance(call, CreateToken):
        token = await gate.make_token(
            call.ttl or TTL,
            call.uses or USES,
            _role(call.role, {Role.AGENT, Role.CLIENT, Role.ADMIN}),
            call.models,
        )
        return {"schema": TOKEN, **_token(gate.tokens[token.id]), "text": token.text()}
    if isinstance(call, RevokeToken):
        return {"schema": TOKEN, **_token(await gate.revoke_token(call.token))}
    if isinstance(call, ApproveDevice):
        waits = await gate.decide(call.device, refuse=call.refuse, digits=call.fingerprint)
        told = {"device": waits.name, "approved": waits.approved, "refused": call.refuse}
        return {"schema": JOINING, **told, "fingerprint": fingerprint(waits.key)}
    if isinstance(call, CreateKey):
        return await _create(gate, call, who)
    if isinstance(call, RevokeDevice):
        return await _revoke(gate, Role.AGENT, call.device)
    if isinstance(call, RevokeKey):
        return await _revoke(gate, Role.CLIENT, call.name)
    return _listed(gate, call)


def _listed(gate: Gate, call: ListTokens | ListJoining | ListKeys) -> Json:
    now = gate.now()
    if isinstance(call, ListTokens):
        return {
            "schema": TOKENS,
            "tokens": [_token(one) for one in gate.tokens.values() if not one.over(now)],
        }
    if isinstance(call, ListJoining):
        rows = [
            {
                "device": one.name,
                "role": one.role,
                "machine": one.machine,
                "at": one.at,
                "approved": one.approved,
                "fingerprint": fingerprint(one.key),
                "others": [fingerprint(key) for key in one.others],
            }
            for one in gate.waiting.known.values()
        ]
        return {"schema": JOINING, "joining": rows}
    counted = sorted(
        (one for one in gate.certificates.values() if one.counts(now)), key=lambda one: one.begins
    )
    newest = {(one.role, one.name): one for one in counted}
    return {"schema": KEYS, "keys": [_key(one) for _, one in sorted(newest.items())]}


async def _create(gate: Gate, call: CreateKey, who: Identity | None) -> Json:
    role = _role(call.role, {Role.CLIENT, Role.ADMIN})
    by = who.name if who is not None else "nobody"
    issued = await gate.sign(Identity(role, call.name, call.models), call.request, call.ttl or KEY_LIFE, by)
    told = _key(gate.certificates[f"{issued.facts.identity.serial:x}"])
    certificate, authority = issued.certificate.decode("ascii"), gate.authority.certificate.decode("ascii")
    return {"schema": KEY, **told, "certificate": certificate, "authority": authority}


async def _revoke(gate: Gate, role: Role, name: str) -> Json:
    serials = await gate.revoke(role, name)
    if not serials:
        see = "device list" if role is Role.AGENT else "client key list"
        raise NotFound(f"no certificate of {name!r} counts here", f"see: lepton-edge {see}")
    return {"schema": KEY, "name": name, "role": role.value, "revoked": list(serials)}


def _role(word: str, known: set[Role]) -> Role:
    if word not in {one.value for one in known}:
        raise InvalidInput(f"there is no such role as {word!r} here", f"known are {', '.join(sorted(known))}")
    return Role(word)


def _token(record: TokenRecord) -> Json:
    return {
        "token": record.id,
        "role": record.role,
        "models": list(record.models),
        "created": record.created,
        "expires": record.expires,
        "uses": record.uses,
        "left": record.left,
        "revoked": record.revoked,
    }


def _key(record: Certificate) -> Json:
    return {
        "name": record.name,
        "role": record.role,
        "models": list(record.models),
        "serial": record.serial,
        "expires": record.expires,
        "by": record.by,
    }
