"""The command line of an agent: what becomes of its settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import typer

from device_agents import __main__, cli
from device_agents.settings import configuration
from lepton_edge.cli import exit_codes
from lepton_edge.core.config import AgentConfig
from lepton_edge.core.errors import UsageError
from lepton_edge.settings import rooms

ROLE = {"role": "board"}


def test_the_process_gets_exactly_this_configuration(monkeypatch, tmp_path) -> None:
    ran, served = [], []
    monkeypatch.setattr(
        "os.execv", lambda path, command: ran.append(command) or (_ for _ in ()).throw(SystemExit)
    )
    config = configuration({**ROLE, "state_directory": tmp_path, "advertise": ("a:1",)}, None, {})
    with pytest.raises(SystemExit):
        cli.run(config)

    async def serve(given, tell):
        served.append(given)

    monkeypatch.setattr(__main__, "serve", serve)
    monkeypatch.setattr(__main__.logs, "configure", lambda level, form, device: None)
    assert __main__.main(ran[0][3:]) == 0
    assert served == [config]


def test_the_exit_statuses_are_those_of_the_command_line() -> None:
    documented = {code: status for status, _, codes in exit_codes.table() for code in codes}
    assert {code: documented[code] for code in __main__.STATUS} == __main__.STATUS
    assert documented["service_error"] == __main__.OTHERWISE


def test_an_unknown_log_level_is_named() -> None:
    with pytest.raises(UsageError, match="no log level 'loud'"):
        configuration({**ROLE, "log_level": "loud"}, None, {})


def test_every_flag_and_setting_is_documented_with_its_variable() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    section = text.partition("## Settings of an agent")[2].partition("\n## ")[0]
    for field in dataclasses.fields(AgentConfig):
        assert f"`{rooms.PREFIX}{field.name.upper()}`" in section
        assert f"| `{field.name}`" in section
    start = typer.main.get_command(cli.app).commands["start"]
    flags = {flag for option in start.params for flag in option.opts}
    assert {flag for flag in flags if f"`{flag}" not in section} == set()


def test_a_32_bit_python_is_told_so_before_anything_is_started(monkeypatch, tmp_path) -> None:
    started = []
    monkeypatch.setattr(cli.struct, "calcsize", lambda kind: 4)
    monkeypatch.setattr(cli.os, "execv", lambda *command: started.append(command))
    with pytest.raises(UsageError, match="32-bit Python") as told:
        cli.run(AgentConfig(tmp_path, "board", "pi"))
    assert "64-bit system" in told.value.hint
    assert started == []


def test_a_service_without_a_member_is_told_where_it_will_look_before_what_else_is_missing(
    tmp_path, capsys
) -> None:
    with pytest.raises(UsageError, match="--role is missing"):
        cli.install_service(name="pi", state_directory=tmp_path / "agent-pi", dry_run=True)
    told = capsys.readouterr().err
    assert (
        f"keeps its state in {tmp_path / 'agent-pi'}, waits until it has joined: 'pi' has not joined" in told
    )
