"""What was said is told as it was written, whether it can be or not."""

from __future__ import annotations

from pathlib import Path

from lepton_edge.settings.rooms import AGENT, COORDINATOR
from lepton_edge.settings.said import said


def test_only_what_somebody_said_is_there_and_the_last_layer_wins(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[agent]\nname = "pi"\nport = 1\nthreads = 2\n')
    environment = {"LEPTON_EDGE_PORT": "many", "LEPTON_EDGE_THREADS": "", "PATH": "/"}
    assert said(AGENT, {"name": "kitchen", "role": None}, file, environment) == {
        "name": "kitchen",
        "port": "many",
        "threads": 2,
    }
    assert said(COORDINATOR, {}, file, environment) == {}
