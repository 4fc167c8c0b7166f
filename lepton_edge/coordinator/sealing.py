"""Signs what devices are told to run: every file and every tensor is named in it by its SHA-256.

Law: takes a message and returns it with its seal; the bytes that are signed are those that the seal carries.
"""

from __future__ import annotations

import dataclasses

from lepton_edge.coordinator.gate import Gate
from lepton_edge.core.messages import CoordinatorSays, Prepare, ProfileCommand
from lepton_edge.security import seals
from lepton_edge.wire import convert


def sealed(gate: Gate | None, message: CoordinatorSays) -> CoordinatorSays:
    """Return `message` signed, where it names what is to be run and there is an authority."""
    if gate is None or not isinstance(message, (Prepare, ProfileCommand)):
        return message
    return dataclasses.replace(message, seal=seals.sealed(gate.authority.pem, convert.encode(message)))
