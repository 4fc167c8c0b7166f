"""What an agent's process loads: the base dependencies, and of those only what serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEVER = (
    "onnx",
    "onnxslim",
    "scipy",
    "torch",
    "networkx",
    "skimage",
    "lepton_edge.coordinator",
    "lepton_edge.client",
)
NOT_RESIDENT = ("typer", "click", "rich", "pydantic", "zeroconf", "cryptography", "prometheus_client")


def test_a_board_loads_nothing_that_it_does_not_need() -> None:
    code = f"""
import sys
sys.argv = ["agent"]
import device_agents.__main__
print([name for name in {NEVER + NOT_RESIDENT} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
