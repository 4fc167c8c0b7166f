"""An agent on a Pi's architecture (aarch64 under qemu-user): registers, loads a block, answers right.

    python -m bench.aarch64 [--root DIR]

Law: a proof, not a benchmark: emulation is hundreds of times slower than the processor it stands for. It
needs Debian's debootstrap and qemu-user-static; the root is built once by bench/lab/arm64-root.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from bench.rows import Row
from examples.demo.processes import Town, free_port
from lepton_edge.client import Client
from lepton_edge.core.config import AgentConfig
from partitioner.nouns_json import to_json

REPOSITORY = Path(__file__).resolve().parents[1]
# qemu-user 7.2 (Debian 12) runs onnxruntime up to 1.26; 1.28 and later crash in it.
PACKAGES = (
    "numpy onnxruntime==1.26.* grpcio protobuf>=6.31 zeroconf psutil zstandard lz4 pillow "
    "pydantic-settings typer rich structlog prometheus-client cryptography"
)
PATIENCE = 300.0


def small_model(path: Path) -> None:
    """Write a three-layer convolutional net: input "x" float32 [1, 3, 32, 32], output "y" float32 [1, 10]."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(0, 0.2, (16, 3, 3, 3)),
        "w2": random.normal(0, 0.1, (32, 16, 3, 3)),
        "w3": random.normal(0, 0.1, (10, 32)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "/a/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "/a/Relu"),
        helper.make_node("Conv", ["b", "w2"], ["c"], "/c/Conv", strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["d"], "/c/Relu"),
        helper.make_node("GlobalAveragePool", ["d"], ["e"], "/e/Pool"),
        helper.make_node("Flatten", ["e"], ["f"], "/f/Flatten"),
        helper.make_node("Gemm", ["f", "w3"], ["y"], "/y/Gemm", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def emulated_agent(root: Path, coordinator: str, state: Path) -> list[str]:
    """Return the command line of a board agent under qemu.

    It is what `lepton-edge agent start` becomes: that command replaces its process, which an emulator without
    the kernel's help (binfmt) cannot follow.
    """
    config = AgentConfig(state, "board", "pi", coordinator, port=free_port(), threads=1, secure=False)
    plain = {**to_json(config), "state_directory": str(state)}
    given = json.dumps({"config": plain, "log_level": "info"})
    python = ["qemu-aarch64-static", "-L", str(root), "-E", f"PYTHONPATH=/opt/site:{REPOSITORY}"]
    return [*python, str(root / "usr/bin/python3.11"), "-m", "device_agents", given]


def prove(root: Path, directory: Path) -> bool:
    """Run the whole trip; print a row for each part; return whether the answer is right."""
    small_model(directory / "small.onnx")
    x = np.random.default_rng(1).normal(size=(1, 3, 32, 32)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(directory / "small.onnx"), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x})[0]
    with Town(directory) as town:
        coordinator = town.coordinator()
        started = time.monotonic()
        agent = town.start("pi", emulated_agent(root, coordinator, directory / "pi"))
        data = agent.wait_for("agent ready", PATIENCE)["data"]
        agent.wait_for("agent registered", PATIENCE)
        Row("aarch64", "emulated agent registered", time.monotonic() - started, "s").print()
        with Client(coordinator) as client:
            client.push("small", directory / "small.onnx")
            client.deploy("small")
            architecture = client.devices()["devices"][0]["hardware"]["architecture"]
        with Client(data) as client:
            answer = client.infer("small", {"x": x})["y"]
    error = float(np.abs(answer - expected).max() / np.abs(expected).max())
    right = architecture == "aarch64" and error <= 1e-5
    Row(
        "aarch64", f"largest relative difference on {architecture}", error, "1", "native x86-64", 1e-5, right
    ).print()
    return right


def main() -> int:
    """Build the root if it is not there, then prove."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path(tempfile.gettempdir()) / "lepton-arm64")
    root = parser.parse_args().root
    missing = [tool for tool in ("debootstrap", "qemu-aarch64-static") if not shutil.which(tool)]
    if missing:
        print(f"missing: {', '.join(missing)}; apt-get install debootstrap qemu-user-static", file=sys.stderr)
        return 2
    if not (root / "opt/site/onnxruntime").is_dir():
        print(f"building an aarch64 root in {root} (a minute or two, 500 MB)", file=sys.stderr)
        subprocess.run([REPOSITORY / "bench/lab/arm64-root", root, PACKAGES], check=True)
    with tempfile.TemporaryDirectory() as directory:
        return 0 if prove(root, Path(directory)) else 1


if __name__ == "__main__":
    sys.exit(main())
