"""The product beside what else passes tensors to a function and back, in one run: 150 and 600 kB of float32.

    python -m bench.peers [--venvs DIRECTORY] [--only NAME] [--rounds N] >rows.jsonl

Every peer has an identity model or function and runs in an environment of its own (their dependencies do not go
together), made in DIRECTORY on the first run from the versions in `bench/rivals/*.txt`: some 3 GB. Each is asked
by the client that comes with it, in a process of its own (`bench/rivals/*_end.py`). A peer that cannot be
installed or started has a row that says why.

Law: orders, takes turns and judges; medians. Ours is the whole product: the SDK, an agent with an ONNX identity
model, a plan; by the door that the SDK takes by itself ("ours"), and by TCP as from another machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from bench.ends import Asker, askers
from bench.rows import Row
from examples.demo.processes import Town
from lepton_edge.client import AsyncClient, Client
from lepton_edge.client.remote import RemoteTransport

HERE = Path(__file__).resolve().parent / "rivals"
SIZES = {"150 kB": 150_000, "600 kB": 600_000}
READY, ANSWER, END = 120.0, 120.0, 15.0
"""Seconds for a peer to start, to do a job, and to end."""
TURN, WARM = 5, 1
"""Requests in a row, after one that does not count."""
OURS = {"ours": "near", "ours, synchronous client": "sync", "ours, by TCP": "tcp"}
LINK = "our bare link"  # by TCP
PAGE = "local"
"""The page in which the asked agent does all the work, as the peers' servers do."""
Job = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """Somebody else's way: `script` in the environment `needs`, told `how`; `most` where ours may take longer."""

    name: str
    needs: str
    script: str
    how: str
    most: float | None = None


PEERS = (
    Peer("torch gloo", "torch", "torch_end.py", "gloo", 2.5),
    Peer("torch rpc", "torch", "torch_end.py", "rpc", 1.2),
    Peer("Triton, gRPC", "triton", "triton_end.py", "grpc"),
    Peer("Triton, HTTP", "triton", "triton_end.py", "http"),
    Peer("KServe, gRPC", "kserve", "kserve_end.py", "grpc"),
    Peer("MLServer, gRPC", "mlserver", "mlserver_end.py", "grpc"),
    Peer("Ray Serve handle", "ray", "ray_end.py", "handle"),
)


class NoPeer(RuntimeError):
    """A peer cannot be had; the message says why."""


# --- environments ---------------------------------------------------------------------------------


def installed(needs: str, venvs: Path) -> Path:
    """Return the Python of an environment with what `needs` lists, made where there is none; raises NoPeer."""
    wanted = HERE / f"{needs}.txt"
    stamp = venvs / needs / hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]
    python = venvs / needs / "bin" / "python"
    if not stamp.exists():
        _tell(f"{needs}: installing what {wanted.name} lists into {venvs / needs} (minutes)")
        _run([sys.executable, "-m", "venv", "--clear", str(venvs / needs)])
        _run([str(python), "-m", "pip", "install", "--quiet", "-r", str(wanted)])
        stamp.touch()
    return python


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no word"]
        raise NoPeer(f"{' '.join(command[1:4])} failed: {lines[-1][:200]}")


def _tell(what: str) -> None:
    print(f"[peers] {what}", file=sys.stderr, flush=True)


# --- asking processes -----------------------------------------------------------------------------


class Turns:
    """An asking process that reads jobs and tells times, one JSON object a line; raises NoPeer when it ends."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._reader = ThreadPoolExecutor(1)

    def ready(self) -> str:
        """Wait until it is ready; return what it is."""
        return str(self._line(READY)["ready"])

    def ask(self, **job: Any) -> Job:
        """Have a job done."""
        assert self._child.stdin
        try:
            self._child.stdin.write(json.dumps(job) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError as error:
            raise NoPeer(self._last()) from error
        return self._line(ANSWER)

    def _line(self, seconds: float) -> Job:
        assert self._child.stdout
        try:
            line = self._reader.submit(self._child.stdout.readline).result(seconds)
        except TimeoutError as error:
            raise NoPeer(f"no word for {seconds:.0f} s: {self._last()}") from error
        if not line:
            raise NoPeer(f"it ended: {self._last()}")
        told: Job = json.loads(line)
        return told

    def _last(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines() or ["no word"]
        return lines[-1][:200]

    def stop(self) -> None:
        """End it and everything that it started."""
        assert self._child.stdin
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        try:
            self._child.wait(END)
        except subprocess.TimeoutExpired:
            _tell(f"{self._log.stem} did not end by itself")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._reader.shutdown()
        assert self._child.stdout
        self._child.stdout.close()


# --- ours -----------------------------------------------------------------------------------------


async def ask_ours(how: str, address: str) -> None:
    """Do the jobs of stdin with the SDK; what a request takes is what it takes for the application."""
    print(json.dumps({"ready": f"lepton-edge, {how}"}), flush=True)
    if how == "sync":
        with Client(address) as client:
            await asyncio.to_thread(_jobs, client)
        return
    transport = RemoteTransport(address, near=how == "near")
    async with AsyncClient(transport=transport) as client_of_loop:
        while line := await asyncio.to_thread(sys.stdin.readline):  # the link lives on between jobs
            job, wall = json.loads(line), []
            array = _given(job)
            for _ in range(job["warm"] + job["count"]):
                begun = time.perf_counter()
                result = await client_of_loop.infer(_model(job["size"]), {"x": array}, page=PAGE)
                wall.append(time.perf_counter() - begun)
            _told(job, wall, result.outputs["y"], array)


def _jobs(client: Client) -> None:
    for line in iter(sys.stdin.readline, ""):
        job, wall = json.loads(line), []
        array = _given(job)
        for _ in range(job["warm"] + job["count"]):
            begun = time.perf_counter()
            result = client.infer(_model(job["size"]), {"x": array}, page=PAGE)
            wall.append(time.perf_counter() - begun)
        _told(job, wall, result.outputs["y"], array)


def _given(job: Job) -> Any:
    return np.random.default_rng(0).random((1, job["size"] // 4), np.float32)


def _told(job: Job, wall: list[float], came: Any, given: Any) -> None:
    same = bool(np.array_equal(came, given))
    print(json.dumps({"wall": wall[job["warm"] :], "same": same}), flush=True)


def _model(size: int) -> str:
    return f"identity-{size}"


def deploy_identities(coordinator: str, folder: Path) -> None:
    """Push and deploy an identity of each size."""
    with Client(coordinator) as client:
        for size in SIZES.values():
            ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size // 4]) for name in "xy"]
            graph = helper.make_graph(
                [helper.make_node("Identity", ["x"], ["y"])], "same", ends[:1], ends[1:]
            )
            model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
            onnx.save(model, folder / f"{size}.onnx")
            client.push(_model(size), folder / f"{size}.onnx")
            client.deploy(_model(size), devices=("board", "cloud"))


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[dict[str, Turns | Asker]]:
    """Run a coordinator and an agent; yield the SDK's ways to it, and a bare link."""
    with Town(folder) as town, contextlib.ExitStack() as stack:
        coordinator = town.coordinator()
        address = town.agent("board", coordinator)
        town.agent("cloud", coordinator)
        deploy_identities(coordinator, folder)
        found: dict[str, Turns | Asker] = {}
        for name, how in OURS.items():
            command = [sys.executable, "-m", "bench.peers", "--ours", how, "--address", address]
            turns = Turns(command, folder / f"{how}.log")
            stack.callback(turns.stop)
            turns.ready()
            found[name] = turns
        found[LINK] = stack.enter_context(askers(("plain",)))["plain"]
        yield found


