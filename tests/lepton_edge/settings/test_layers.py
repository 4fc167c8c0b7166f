"""Three layers make one frozen configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_edge.cli.coordinator import configuration
from lepton_edge.core.config import NO_METRICS, AgentConfig, CoordinatorConfig
from lepton_edge.core.errors import UsageError
from lepton_edge.settings import layers
from lepton_edge.settings.rooms import AGENT


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


CAN_BE: dict[str, st.SearchStrategy[object]] = {
    "port": st.integers(0, 65535),
    "threads": st.integers(0, 64),
    "watts": st.floats(0, 1e3),
    "role": st.sampled_from(["board", "cloud"]),
    "relay": st.booleans(),
    "advertise": st.lists(st.sampled_from(["a:1", "b:2", "c:3"]), min_size=1, max_size=3).map(tuple),
    "metrics_port": st.sampled_from(["off", 0, 9000]),
    "log_format": st.sampled_from(["auto", "json"]),
}
LAYER = st.fixed_dictionaries({}, optional=CAN_BE)


def as_toml(values: Mapping[str, object]) -> str:
    return "[agent]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def as_variables(values: Mapping[str, object]) -> dict[str, str]:
    said = {name: ",".join(one) if isinstance(one, tuple) else str(one) for name, one in values.items()}
    return {AGENT.variable(name): one for name, one in said.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=LAYER, variables=LAYER, flags=LAYER)
def test_of_any_layers_the_last_that_says_a_setting_wins_and_is_its_origin(
    tmp_path: Path, file: dict[str, object], variables: dict[str, object], flags: dict[str, object]
) -> None:
    written = tmp_path / "settings.toml"
    written.write_text(as_toml(file))
    usual = {"name": "pi", "role": "board", "state_directory": tmp_path}
    told = layers.Told(flags, written, as_variables(variables))
    found = layers.resolve(AGENT, told, lambda said: usual)
    for name in CAN_BE:
        ranked = [("flag", flags), ("variable", variables), ("file", file), ("default", usual)]
        origin, layer = next((one for one in ranked if name in one[1]), ("", {}))
        wanted = layer.get(name, getattr(AgentConfig, name, None))
        assert getattr(found.config, name) == (NO_METRICS if wanted == "off" else wanted)
        assert found.origins.get(name, "") == origin


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("port", 70000, "--port cannot be 70000: it must be less than or equal to 65535"),
        ("metrics_port", -2, "--metrics-port cannot be -2"),
        ("watts", float("nan"), "--watts cannot be nan"),
        ("signatures", "none", "--signatures: there is no signatures 'none' .write enforce, warn or off"),
        (
            "log_level",
            "loud",
            "--log-level: there is no log level 'loud' .write debug, info, warning or error",
        ),
        ("prot", 1, "there is no setting 'prot' .did you mean 'port'"),
    ],
)
def test_what_cannot_be_is_refused_by_where_it_was_written(name: str, value: object, said: str) -> None:
    usual = {"name": "pi", "role": "board", "state_directory": Path("/s")}
    with pytest.raises(UsageError, match=said):
        layers.resolve(AGENT, layers.Told({name: value}, None, {}), lambda said: usual)


def test_what_is_usual_may_depend_on_what_is_said() -> None:
    usual: layers.Usual = lambda said: {
        "role": "board",
        "name": "pi",
        "state_directory": f"/s/{said['port']}",
    }
    found = layers.resolve(AGENT, layers.Told({}, None, {"LEPTON_EDGE_PORT": "7"}), usual)
    assert found.config.state_directory == Path("/s/7")


def test_an_empty_variable_says_nothing() -> None:
    assert configuration({}, None, {"LEPTON_EDGE_COORDINATOR_PORT": ""}).port == 8010


def test_logs_have_one_variable_for_all() -> None:
    found = configuration({}, None, {"LEPTON_EDGE_LOG_LEVEL": "DEBUG", "LEPTON_EDGE_LOG_FORMAT": "json"})
    assert (found.log_level, found.log_format) == ("debug", "json")


def test_a_variable_that_means_nothing_stops_the_start() -> None:
    with pytest.raises(UsageError, match="LEPTON_EDGE_COORDINATOR_PROT means nothing") as refused:
        configuration({}, None, {"LEPTON_EDGE_COORDINATOR_PROT": "1"})
    assert "LEPTON_EDGE_COORDINATOR_PORT" in refused.value.hint
