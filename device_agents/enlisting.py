"""`agent join`, and `agent start --token`: what is said meanwhile, and which words are refused.

Law: a token is never printed; where it comes from is `security/arguments.py`'s.
"""

from __future__ import annotations

import asyncio
import os

import typer

from device_agents.membership import membership
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import Unavailable, UsageError
from lepton_edge.security import private
from lepton_edge.security.arguments import VARIABLE

AWAY = (
    "is the address the one that the coordinator printed, is it running, and its port open? For devices elsewhere it "
    "is started with `lepton-edge coordinator start --bind 0.0.0.0`"
)


def refuse_misplaced(address: str | None) -> None:
    """Raise UsageError where a token stands in the place of the coordinator's address; it is not shown."""
    if address and address.startswith("LE1."):
        raise UsageError(
            "a token stands where the coordinator's address belongs",
            "write it as the coordinator printed it: lepton-edge agent join HOST:PORT --token LE1...",
        )


def enlist(config: AgentConfig, text: str | None, *, replace: bool = False) -> None:
    """Join the coordinator of `config` by a token; with `replace` in place of an agent that is connected.

    Raises:
        UsageError: no token, or no address. InvalidInput: it is no token.
        Unauthenticated, Unavailable, AlreadyExists, StorageFull: as `joining.join`.
    """
    if not text:
        raise UsageError(
            "a token is missing",
            f"give --token-file FILE, {VARIABLE}, --token - (standard input) or --token LE1...; "
            "the coordinator prints one when it starts, and `lepton-edge token create` on its machine makes one",
        )
    if not config.coordinator:
        raise UsageError("where is the coordinator?", "give HOST:PORT, as the line to paste has it")
    # gRPC is loaded for this alone: an agent that has joined starts without
    from device_agents import joining
    from lepton_edge.security import tokens

    private.mask()
    try:
        identity = asyncio.run(joining.join(config, tokens.parse(text), typer.echo, replace=replace))
    except Unavailable as error:
        raise Unavailable(f"no coordinator was reached: {error.message}", AWAY) from error
    typer.echo(f"agent joined coordinator={config.coordinator} name={identity.name} role={config.role}")


def enlisted(config: AgentConfig, text: str | None) -> None:
    """Join by a token that was given to `agent start`, unless this agent has joined already."""
    if text and config.secure and membership(config.state_directory) is None:
        enlist(config, text)
    os.environ.pop(VARIABLE, None)  # the agent's own process need not have it