# --- the run --------------------------------------------------------------------------------------


@contextlib.contextmanager
def others(options: argparse.Namespace, folder: Path) -> Iterator[tuple[dict[str, Turns | Asker], list[Row]]]:
    """Yield the peers that could be started, and a row for each one that could not."""
    with contextlib.ExitStack() as stack:
        found: dict[str, Turns | Asker] = {}
        missing: list[Row] = []
        for peer in PEERS:
            if options.only and peer.name not in options.only:
                continue
            try:
                python = installed(peer.needs, options.venvs)
                turns = Turns([str(python), str(HERE / peer.script), peer.how], folder / f"{peer.name}.log")
                stack.callback(turns.stop)
                _tell(f"{peer.name}: {turns.ready()}")
                found[peer.name] = turns
            except NoPeer as error:
                missing.append(Row("peers", f"{peer.name}: not measured", float("nan"), "ms", str(error)))
        yield found, missing


def measure(ways: dict[str, Turns | Asker], size: int, rounds: int) -> dict[str, list[float]]:
    """Return each way's seconds, in turns of a few requests."""
    wall: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            told = way.ask(do="trips", echo=True, size=size, count=TURN, warm=WARM)
            if not told.get("same", True):
                raise NoPeer(f"{name} gave back something else")
            wall[name] += told["wall"] if turn else []  # in the first round everybody warms up
    return wall


def rows(size: str, wall: dict[str, list[float]]) -> Iterator[Row]:
    """Yield the median of each way, and what the issue asks of ours beside each peer."""
    medians = {name: statistics.median(seconds) * 1e3 for name, seconds in wall.items()}
    own = medians["ours"]
    for name, median in medians.items():
        beside = f"ours {own:.3f} ms, of {len(wall[name])}; fastest {min(wall[name]) * 1e3:.3f} ms"
        yield Row("peers", f"{size}: {name}", round(median, 3), "ms", beside)
    for peer in PEERS:
        median = medians.get(peer.name, float("nan"))
        beside = f"ours {own:.3f}, {peer.name} {median:.3f}, our bare link {medians[LINK]:.3f} ms"
        if peer.name not in medians:
            continue
        if peer.most is not None:
            ratio, what = own / median, f"{size}: ours / {peer.name}"
            yield Row("peers", what, round(ratio, 2), "1", beside, peer.most, ratio <= peer.most)
        else:
            ratio, what = median / own, f"{size}: {peer.name} / ours"
            yield Row("peers", what, round(ratio, 2), "1", beside, 1.0, ratio > 1)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(tempfile.gettempdir()) / "lepton-bench-venvs"
    parser.add_argument("--venvs", type=Path, default=default, help=f"where peers are installed ({default})")
    parser.add_argument("--only", action="append", choices=[peer.name for peer in PEERS])
    parser.add_argument("--rounds", type=int, default=20, help=f"rounds of {TURN} requests a size")
    parser.add_argument("--ours", choices=list(OURS.values()), help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        asyncio.run(ask_ours(options.ours, options.address))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    with tempfile.TemporaryDirectory(prefix="lepton-bench-") as name:
        folder = Path(name)
        with ours(folder / "ours") as own, others(options, folder) as (peers, missing):
            for row in missing:
                row.print()
            for size, number in SIZES.items():
                for row in rows(size, measure(own | peers, number, options.rounds)):
                    row.print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
