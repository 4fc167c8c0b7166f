"""The coordinator as a real process: it says where it is, survives kill -9, and leaves cleanly."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lepton_edge.coordinator.server import remembered
from lepton_edge.coordinator.state import Settings, validate_state
from lepton_edge.coordinator.store import Store
from lepton_edge.wire import rpc

START = """
import asyncio, sys
from pathlib import Path
from lepton_edge.core.config import CoordinatorConfig
from lepton_edge.coordinator.server import serve
asyncio.run(serve(CoordinatorConfig(Path(sys.argv[1]), port=0, announce=False, secure=False)))
"""


def start(directory: Path) -> tuple[subprocess.Popen[str], str]:
    """Start a coordinator and return it with its control address."""
    command = [sys.executable, "-c", START, str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("coordinator ready control="):
        _, errors = process.communicate(timeout=10)
        pytest.fail(f"it said {line!r} and {errors}")
    return process, line.strip().partition("control=")[2]


def end(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> int:
    process.send_signal(number)
    process.communicate(timeout=10)
    return process.returncode


async def test_it_says_where_it_is_answers_and_leaves_cleanly(tmp_path: Path) -> None:
    process, address = start(tmp_path)
    channel = rpc.open_channel(address)
    described = await rpc.ControlStub(channel).describe()
    assert (described.kind, described.coordinator) == ("coordinator", address)
    await channel.close()
    assert end(process) == 0


def test_a_second_one_on_the_same_state_is_refused(tmp_path: Path) -> None:
    process, _ = start(tmp_path)
    command = [sys.executable, "-c", START, str(tmp_path)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode != 0
    assert "another coordinator uses the state directory" in second.stderr
    assert end(process) == 0


def test_it_starts_again_after_kill_9_and_counts_its_terms(tmp_path: Path) -> None:
    for _ in range(2):
        process, _ = start(tmp_path)
        end(process, signal.SIGKILL)
    store = Store(tmp_path)
    assert store.begin_term() == 3
    validate_state(remembered(store.load(), Settings("0.1", 3)))
    store.close()


def test_it_does_not_load_what_only_its_worker_needs() -> None:
    code = "import sys, lepton_edge.coordinator.server; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["onnx", "onnxruntime", "scipy", "onnxslim", "networkx", "zeroconf"]
    done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
