"""Threads that sessions share; each case in a process of its own, because the settings are the process's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
OPEN = """
import sys
from pathlib import Path
import psutil
from device_agents.engine import claim_process
from device_agents.engine.runtime import start_runtime
from device_agents.engine.sessions import open_session
from partitioner.onnx_io.codec_graphs import codec_graph
graph = codec_graph("cast_f16", "encode")
def opened(count, **how):
    runtime = start_runtime(**how)
    before = psutil.Process().num_threads()
    keep = [open_session(graph, runtime) for _ in range(count)]
    return psutil.Process().num_threads() - before, runtime, keep
"""


def run(code):
    command = [sys.executable, "-c", OPEN + code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_sessions_of_a_claimed_process_share_their_threads():
    alone = "more, runtime, _ = opened(6, threads=3); print(more, runtime.shared, runtime.threads)"
    claimed = f"claim_process(); {alone}"
    assert run(claimed)[1:] == ["True", "3"]
    assert int(run(claimed)[0]) <= 2
    assert run(alone) == ["12", "False", "3"]


def test_the_pool_is_made_once_and_joined_afterwards():
    begin = "claim_process(); start_runtime(2); _, runtime, _ = opened(2, threads=5);"
    assert run(begin + "print(runtime.shared, runtime.threads)") == ["True", "2"]


def test_other_sessions_of_an_unclaimed_process_are_left_alone():
    code = """
start_runtime(2)
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 2
onnxruntime.InferenceSession(graph, options)
print("fine")
"""
    assert run(code) == ["fine"]
