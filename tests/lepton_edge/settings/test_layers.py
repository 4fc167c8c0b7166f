"""Three layers make one frozen configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from lepton_edge.cli.coordinator import configuration
from lepton_edge.core.config import CoordinatorConfig
from lepton_edge.core.errors import UsageError


def built(
    tmp_path: Path, text: str = "", flags: dict[str, object] | None = None, **environment: str
) -> CoordinatorConfig:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return configuration(flags or {}, file, {"XDG_STATE_HOME": str(tmp_path), **environment})


def test_defaults_follow_the_xdg_convention(tmp_path: Path) -> None:
    config = built(tmp_path)
    assert config == CoordinatorConfig(tmp_path / "lepton-edge" / "coordinator")
    assert configuration({}, None, {}).state_directory == Path.home() / ".local/state/lepton-edge/coordinator"


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    text = "[coordinator]\nport = 1\nlease = 9\nannounce = false\n"
    environment = {"LEPTON_EDGE_COORDINATOR_PORT": "2", "LEPTON_EDGE_COORDINATOR": "not-a-field:8010"}
    config = built(tmp_path, text, **environment)
    assert (config.port, config.lease, config.announce) == (2, 9.0, False)
    config = built(tmp_path, text, {"port": 3, "announce": None}, **environment)
    assert (config.port, config.announce) == (3, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[coordinator]\nprot = 1", "did you mean 'port'"),
        (
            "[coordinator]\nport = 'high'",
            "port in the file of --config cannot be 'high': it must be a whole number",
        ),
        ("coordinator = 3", "not a table"),
        ("[coordinator", "cannot read"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        built(tmp_path, text)


def test_what_is_wrong_in_the_environment_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="variable LEPTON_EDGE_COORDINATOR_LEASE cannot be 'soon': it must be a number"
    ):
        built(tmp_path, LEPTON_EDGE_COORDINATOR_LEASE="soon")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        configuration({}, tmp_path / "gone.toml", {})
