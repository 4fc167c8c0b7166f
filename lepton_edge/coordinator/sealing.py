"""Signs what devices are told to run: every file and every tensor is named in it by its SHA-256. And whom they obeyed.

Law: takes a message and returns it with its seal; the bytes that are signed are those that the seal carries. Of a
device's word that another one commands by this state nothing is believed but what that one's key made.
"""

from __future__ import annotations

import dataclasses

import structlog

from lepton_edge.coordinator.gate import Gate
from lepton_edge.core.messages import CoordinatorSays, Hello, Prepare, ProfileCommand
from lepton_edge.security import commanding, seals
from lepton_edge.wire import convert

log = structlog.get_logger("coordinator")


def heard(gate: Gate | None, hello: Hello, identity: str) -> Hello:
    """Return `hello` without a leader of the state `identity` that nobody with the authority's key ever was."""
    leader = hello.leader
    if gate is None or leader is None or leader.identity != identity:
        return hello
    if commanding.is_proven(gate.authority.pem, leader):
        return hello
    log.warning("a device tells of a term that was never begun here", device=hello.device, term=leader.term)
    return dataclasses.replace(hello, leader=None)


def sealed(gate: Gate | None, message: CoordinatorSays) -> CoordinatorSays:
    """Return `message` signed, where it names what is to be run and there is an authority."""
    if gate is None or not isinstance(message, (Prepare, ProfileCommand)):
        return message
    return dataclasses.replace(message, seal=seals.sealed(gate.authority.pem, convert.encode(message)))
