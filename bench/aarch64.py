"""An agent on a Pi's architecture (aarch64 under qemu-user): joins by a token, registers over TLS, answers, renews.

    python -m bench.aarch64 [--root DIR]

Law: a proof, not a benchmark: emulation is hundreds of times slower than the processor it stands for. It
needs Debian's debootstrap and qemu-user-static; the root is built once by bench/lab/arm64-root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
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

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[1]
# qemu-user 7.2 (Debian 12) runs onnxruntime up to 1.26; 1.28 and later crash in it.
ENGINE = "onnxruntime==1.26.*"
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


def packages() -> list[str]:
    """Return what an agent needs, as pyproject.toml has it, with an engine that this qemu can run."""
    told = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    return [ENGINE if re.match(r"onnxruntime\b", one) else one.replace(" ", "") for one in told]


def emulated(root: Path, *words: str) -> list[str]:
    """Return the command line of the root's Python under qemu."""
    qemu = ["qemu-aarch64-static", "-L", str(root), "-E", f"PYTHONPATH=/opt/site:{REPOSITORY}"]
    return [*qemu, str(root / "usr/bin/python3.11"), *words]


def emulated_join(root: Path, town: Town, coordinator: str, state: Path) -> float:
    """Have a board join under qemu; return how many seconds that took."""
    token = town.directory / "token"
    token.touch(mode=0o600)
    token.write_text(town.token)
    command = "from device_agents.cli import app; app()"  # `lepton-edge agent`, where nothing is installed
    words = ["-c", command, "join", coordinator, "--name", "pi", "--role", "board"]
    words += ["--token-file", str(token), "--state-directory", str(state)]
    begun = time.monotonic()
    subprocess.run(emulated(root, *words), check=True, timeout=PATIENCE, stdout=sys.stderr)
    return time.monotonic() - begun


def emulated_renewal(root: Path, coordinator: str, state: Path) -> bool:
    """Have a board renew under qemu, as its agent does; return whether it has another certificate then."""
    file = state / "security" / "agent.pem"
    before = file.read_bytes()
    words = ["-m", "device_agents.joining", str(state), coordinator, "pi", ""]
    subprocess.run(emulated(root, *words), check=True, timeout=PATIENCE)
    return file.read_bytes() != before


def emulated_agent(root: Path, coordinator: str, state: Path) -> list[str]:
    """Return the command line of a board agent under qemu.

    It is what `lepton-edge agent start` becomes: that command replaces its process, which an emulator without
    the kernel's help (binfmt) cannot follow.
    """
    config = AgentConfig(state, "board", "pi", coordinator, port=free_port(), threads=1)
    plain = {**to_json(config), "state_directory": str(state)}
    given = json.dumps({"config": plain, "log_level": "info"})
    return emulated(root, "-m", "device_agents", given)


def prove(root: Path, directory: Path) -> bool:
    """Run the whole trip; print a row for each part; return whether the answer is right."""
    small_model(directory / "small.onnx")
    x = np.random.default_rng(1).normal(size=(1, 3, 32, 32)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(directory / "small.onnx"), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x})[0]
    with Town(directory, secure=True) as town:
        coordinator = town.coordinator()
        took = emulated_join(root, town, coordinator, directory / "pi")
        Row("aarch64", "emulated agent join", took, "s").print()
        started = time.monotonic()
        agent = town.start("pi", emulated_agent(root, coordinator, directory / "pi"))
        data = agent.wait_for("agent ready", PATIENCE)["data"]
        agent.wait_for("agent registered", PATIENCE)
        Row("aarch64", "emulated agent registered", time.monotonic() - started, "s").print()
        with Client(coordinator, key=town.key) as client:
            client.push("small", directory / "small.onnx")
            client.deploy("small")
            architecture = client.devices()["devices"][0]["hardware"]["architecture"]
        shutil.rmtree(directory / "pi" / "near", ignore_errors=True)  # by the data port, over TLS
        with Client(data, key=town.key) as client:
            answer = client.infer("small", {"x": x})["y"]
        renewed = emulated_renewal(root, coordinator, directory / "pi")
    error = float(np.abs(answer - expected).max() / np.abs(expected).max())
    right = architecture == "aarch64" and error <= 1e-5 and renewed
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
    for name in [name for name in os.environ if name.startswith("LEPTON_EDGE_")]:
        del os.environ[name]  # of benches that speak in the open
    missing = [tool for tool in ("debootstrap", "qemu-aarch64-static") if not shutil.which(tool)]
    if missing:
        print(f"missing: {', '.join(missing)}; apt-get install debootstrap qemu-user-static", file=sys.stderr)
        return 2
    wanted, made = " ".join(packages()), root / "opt/packages"
    if not made.is_file() or made.read_text() != wanted:
        print(f"building an aarch64 root in {root} (a minute or two, 500 MB)", file=sys.stderr)
        subprocess.run([REPOSITORY / "bench/lab/arm64-root", root, wanted], check=True)
        made.write_text(wanted)
    with tempfile.TemporaryDirectory() as directory:
        return 0 if prove(root, Path(directory)) else 1


if __name__ == "__main__":
    sys.exit(main())
