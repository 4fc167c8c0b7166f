"""A board has the base dependencies alone: no onnx, no scipy, no torch.

An agent must join, start, register and answer there; on Python 3.10 (JetPack 6), too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from examples.demo.processes import Child, free_port
from lepton_edge.client import Client
from tests.journeys.models import small_model

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = sorted({(3, 10), sys.version_info[:2], (3, 13)})
PROBE = """
import importlib.util, sys
import lepton_edge, partitioner, device_agents
for name in ("onnx", "onnxslim", "scipy", "torch", "networkx"):
    assert importlib.util.find_spec(name) is None, name
print("lean")
"""


def _interpreter(version: tuple[int, int]) -> str | None:
    """Return a Python of that version: on the path, or among pyenv's."""
    name = f"python{version[0]}.{version[1]}"
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [
        shutil.which(name),
        *sorted(map(str, root.glob(f"versions/{version[0]}.{version[1]}.*/bin/{name}"))),
    ]
    usable = (
        one for one in found if one and subprocess.run([one, "-V"], capture_output=True).returncode == 0
    )
    return next(usable, None)


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"python{version[0]}.{version[1]}")
def lean_python(request: pytest.FixtureRequest) -> Path:
    """A virtual environment with the base dependencies, kept between runs and renewed with pyproject.toml."""
    interpreter = _interpreter(request.param)
    if interpreter is None:
        pytest.skip(f"Python {request.param} is not installed: the base is not tested on it here")
    home = ROOT / ".venv-base-{}.{}".format(*request.param)
    python, stamp = home / "bin" / "python", home / ".installed"
    if not stamp.exists() or stamp.stat().st_mtime < (ROOT / "pyproject.toml").stat().st_mtime:
        subprocess.run([interpreter, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-e", str(ROOT)], check=True, timeout=300)
        stamp.touch()
    return python


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Where a coordinator is, and a file with a token to join it."""
    command = [sys.executable, "-m", "lepton_edge.cli.main", "coordinator", "start", "--no-announce"]
    child = Child(
        "coordinator",
        [*command, "--port", str(free_port()), "--state-directory", str(tmp_path / "c")],
        tmp_path,
    )
    address, token = child.wait_for("coordinator ready")["control"], tmp_path / "token"
    token.write_text(child.wait_for_line("to join:").partition("--token ")[2])
    yield address, token
    child.stop()


@pytest.mark.timeout(400)
@pytest.mark.journey
def test_an_agent_starts_with_the_base_alone(
    lean_python: Path, coordinator: tuple[str, Path], tmp_path: Path
) -> None:
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    lean = subprocess.run([lean_python, "-c", PROBE], capture_output=True, text=True, env=clean, cwd=tmp_path)
    assert lean.stdout.strip() == "lean", lean.stderr
    command = [
        str(lean_python),
        "-m",
        "lepton_edge.cli.main",
        "agent",
        "start",
        "--role",
        "board",
        "--name",
        "lean",
    ]
    agent = Child(
        "agent",
        [
            *command,
            "--coordinator",
            coordinator[0],
            "--token-file",
            str(coordinator[1]),
            "--port",
            str(free_port()),
            "--state-directory",
            str(tmp_path / "a"),
        ],
        tmp_path,
    )
    try:
        assert agent.wait_for("agent ready")["device"] == "lean"
        agent.wait_for("agent registered")
        _answers(coordinator[0], tmp_path)
    finally:
        agent.stop()


def _answers(coordinator: str, directory: Path) -> None:
    """Push a small model, and hold what that agent answers against onnxruntime."""
    onnx.save(small_model(), str(directory / "small.onnx"))
    x = np.random.default_rng(1).standard_normal((1, 3, 32, 32)).astype(np.float32)
    expected = onnxruntime.InferenceSession(str(directory / "small.onnx")).run(None, {"x": x})[0]
    with Client(coordinator, key=directory / "c" / "security" / "admin.pem") as client:
        client.push("small", directory / "small.onnx")
        client.deploy("small")
        answered = client.infer("small", {"x": x})
    assert answered.hops[1].device == "lean"
    np.testing.assert_allclose(answered["y"], expected, rtol=1e-4, atol=1e-5)
