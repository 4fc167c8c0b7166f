"""Settings of an agent: file, environment, flags; and what is told about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_agents.settings import configuration
from lepton_edge.core.errors import UsageError

ROLE = {"role": "board"}


def test_defaults_need_a_role_only(monkeypatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "raspberry pi.local")
    config = configuration(ROLE, None, {"XDG_STATE_HOME": "/s"})
    assert (config.name, config.role, config.port) == ("raspberry-pi.local", "board", 8011)
    assert config.state_directory == Path("/s/lepton-edge/agent-raspberry-pi.local")


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('[agent]\nname = "f"\nport = 1\nthreads = 3\nadvertise = ["a:1", "b:2"]\n')
    environment = {"LEPTON_EDGE_PORT": "2", "LEPTON_EDGE_THREADS": "4", "LEPTON_EDGE_SIMULATE_SLOW": "2.5"}
    config = configuration({**ROLE, "threads": 5}, file, environment)
    assert (config.name, config.port, config.threads) == ("f", 2, 5)
    assert (config.advertise, config.simulate_slow) == (("a:1", "b:2"), 2.5)


def test_addresses_in_one_variable_are_separated_by_commas() -> None:
    config = configuration(ROLE, None, {"LEPTON_EDGE_ADVERTISE": "a:1, b:2"})
    assert config.advertise == ("a:1", "b:2")


def test_the_transport_is_one_that_there_is() -> None:
    assert configuration(ROLE, None, {}).transport == "auto"
    assert configuration(ROLE, None, {"LEPTON_EDGE_TRANSPORT": "grpc"}).transport == "grpc"
    with pytest.raises(UsageError, match="no transport 'http'") as refused:
        configuration({**ROLE, "transport": "http"}, None, {})
    assert "auto or grpc" in refused.value.hint


@pytest.mark.parametrize(
    ("layer", "told"),
    [({}, None), ({"LEPTON_EDGE_RELAY": "true"}, True), ({"LEPTON_EDGE_RELAY": "No"}, False)],
)
def test_whether_it_relays_is_said_or_left_to_the_role(layer, told) -> None:
    assert configuration(ROLE, None, layer).relay is told
    assert configuration({**ROLE, "relay": False}, None, layer).relay is False


def test_a_setting_that_is_neither_yes_nor_no_is_told() -> None:
    with pytest.raises(UsageError, match="LEPTON_EDGE_RELAY cannot be 'perhaps'"):
        configuration(ROLE, None, {"LEPTON_EDGE_RELAY": "perhaps"})


@pytest.mark.parametrize(
    ("flags", "environment", "says"),
    [
        ({}, {}, "--role is missing"),
        ({"role": "gateway"}, {}, "--role: there is no role 'gateway'"),
        ({**ROLE, "name": "my board"}, {}, "cannot be called 'my board'"),
        ({**ROLE, "name": "../x"}, {}, "cannot be called"),
        ({**ROLE, "coordinator": "host"}, {}, "--coordinator: 'host' is not an address"),
        ({**ROLE, "coordinator": "http://h:8010"}, {}, "--coordinator: 'http://h:8010' is not an address"),
        ({**ROLE, "advertise": ("h:99999",)}, {}, "not an address"),
        ({**ROLE, "simulate_slow": 0.5}, {}, "--simulate-slow cannot be 0.5"),
        (
            ROLE,
            {"LEPTON_EDGE_ROLE": "x", "LEPTON_EDGE_QUEUE_LIMIT": "0"},
            "LEPTON_EDGE_QUEUE_LIMIT cannot be 0",
        ),
        ({}, {"LEPTON_EDGE_ROLE": "x"}, "variable LEPTON_EDGE_ROLE: there is no role 'x'"),
        (
            ROLE,
            {"LEPTON_EDGE_PORT": "many"},
            "the variable LEPTON_EDGE_PORT cannot be 'many': it must be a whole number",
        ),
    ],
)
def test_a_wrong_setting_is_named(flags, environment, says) -> None:
    with pytest.raises(UsageError, match=says):
        configuration(flags, None, environment)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[coordinator]\nport = 1", None),
        ("nmae = 1", "no table 'nmae'"),
        ("[agent]\nnmae = 'x'", "no setting 'nmae'"),
        ("[agent", "cannot read"),
        ("agent = 3", "table"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, text, says) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(text)
    if says is None:
        assert configuration(ROLE, file, {}).role == "board"  # other tables are others' business
        return
    with pytest.raises(UsageError, match=says):
        configuration(ROLE, file, {})


@pytest.mark.parametrize(("said", "meant"), [("false", False), ("0", False), ("true", True)])
def test_a_variable_says_whether_it_speaks_in_the_open(said, meant) -> None:
    assert configuration(ROLE, None, {"LEPTON_EDGE_SECURE": said}).secure is meant
