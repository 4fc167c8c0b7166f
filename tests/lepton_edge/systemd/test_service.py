"""Units as systemd itself reads them, where they go, and that they come out again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lepton_edge.core.errors import NotFound, ServiceError, UsageError
from lepton_edge.systemd import install
from lepton_edge.systemd.service import Wanted, service
from lepton_edge.systemd.settings import toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

AGENT = Wanted("agent", "agent-pi", {"role": "board", "name": "pi", "coordinator": "192.168.1.2:8010"})


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
@pytest.mark.parametrize("kind", ["agent", "coordinator"])
@pytest.mark.parametrize("for_user", [False, True], ids=["system", "user"])
def test_systemd_finds_nothing_wrong_with_a_unit(kind: str, for_user: bool, tmp_path: Path) -> None:
    wanted = Wanted(kind, kind, {}, for_user=for_user, state=tmp_path if for_user else None)
    file = tmp_path / f"lepton-edge-{kind}.service"
    file.write_text(service(wanted, Path("/opt/lepton-edge"), sys.executable).unit.text())
    manager = ["--user"] if for_user else []
    done = subprocess.run(
        ["systemd-analyze", *manager, "verify", "--man=no", str(file)],
        capture_output=True, text=True, timeout=60, env={"XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if file.name in line] == []
    assert done.returncode == 0, done.stderr


def test_what_lies_in_nobodys_home_runs_as_a_user_of_its_own() -> None:
    text = service(AGENT, Path("/opt/lepton-edge"), "/opt/lepton-edge/bin/python").unit.text()
    for line in (
        "Type=notify", "WatchdogSec=30", "Restart=always", "DynamicUser=yes", "MemoryMax=80%", "NoNewPrivileges=yes",
        "StateDirectory=lepton-edge/agent-pi", "ProtectSystem=strict", "ProtectHome=yes", "WantedBy=multi-user.target",
        "SyslogIdentifier=lepton-edge-agent",
        "Environment=HOME=/var/lib/lepton-edge/agent-pi",  # a DynamicUser has none, and libraries ask for it
        "ExecStart=/opt/lepton-edge/bin/python -m lepton_edge.cli.main agent start --config"
        " /etc/lepton-edge/agent.toml --state-directory /var/lib/lepton-edge/agent-pi",
    ):  # fmt: skip
        assert line in text.splitlines()
    assert "network-online" not in text  # it would hold a board up that boots without a network


def test_what_lies_in_a_home_runs_as_its_owner_with_that_users_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "runner", lambda environment: ("pi", Path("/home/pi")))
    unit = service(AGENT, Path("/home/pi/venv"), "/home/pi/venv/bin/python").unit
    text = unit.text().splitlines()
    assert "User=pi" in text
    assert "ProtectHome=read-only" in text
    assert "ReadWritePaths=/home/pi/.local/state/lepton-edge/agent-pi" in text
    assert not any(line.startswith(("DynamicUser", "StateDirectory=")) for line in text)


def test_odd_characters_of_a_path_reach_the_command(tmp_path: Path) -> None:
    wanted = Wanted("agent", "x", {}, state=Path("/data/50% $off mine"))
    text = service(wanted, Path("/opt/x"), "/opt/x/python").unit.text()
    assert "'/data/50%% $$off mine'" in text


def test_settings_are_read_back_as_they_were() -> None:
    values = {
        "name": 'a "quoted" \\ name',
        "port": 8011,
        "watts": 2.5,
        "relay": False,
        "advertise": ("a:1", "b:2"),
    }
    told = toml("agent", {**values, "coordinator": "", "adopt": None})
    assert tomllib.loads(told) == {"agent": {**values, "advertise": ["a:1", "b:2"]}}


@pytest.fixture
def places(tmp_path: Path) -> install.Places:
    return install.Places(tmp_path / "units", tmp_path / "settings", ("systemctl",))


def test_it_is_installed_and_taken_out_and_settings_stay(places: install.Places, tmp_path: Path) -> None:
    ran: list[str] = []
    made = service(
        Wanted("agent", "agent-pi", {"role": "board"}, state=tmp_path / "state"),
        Path("/opt/x"),
        "/opt/x/python",
    )
    settings = (places.settings / "agent.toml", made.settings[1])
    install.carry_out(
        install.installing(made.unit, settings, places), lambda words: ran.append(" ".join(words))
    )
    assert (places.units / "lepton-edge-agent.service").read_text() == made.unit.text()
    assert (tmp_path / "state").is_dir()
    assert ran == ["systemctl daemon-reload", "systemctl enable --now lepton-edge-agent.service"]

    settings[0].write_text("[agent]\nrole = 'cloud'\n")
    install.carry_out(install.installing(made.unit, settings, places), lambda words: None)
    assert "cloud" in settings[0].read_text(), "what a person wrote was lost"

    install.carry_out(
        install.removing("lepton-edge-agent", places), lambda words: ran.append(" ".join(words))
    )
    assert ran[2:] == ["systemctl disable --now lepton-edge-agent.service", "systemctl daemon-reload"]
    assert list(places.units.iterdir()) == []
    assert settings[0].exists()
    with pytest.raises(NotFound):
        install.removing("lepton-edge-agent", places)


def test_who_may_not_write_there_is_told_what_to_do(places: install.Places) -> None:
    def refuse(words: object) -> None:
        raise PermissionError(13, "denied", "/etc/systemd/system/x")

    with pytest.raises(UsageError, match="cannot be written by this user") as told:
        install.carry_out([install.Step("run it", command=("x",))], refuse)
    assert "--user" in told.value.hint


def test_a_machine_without_systemd_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="no systemd"):
        install.carry_out([])


def test_who_has_no_systemd_of_their_own_is_told_how_to_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    said = subprocess.CompletedProcess([], 1, "", "Failed to connect to bus: No such file or directory")
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(subprocess, "run", lambda *words, **more: said)
    with pytest.raises(ServiceError, match="connect to bus") as told:
        install.carry_out([install.Step("run it", command=("systemctl", "--user", "daemon-reload"))])
    assert "enable-linger" in told.value.hint
