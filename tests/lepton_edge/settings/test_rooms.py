"""Every variable that means something is known, and one that does not is refused with what was probably meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lepton_edge.core.errors import UsageError
from lepton_edge.settings.rooms import AGENT, COORDINATOR, known, refuse_strays, strays

ROOT = Path(__file__).parents[3]


def test_each_has_its_own_variables_but_for_logs() -> None:
    assert AGENT.variable("port") == "LEPTON_EDGE_PORT"
    assert COORDINATOR.variable("port") == "LEPTON_EDGE_COORDINATOR_PORT"
    assert AGENT.variable("log_level") == COORDINATOR.variable("log_level") == "LEPTON_EDGE_LOG_LEVEL"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LEPTON_EDGE_PROT", "LEPTON_EDGE_PORT"),
        ("LEPTON_EDGE_COORDINATOR_LAESE", "LEPTON_EDGE_COORDINATOR_LEASE"),
        ("LEPTON_EDGE_LOGLEVEL", "LEPTON_EDGE_LOG_LEVEL"),
        ("LEPTON_EDGE_METRIC_PORT", "LEPTON_EDGE_METRICS_PORT"),
    ],
)
def test_a_stray_variable_is_refused_with_the_near_one(name: str, meant: str) -> None:
    assert strays({name: "1", "PATH": "/"}) == {name: meant}
    with pytest.raises(UsageError, match=f"the variable {name} means nothing") as refused:
        refuse_strays({name: "1"})
    assert refused.value.hint.startswith(f"did you mean {meant}?")


def test_a_variable_far_from_all_is_refused_without_a_guess() -> None:
    assert strays({"LEPTON_EDGE_9Q9Q9Q9": ""}) == {"LEPTON_EDGE_9Q9Q9Q9": ""}
    with pytest.raises(UsageError) as refused:
        refuse_strays({"LEPTON_EDGE_9Q9Q9Q9": ""})
    assert refused.value.hint.startswith("unset it")


def test_what_an_orchestrator_says_of_a_service_called_so_is_no_mistake() -> None:
    links = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8010_TCP", "PORT_8010_TCP_ADDR")
    refuse_strays({f"LEPTON_EDGE_{link}": "x" for link in links})


def test_every_variable_that_the_sources_name_is_known() -> None:
    named = {
        name
        for package in ("lepton_edge", "device_agents", "deploy")
        for file in (ROOT / package).rglob("*")
        if file.is_file() and file.suffix in (".py", ".yaml", ".yml", "", ".toml")
        for name in re.findall(
            r"LEPTON_EDGE_[A-Z][A-Z_]*[A-Z]", file.read_text(encoding="utf-8", errors="replace")
        )
    }
    assert named - known() - {"LEPTON_EDGE_NAME", "LEPTON_EDGE_SERVICE_HOST"} == set()
