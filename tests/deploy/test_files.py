"""The files in deploy/ ask for figures that there are, and for commands and options that there are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from device_agents.driver.figures import Figures
from device_agents.machine import State as AgentState
from lepton_edge.cli.lazy import LazyGroup
from lepton_edge.cli.main import app
from lepton_edge.coordinator.figures import figures
from lepton_edge.coordinator.state import Settings, State
from lepton_edge.metrics.families import PREFIX, certificate

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
BOARD = json.loads((DEPLOY / "grafana/lepton-edge.json").read_text())
COMPOSE = yaml.safe_load((DEPLOY / "docker/compose.yaml").read_text())
DOCKERFILE = (DEPLOY / "docker/Dockerfile").read_text()
NAME = re.compile(rf"\b{PREFIX}[a-z0-9_]+\b")


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Every figure that an agent or a coordinator shows."""
    agent = Figures(AgentState("pi", 8, 1.0), "board", tuple, lambda: True)()
    coordinator = figures(State(Settings("0", 1, 6.0, 1.5)), 0.0, 1.0, 8010)
    return {PREFIX + family.name for family in (*agent, *coordinator, *certificate(0.0, 0.0))}


def expressions() -> Iterator[Any]:
    for group in RULES:
        for rule in group["rules"]:
            yield pytest.param(rule["expr"], id=rule["alert"])
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=panel["title"])


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_asks_for_figures_that_there_are(expression: str, known: set[str]) -> None:
    asked = set(NAME.findall(expression))
    assert asked - known == set()
    assert asked or expression.startswith("up")


def test_each_rule_says_what_and_what_to_do() -> None:
    for rule in (rule for group in RULES for rule in group["rules"]):
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert {"summary", "description"} <= rule["annotations"].keys()


def test_the_boards_panels_do_not_overlap_and_follow_the_chosen_source() -> None:
    places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in BOARD["panels"]]
    assert len(set(places)) == len(places)
    assert {one["datasource"]["uid"] for one in BOARD["panels"]} == {"${source}"}


def test_the_scrape_configuration_names_the_rules_and_the_port() -> None:
    told = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    assert told["rule_files"] == ["alerts.yml"]
    assert told["scrape_configs"][0]["static_configs"] == [{"targets": ["127.0.0.1:8002"]}]


def options(*words: str) -> set[str]:
    """Return every option of a command."""
    root = typer.main.get_command(app)
    assert isinstance(root, LazyGroup)
    found: Any = root._known()[words[0]].load()
    for word in words[1:]:
        found = found.commands[word]
    return {word for one in found.params for word in (*one.opts, *one.secondary_opts)}


@pytest.mark.parametrize("service", list(COMPOSE["services"]))
def test_a_composed_service_runs_a_command_that_there_is_without_privileges(service: str) -> None:
    told = COMPOSE["services"][service]
    given = [word for word in told["command"] if word.startswith("--")]
    assert set(given) <= options(*told["command"][:2])
    assert told["cap_drop"] == ["ALL"]
    assert told["read_only"]
    assert told["volumes"][0].endswith(":/var/lib/lepton-edge")


def test_the_image_runs_as_nobody_in_particular() -> None:
    steps = DOCKERFILE.splitlines()
    assert steps.index("USER lepton-edge") < steps.index('ENTRYPOINT ["lepton-edge"]')
    assert "/livez" in DOCKERFILE


@pytest.mark.skipif(not os.environ.get("LEPTON_TEST_IMAGE_STEPS"), reason="slow: make image-steps")
@pytest.mark.timeout(600)
def test_the_images_steps_work_in_a_clean_environment(tmp_path: Path) -> None:
    """The environment is built as the image builds it, with nothing of this one, and its command runs elsewhere."""
    home, clean = tmp_path / "lepton-edge", {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    pip = [str(home / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", f"{ROOT}[coordinator]"]
    subprocess.run(pip, check=True, timeout=500)
    subprocess.run([str(home / "bin/pip"), "uninstall", "--yes", "--quiet", "pip"], check=True)
    command = str(home / "bin/lepton-edge")
    for words in (["--help"], ["agent", "start", "--help"], ["coordinator", "start", "--help"], ["version"]):
        subprocess.run(
            [command, *words], check=True, env=clean, cwd=tmp_path, stdout=subprocess.DEVNULL, timeout=60
        )
