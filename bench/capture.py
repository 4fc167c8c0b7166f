"""Whether anything can be read on the wire: a fleet's whole life between two hosts, recorded and searched.

    python -m bench.capture [--directory D] >rows.jsonl

In the laboratory (root needed) devices join by a token, a model is pushed, deployed and asked on several pages from the
edge host, first with TLS, then with --insecure to see that the search finds what is there. What crosses the link is
recorded on the edge host's interface and searched for the token's secret, names, weights, inputs and answers. Law:
starts, records, counts.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bench.laboratory import Laboratory
from bench.rows import Row
from examples.demo.processes import lepton
from lepton_edge.client import Client

BOARD, CLOUD, MODEL = "marzipan-board", "marzipan-cloud", "marzipan-net"
NAME = "tls7-capture"
_ALL = 3  # <linux/if_ether.h>: frames of every protocol


def main() -> int:
    if sys.argv[1:2] == ["record"]:
        return _record(Path(sys.argv[2]))
    if sys.argv[1:2] == ["ask"]:
        return _ask(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]) if sys.argv[4:] else None)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--directory", type=Path, default=None)
    where = parser.parse_args().directory or Path(tempfile.mkdtemp(prefix="lepton-capture-"))
    for secure in (True, False):
        _row_of(where / ("tls" if secure else "open"), secure)
    return 0


def weights() -> list[onnx.TensorProto]:
    """Return the weights, by which they are found on the wire."""
    make = np.random.default_rng(5).standard_normal
    shapes = {"w1": (16, 3, 3, 3), "w2": (32, 16, 3, 3), "w3": (10, 32)}
    return [numpy_helper.from_array((make(s) / 4).astype(np.float32), n) for n, s in shapes.items()]


def inputs() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return what is asked."""
    return np.random.default_rng(6).standard_normal((1, 3, 32, 32)).astype(np.float32)


def _model(path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "marzipan/first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "marzipan/second"),
        helper.make_node("Conv", ["b", "w2"], ["c"], "marzipan/third", strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["e"], "marzipan/pool"),
        helper.make_node("Flatten", ["e"], ["f"], "marzipan/flatten"),
        helper.make_node("Gemm", ["f", "w3"], ["y"], "marzipan/classify", transB=1),
    ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 32, 32])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 10])
    graph = helper.make_graph(nodes, "marzipan", [x], [y], weights())
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), str(path))


# --- what runs on the hosts -----------------------------------------------------------------------


def _record(path: Path) -> int:
    """Write down every frame of this host's interface until asked to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)) as wire,
        path.open("wb") as file,
    ):
        wire.bind(("tap0", 0))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        print("recording", flush=True)
        while True:
            file.write(wire.recv(1 << 16))
            file.flush()


def _ask(coordinator: str, model: Path, key: Path | None) -> int:
    """Push, deploy, and ask on every page, from the edge host."""
    with Client(coordinator, key=key, insecure=key is None) as client:
        client.push(MODEL, model)
        client.deploy(MODEL)
        client.status()
    with Client(coordinator, key=key, insecure=key is None) as client:
        for page in ("", "local", "cloud-raw"):
            for _ in range(20):
                result = client.infer(MODEL, {"x": inputs()}, page=page, metadata={"who": "marzipan-camera"})
        np.save(model.with_name("answer.npy"), result["y"])
    return 0


# --- both ends and the search ---------------------------------------------------------------------


def _row_of(directory: Path, secure: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    _model(directory / "model.onnx")
    with (
        Laboratory(NAME, directory, everywhere=True) as laboratory,
        recorded(laboratory, directory / "wire"),
    ):
        token = _lived(laboratory, directory, secure)
    wire = (directory / "wire").read_bytes()
    answer = np.load(directory / "answer.npy")
    sought = _sought(token, answer)
    how = "TLS" if secure else "in the open (so that the search is known to find)"
    for what, needle in sought.items():
        found = wire.count(needle)
        goal = 0.0 if secure else None
        Row(
            "capture",
            f"{how}: {what}",
            found,
            "times",
            f"in {len(wire)} bytes",
            goal,
            found == 0 if secure else None,
        ).print()


@contextlib.contextmanager
def recorded(laboratory: Laboratory, path: Path) -> Iterator[None]:
    """Write into `path` what crosses the link meanwhile."""
    child = laboratory.town.start(
        "recorder", laboratory.command("edge", [sys.executable, "-m", "bench.capture", "record", str(path)])
    )
    child.wait_for_line("recording")
    yield
    child.stop()


def _lived(laboratory: Laboratory, directory: Path, secure: bool) -> str:
    """Let a fleet join, get a model and answer; return the secret of the token that it joined with."""
    host, town = laboratory.hosts.cloud, laboratory.town
    how = ["--bind", host, "--secure"] if secure else ["--insecure-bind", host]
    state = ["--state-directory", str(directory / "coordinator")]
    begun = town.start(
        "coordinator",
        laboratory.command("cloud", lepton("coordinator", "start", "--no-announce", *how, *state)),
    )
    coordinator = begun.wait_for("coordinator ready")["control"]
    token = begun.wait_for_line("to join:").partition("--token ")[2] if secure else ""
    (directory / "token").write_text(token)
    proof = ["--secure", "--token-file", str(directory / "token")] if secure else ["--insecure"]
    for name, role, side in ((CLOUD, "cloud", "cloud"), (BOARD, "board", "edge")):
        words = lepton("agent", "start", "--role", role, "--name", name, "--coordinator", coordinator)
        words += ["--threads", "1", "--state-directory", str(directory / name), *proof]
        if side == "cloud":
            words += ["--bind", host] if secure else ["--insecure-bind", host]
        agent = town.start(name, laboratory.command(side, words))
        agent.wait_for("agent registered")
    key = [str(directory / "coordinator" / "security" / "admin.pem")] if secure else []
    ask = [sys.executable, "-m", "bench.capture", "ask", coordinator, str(directory / "model.onnx"), *key]
    subprocess.run(laboratory.command("edge", ask), check=True, timeout=240, env=dict(os.environ))
    return token.rpartition(".")[2]


def _sought(token: str, answer: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> dict[str, bytes]:
    """Return what nobody may read, by what it is; pieces that are short enough to lie in one packet."""
    found = {
        "the model's name": MODEL.encode(),
        "a device's name": BOARD.encode(),
        "another device's name": CLOUD.encode(),
        "metadata of a request": b"marzipan-camera",
        "any of the names": b"marzipan",
        "an operator of the model": b"GlobalAveragePool",
        "an input (24 bytes of it)": inputs().tobytes()[4096:4120],
        "an answer (12 bytes of it)": answer.tobytes()[:12],
        "weights (24 bytes of them)": numpy_helper.to_array(weights()[1]).tobytes()[4096:4120],
    }
    return {**found, "the token's secret": token.encode()} if token else found


if __name__ == "__main__":
    raise SystemExit(main())
