"""Which settings hold, where each comes from, and what is said of those that mean nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lepton_edge.cli.config import Room, document, unknown
from lepton_edge.core.errors import UsageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "settings.toml"
    made.write_text('[agent]\nrole = "board"\nport = 9000\nthreads = 2\n[coordinator]\nport = 9010\n')
    return made


def test_each_setting_is_told_with_its_origin(file: Path) -> None:
    environment = {
        "LEPTON_EDGE_PORT": "9001",
        "LEPTON_EDGE_ADVERTISE": "a:1, b:2",
        "LEPTON_EDGE_METRICS_PORT": "off",
    }
    told = {one["name"]: one for one in document(Room.AGENT, file, environment)["settings"]}
    assert (told["port"]["value"], told["port"]["origin"]) == (9001, "LEPTON_EDGE_PORT")
    assert (told["threads"]["value"], told["threads"]["origin"]) == (2, str(file))
    assert (told["workers"]["value"], told["workers"]["origin"]) == (0, "default")
    assert list(told["advertise"]["value"]) == ["a:1", "b:2"]
    assert told["metrics_port"]["value"] == -1


def test_a_coordinators_are_its_own(file: Path) -> None:
    told = {
        one["name"]: one for one in document(Room.COORDINATOR, file, {"LEPTON_EDGE_PORT": "1"})["settings"]
    }
    assert told["port"]["value"] == 9010


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[agent]\nprot = 1\n", "no setting 'prot'", "port"),
        ("[agnet]\nport = 1\n", "no table 'agnet'", "agent"),
        ('[agent]\nport = "x"\n', "cannot be 'x'", "correct"),
    ],
)
def test_what_is_not_known_is_an_error_with_a_suggestion(
    tmp_path: Path, text: str, said: str, hint: str
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=said) as told:
        document(Room.AGENT, file, {})
    assert hint in told.value.hint


def test_variables_that_mean_nothing_are_told() -> None:
    found = unknown({"LEPTON_EDGE_PROT": "1", "LEPTON_EDGE_PORT": "1", "LEPTON_EDGE_KEY": "k", "PATH": "/"})
    assert found == [{"variable": "LEPTON_EDGE_PROT", "meant": "LEPTON_EDGE_PORT"}]


def test_on_the_command_line(line: Any, file: Path) -> None:
    said = line.run("config", "show", "agent", "--config", str(file), "--origin", LEPTON_EDGE_PROT="1")
    assert said.code == 0
    assert str(file) in said.out
    assert "did you mean LEPTON_EDGE_PORT?" in said.out
    assert (
        line.run("config", "show", "coordinator", "--format", "json").document["schema"]
        == "lepton-edge/config/1"
    )
    assert "LEPTON_EDGE_NAME=NAME" in line.run("config", "show", "agent").out
    assert "LEPTON_EDGE_NAME=NAME" not in line.run("config", "show", "agent", LEPTON_EDGE_NAME="pi").out
    schema = json.loads(line.run("config", "schema", "agent").out)
    assert schema["properties"]["port"]["type"] == "integer"
    assert schema["additionalProperties"] is False
