"""The ports of a process on its own machine: its figures, its near door, and where a coordinator is bound."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from pathlib import Path

import pytest

from lepton_edge.core.config import AgentConfig
from lepton_edge.doctor import Level, own_ports
from lepton_edge.doctor.facts import Figures
from lepton_edge.metrics import Watched, gauge, open_door


def board(tmp_path: Path, port: int = -1) -> AgentConfig:
    return AgentConfig(tmp_path, "board", "pi", metrics_port=port)


async def looked(config: AgentConfig, why: str) -> list[tuple[str, Level, str]]:
    """Show figures as an agent does, and look at them as its doctor does."""
    shown = gauge("agent_info", "Who this is.").add(1, device="pi", role="board")
    door = await open_door("127.0.0.1", 0, Watched(lambda: [shown], not_ready=lambda: why))
    try:
        at = dataclasses.replace(config, metrics_port=int(door.address.rpartition(":")[2]))
        found = await asyncio.to_thread(own_ports.of_agent, at, attached=True)
        other = dataclasses.replace(at, name="kitchen")
        assert await asyncio.to_thread(own_ports.of_agent, other, attached=False) == []
    finally:
        await door.close()
    return [(one.check, one.level, one.said) for one in found]


async def test_an_agents_figures_are_found_and_whether_it_is_ready(tmp_path: Path) -> None:
    ((check, level, said),) = await looked(board(tmp_path), "")
    assert (check, level) == ("metrics", Level.OK)
    assert "it is ready" in said
    ((_, level, said),) = await looked(board(tmp_path), "models are being opened: net")
    assert level is Level.WARNING
    assert "models are being opened: net" in said


async def test_of_two_coordinators_figures_those_of_the_one_that_answers_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = gauge("coordinator_info", "Who this is.").add(1, control="8018", software="0.1.0")
    door = await open_door("127.0.0.1", 0, Watched(lambda: [shown], not_ready=lambda: ""))
    try:
        monkeypatch.setattr(own_ports, "METRICS_PORT", int(door.address.rpartition(":")[2]))
        monkeypatch.setattr(own_ports, "LAST_PORT", own_ports.METRICS_PORT)
        found = await asyncio.to_thread(own_ports.of_coordinator, "127.0.0.1:8018", "")
        assert [one.check for one in found] == ["metrics"]
        assert await asyncio.to_thread(own_ports.of_coordinator, "127.0.0.1:8010", "") == []
    finally:
        await door.close()


def test_an_agent_that_does_not_run_has_nothing_to_be_looked_at(tmp_path: Path) -> None:
    assert own_ports.of_agent(board(tmp_path), attached=False) == []


def test_an_agent_that_runs_and_shows_nothing_is_told_so(tmp_path: Path) -> None:
    (told,) = own_ports.of_agent(board(tmp_path), attached=True)
    assert (told.check, told.level) == ("metrics", Level.NOTE)


@pytest.mark.parametrize("listens", [True, False])
def test_a_near_door_opens_or_not(tmp_path: Path, listens: bool) -> None:
    (tmp_path / "near").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.bind(str(tmp_path / "near" / "door"))
        if listens:
            way.listen()
        assert own_ports.near(tmp_path) is listens
    assert own_ports.near(tmp_path / "elsewhere") is None
    (told,) = own_ports.agents_findings(Figures("127.0.0.1:8002"), None, attached=True)
    assert told.level is Level.OK


def test_a_coordinator_that_others_cannot_dial_is_told_so() -> None:
    (told,) = own_ports.coordinators_findings(None, "192.168.1.2", 8010, open_=False)
    assert (told.check, told.level) == ("control port", Level.NOTE)
    assert "--bind" in told.fix
    (told,) = own_ports.coordinators_findings(None, "192.168.1.2", 8010, open_=True)
    assert told.level is Level.OK
    assert list(own_ports.coordinators_findings(None, "", 8010, open_=False)) == []
    assert own_ports.of_coordinator("203.0.113.7:8010", "192.168.1.2") == [], "it is elsewhere"
