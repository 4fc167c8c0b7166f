"""Without torch the techniques that train are listed like the others, and say what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lepton_edge.compress.recipe import Target
from lepton_edge.compress.techniques import HOMES, technique
from tests.lepton_edge.compress.small import classifier

TRAINED = [name for name in HOMES if technique(name).extra == "torch"]
LISTED = """
import sys
sys.modules["torch"] = None
from lepton_edge.compress.techniques import HOMES, technique
print(len([technique(name).choices for name in HOMES]))
"""


def test_every_technique_is_listed_without_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LISTED], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == str(len(HOMES)), done.stderr


@pytest.mark.parametrize("name", TRAINED)
def test_what_trains_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    model = classifier()
    why = technique(name).refuse(model, Target())
    assert "lepton-edge[torch]" in why or "static_int8" in why or "pixels" in why


def test_some_do() -> None:
    assert {"bottleneck", "distill", "finetune", "qat"} <= set(TRAINED)
