"""Where state is kept, and what a machine is called, where nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.cli.coordinator import configuration
from lepton_edge.core.errors import UsageError
from lepton_edge.settings.usual import host_name, state_directory


def no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_state_follows_the_xdg_convention() -> None:
    assert state_directory({"XDG_STATE_HOME": "/s"}, "agent-pi") == Path("/s/lepton-edge/agent-pi")
    assert state_directory({}, "agent-pi") == Path.home() / ".local/state/lepton-edge/agent-pi"


def test_who_has_no_home_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(UsageError) as refused:
        state_directory({}, "coordinator")
    assert "--state-directory" in refused.value.hint
    assert configuration({"state_directory": Path("/s")}, None, {}).state_directory == Path("/s")


@pytest.mark.parametrize(
    ("host", "name"), [("raspberry pi.local", "raspberry-pi.local"), ("-", "device"), ("x" * 80, "x" * 63)]
)
def test_a_host_may_be_called_what_a_device_may_not(
    monkeypatch: pytest.MonkeyPatch, host: str, name: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    assert host_name() == name
