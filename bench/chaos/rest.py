"""What is left when nobody asks any more: requests that still run, epochs that should be gone.

Law: asks the coordinator as a person would, until all is at rest or time is up; judges nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Set
from typing import Any

from bench.chaos.subject import NAME
from lepton_edge.client import Client

Kept = Set[tuple[str, int]]
PATIENCE = 15.0
"""Seconds within which heartbeats must have told that all is at rest."""


def left_over(coordinator: str, seconds: float = PATIENCE) -> list[str]:
    """Return what is not at rest after so long."""
    end = time.monotonic() + seconds
    with Client(coordinator, patience=seconds) as client:
        while (left := left_in(client.devices()["devices"], _kept(client))) and time.monotonic() < end:
            time.sleep(0.5)
    return left


def _kept(client: Client) -> Kept:
    """Return the epochs that the coordinator says are kept prepared: the one before, until the new one is judged."""
    targets = client.status()["adapting"]["targets"]
    return {(one["model"], epoch) for one in targets for epoch in one["prepared"]}


def left_in(devices: list[dict[str, Any]], kept: Kept = frozenset()) -> list[str]:
    """Return, in words, what devices hold that nobody needs, and who is away; `kept` is needed while it is ready."""
    away = [f"{one['device']} is away" for one in devices if not one["connected"]]
    return [*away, *(word for one in devices for word in _left(one, kept))]


def _left(device: dict[str, Any], kept: Kept) -> list[str]:
    running = (device["telemetry"] or {}).get("requests_active", 0)
    epochs = [one for one in device["epochs"] if not _is_needed(one, kept)]
    held = [
        f"{device['device']} holds epoch {one['epoch']} of {one['model']}, {one['state']}" for one in epochs
    ]
    return [*([f"{device['device']} is at work for {running}"] if running else []), *held]


def _is_needed(epoch: dict[str, Any], kept: Kept) -> bool:
    if epoch["state"] == "ready":
        return (epoch["model"], epoch["epoch"]) in kept
    return (epoch["model"], epoch["state"]) == (NAME, "active")
