"""Commands are listed without importing them, used by importing them; errors become a line and a status."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import EntryPoint

import pytest

from lepton_edge.cli import lazy
from lepton_edge.core.frames import WireError
from lepton_edge.core.messages import ShowStatus
from tests.lepton_edge.cli.conftest import CommandLine

HEAVY = ("numpy", "grpc", "pydantic", "onnx", "onnxruntime", "structlog", "zeroconf")


def test_help_lists_every_command_and_the_exit_codes(line: CommandLine) -> None:
    said = line.run("--help")
    assert said.code == 0
    for word in ("coordinator", "device", "model", "profile", "deploy", "plan", "infer", "status", "version"):
        assert word in said.out
    assert "the port is in use" in " ".join(said.out.split())


def test_help_imports_nothing_heavy_and_is_quick() -> None:
    script = (
        "import sys; from lepton_edge.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    begun = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"
    assert time.monotonic() - begun < 5, "0.5 s is the aim; a loaded test machine gets ten times that"


@pytest.mark.parametrize(
    "group", ["coordinator", "device", "model", "profile", "deploy", "plan", "infer", "status", "version"]
)
def test_each_command_loads_and_explains_itself(line: CommandLine, group: str) -> None:
    said = line.run(group, "--help")
    assert said.code == 0, said.err
    assert "Usage" in said.out


def test_a_mistyped_command_is_a_usage_error_with_a_guess(line: CommandLine) -> None:
    said = line.run("statsu")
    assert said.code == 2
    assert "status" in said.err


def test_an_error_is_one_line_on_stderr_with_what_to_do(line: CommandLine) -> None:
    line.events.append(WireError("unavailable", "nobody at c:8010", "start one"))
    said = line.run("status")
    assert (said.out, said.err) == ("", "error: nobody at c:8010 / what to do: start one\n")
    assert said.code == 3
    assert line.calls == [ShowStatus()]


def test_an_interrupt_exits_with_130(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(address: str | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lepton_edge.cli.connect.make_client", interrupted)
    assert line.run("status").code == 130


def test_other_packages_add_commands_by_entry_point(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(group: str) -> list[EntryPoint]:
        assert group == "lepton_edge.commands"
        return [
            EntryPoint("extra", "lepton_edge.cli.version:app", group),
            EntryPoint("status", "evil:app", group),
        ]

    monkeypatch.setattr(lazy, "entry_points", found)
    assert "extra" in line.run("--help").out
    assert "lepton-edge" in line.run("extra").out
    line.tell("status")
    assert line.run("status").code == 0, "a plug-in cannot replace a command of ours"


def test_a_plugin_describes_its_command_itself(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(group: str) -> list[EntryPoint]:
        return [EntryPoint("agent", "device_agents.cli:app", group), EntryPoint("odd", "gone.cli:app", group)]

    monkeypatch.setattr(lazy, "entry_points", found)
    said = line.run("--help").out
    assert "Run an agent on this device: join, start" in said
    assert "Added by gone; see lepton-edge odd --help." in said


def test_completion_is_offered_at_the_root_only(line: CommandLine) -> None:
    assert "--install-completion" in line.run("--help").out
    for command in ("coordinator", "model", "agent", "infer", "status"):
        assert "--install-completion" not in line.run(command, "--help").out


def test_square_brackets_are_not_lost_in_help(line: CommandLine) -> None:
    said = " ".join(line.run("coordinator", "start", "--help").out.replace("│", " ").split())
    assert "TOML file with a table called coordinator" in said


def test_the_version_is_told(line: CommandLine) -> None:
    assert line.run("--version").out.startswith("lepton-edge 0.")
    assert line.run("version", "--format", "json").document["schema"] == "lepton-edge/version/1"
