"""An agent that has joined: it starts with what it kept, renews in time in a process of its own, and remembers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import structlog

from device_agents import joining, member
from device_agents.membership import KEY_FILE, keep_life
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import Unauthenticated
from lepton_edge.core.identity import credentials_of
from lepton_edge.security.keyring import Keyring
from partitioner.units import Seconds
from tests.device_agents.test_joining import Coordinator, agent


async def test_who_has_not_joined_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(Unauthenticated, match="has not joined"):
        member.trust_of(agent(tmp_path, ""))
    assert member.trust_of(AgentConfig(tmp_path, "board", "pi", secure=False)) is None


async def _member(tmp_path: Path, coordinator: Coordinator, address: str) -> tuple[Any, Any]:
    config = agent(tmp_path, address)
    await joining.join(config, coordinator.token(), lambda line: None)
    trust = member.trust_of(config)
    assert trust is not None
    return member.Member(config, trust), trust


def _ages(state: Path) -> None:
    """Have the certificate be one of which two thirds are over."""
    keep_life(Keyring(state), Seconds(time.time() - 3 * 86400), Seconds(time.time() + 3600))


async def test_it_renews_at_two_thirds_with_a_new_key(tmp_path: Path) -> None:
    coordinator = Coordinator()
    async with coordinator.running() as address:
        mine, trust = await _member(tmp_path, coordinator, address)
        before = trust.credentials
        _ages(tmp_path)
        fresh = asyncio.create_task(mine.keep_fresh(lambda: address))
        while trust.credentials is before:
            await asyncio.sleep(0.01)
        fresh.cancel()
        await asyncio.gather(fresh, return_exceptions=True)
    assert trust.credentials.key != before.key
    assert credentials_of(Keyring(tmp_path).read(KEY_FILE)) == trust.credentials
    assert len(coordinator.renewed) == 1


async def test_it_goes_on_trying_while_the_coordinator_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "FIRST_PAUSE", 0.01)
    coordinator = Coordinator()
    addresses = ["", "127.0.0.1:9"]
    async with coordinator.running() as address:
        mine, trust = await _member(tmp_path, coordinator, address)
        _ages(tmp_path)
        before = trust.credentials
        fresh = asyncio.create_task(mine.keep_fresh(lambda: addresses.pop(0) if addresses else address))
        while trust.credentials is before:
            await asyncio.sleep(0.01)
        fresh.cancel()
        await asyncio.gather(fresh, return_exceptions=True)
        assert (addresses, len(coordinator.renewed)) == ([], 1), "both in vain, then once"


async def test_whom_not_to_believe_is_remembered(tmp_path: Path) -> None:
    coordinator = Coordinator()
    async with coordinator.running() as address:
        mine, _ = await _member(tmp_path, coordinator, address)
    mine.revoke(("ab", "0x1", "", "zz", "f" * 99))
    assert member.revoked_serials(Keyring(tmp_path)) == [0xAB]


def test_what_signs_takes_no_memory_of_an_agent() -> None:
    probe = "import sys, device_agents.server; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


async def test_the_key_of_a_second_join_is_taken_up_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "LOOK", 0.02)
    coordinator = Coordinator()
    async with coordinator.running() as address:
        mine, trust = await _member(tmp_path, coordinator, address)
        fresh = asyncio.create_task(mine.keep_fresh(lambda: address))
        before = trust.credentials
        await joining.join(agent(tmp_path, address), coordinator.token(), lambda line: None)
        for _ in range(500):
            await asyncio.sleep(0.01)
            if trust.credentials is not before:
                break
        assert trust.credentials == credentials_of(Keyring(tmp_path).read(KEY_FILE)) != before
        fresh.cancel()
        await asyncio.gather(fresh, return_exceptions=True)


async def test_the_key_of_another_coordinator_waits_for_a_restart(tmp_path: Path) -> None:
    first, second = Coordinator(), Coordinator()
    async with first.running() as address, second.running() as elsewhere:
        mine, trust = await _member(tmp_path, first, address)
        before = trust.credentials
        await joining.join(agent(tmp_path, elsewhere), second.token(), lambda line: None)
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                mine._look_again()
    assert trust.credentials is before
    assert [("restart" in line["event"], line["coordinator"]) for line in logs] == [(True, elsewhere)]
