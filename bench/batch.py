"""What computing several requests as one buys, and what a second computing thread does.

    python -m bench.batch [--model NAME] [--rounds N] [--seconds S]

One real agent (one thread, one worker) serves each model under several names, whose manifests allow batches of 1, 4 and
8, or leave it to the engine (which batches where that was measured to be faster when the model came). 1, 4 and 16
clients ask it, each the next request when it has the answer to the last. The names take turns, so that they share the
machine's moods. Told: answers a second, the slowest of a hundred, and the agent's processor time an answer, which other
work on this machine moves least.

Then the engine by itself, in this process, with one and with two workers of one thread each.

Law: the product's own processes and doors; what is compared runs in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from bench.rows import Row
from bench.subjects import SUBJECTS, Subject
from device_agents.engine import Engine, EngineConfig, Work
from examples.demo.processes import Town
from lepton_edge.client import AsyncClient, Client
from partitioner.plan import Block, CodecChoice, TensorSpec
from partitioner.units import BlockIndex, CodecName, TensorName

MOST = (1, 0, 4, 8)
CLIENTS = (1, 4, 16)
MODELS = ("mobilenetv2", "minilm")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, action="append", help="both when not given")
    parser.add_argument("--rounds", type=int, default=6, help="turns of every name")
    parser.add_argument("--seconds", type=float, default=1.5, help="of a turn")
    options = parser.parse_args()
    for name in options.model or MODELS:
        with tempfile.TemporaryDirectory(prefix="lepton-batch-") as directory:
            subject = SUBJECTS[name](Path(directory) / name)
            for row in _batches(subject, Path(directory), options.rounds, options.seconds):
                row.print()
            for row in asyncio.run(_workers(subject, options.rounds)):
                row.print()
    return 0


# --- batches --------------------------------------------------------------------------------------


@dataclass
class Load:
    """What one name did under so many clients, a value a turn; seconds of each answer in `latencies`."""

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)


def _batches(subject: Subject, directory: Path, rounds: int, seconds: float) -> Iterator[Row]:
    with Town(directory / "town") as town:
        coordinator = town.coordinator()
        door = town.agent("board", coordinator, ["--workers", "1", "--port", "0"])
        town.agent("cloud", coordinator, ["--workers", "1", "--port", "0"])
        names = _pushed(subject, directory, coordinator)
        board = town.children["board"].process.pid
        for clients in CLIENTS:
            loads = asyncio.run(_loaded(door, board, names, _given(subject), (clients, rounds, seconds)))
            yield from _load_rows(subject.name, clients, loads)


def _pushed(subject: Subject, directory: Path, coordinator: str) -> dict[int, str]:
    """Push and deploy the model once for every size of a batch; return the names."""
    names = {}
    with Client(coordinator, patience=300.0) as client:
        for most in MOST:
            manifest = (subject.manifest or directory / "plain.toml").with_name(f"most{most}.toml")
            text = subject.manifest.read_text(encoding="utf-8") if subject.manifest else ""
            manifest.write_text(f"{text}\n[queue]\nmax_batch = {most}\n", encoding="utf-8")
            names[most] = f"{subject.name}-{most}"
            client.push(
                names[most], subject.model, manifest=manifest, samples=subject.samples, shapes=subject.shapes
            )
            client.deploy(names[most])
            print(f"      {names[most]} deployed", file=sys.stderr, flush=True)
    return names


def _given(subject: Subject) -> dict[str, Any]:
    if subject.given.suffix == ".npz":
        with np.load(subject.given) as arrays:
            return dict(arrays)
    content = np.load(subject.given) if subject.given.suffix == ".npy" else subject.given.read_bytes()
    return {onnx.load(subject.model, load_external_data=False).graph.input[0].name: content}


async def _loaded(
    door: str, pid: int, names: Mapping[int, str], given: dict[str, Any], size: tuple[int, int, float]
) -> dict[int, Load]:
    count, rounds, seconds = size
    clients = [AsyncClient(door) for _ in range(count)]
    loads = {most: Load() for most in names}
    try:
        for turn in range(rounds + 1):
            for most, name in names.items():
                load = Load() if turn == 0 else loads[most]  # the first turn warms up
                await _turn(clients, name, given, load, (pid, seconds))
    finally:
        await asyncio.gather(*(client.close() for client in clients))
    return loads


async def _turn(
    clients: list[AsyncClient], name: str, given: dict[str, Any], load: Load, how: tuple[int, float]
) -> None:
    pid, seconds = how
    end, before, answered = time.perf_counter() + seconds, _used(pid), len(load.latencies)
    begin = time.perf_counter()

    async def asks(client: AsyncClient) -> None:
        while time.perf_counter() < end:
            result = await client.infer(name, given, page="local")
            load.latencies.append(result.latency)
            load.batches.append(next(hop.batch for hop in result.hops if hop.device == "board"))

    await asyncio.gather(*(asks(client) for client in clients))
    answered = len(load.latencies) - answered
    load.rates.append(answered / (time.perf_counter() - begin))
    load.cpu.append((_used(pid) - before) / answered)


def _used(pid: int) -> float:
    """Return the processor time of a process so far, in seconds, all its threads together."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e9


def _load_rows(model: str, clients: int, loads: Mapping[int, Load]) -> Iterator[Row]:
    alone = loads[1]
    for most, load in loads.items():
        limit = f"batches of {most} at most" if most else "the engine's choice"
        what = f"{model}, {clients} clients, {limit}"
        times = statistics.median(a / b for a, b in zip(load.rates, alone.rates, strict=True))
        beside = f"{times:.2f}x of one by one; batches of {statistics.mean(load.batches):.1f} on average"
        yield Row("batch", f"{what}: answers", round(statistics.median(load.rates), 1), "1/s", beside)
        slowest = float(np.quantile(load.latencies, 0.99)) * 1e3
        yield Row("batch", f"{what}: 99 of 100 within", round(slowest, 1), "ms")
        saved = statistics.median(a / b for a, b in zip(load.cpu, alone.cpu, strict=True))
        cpu = round(statistics.median(load.cpu) * 1e3, 2)
        yield Row("batch", f"{what}: processor time an answer", cpu, "ms", f"{saved:.2f}x of one by one")


# --- workers --------------------------------------------------------------------------------------


async def _workers(subject: Subject, rounds: int) -> list[Row]:
    work = _whole(subject)
    engines: dict[int, tuple[Engine, Work]] = {}
    for count in (1, 2):
        engine = Engine(EngineConfig(threads=1, workers=count, max_batch=1))
        blocks = await engine.open([work[0]], {0: subject.model}, None)
        engines[count] = engine, Work(blocks, 0, 1, work[1], leaving=work[2])
    rates: dict[int, list[float]] = {count: [] for count in engines}
    alone: dict[int, list[float]] = {count: [] for count in engines}
    for turn in range(rounds + 1):
        for count, (engine, one) in engines.items():
            begin = time.perf_counter()
            await asyncio.gather(*(engine.run(one) for _ in range(24)))
            rates[count] += [24 / (time.perf_counter() - begin)] if turn else []
            for _ in range(4):
                begin = time.perf_counter()
                await engine.run(one)
                alone[count] += [time.perf_counter() - begin] if turn else []
    for engine, _ in engines.values():
        engine.close()
    return _worker_rows(subject.name, rates, alone)


def _worker_rows(model: str, rates: dict[int, list[float]], alone: dict[int, list[float]]) -> list[Row]:
    times = statistics.median(two / one for one, two in zip(rates[1], rates[2], strict=True))
    slower = statistics.median(alone[2]) / statistics.median(alone[1])
    rate = f"{statistics.median(rates[1]):.1f} /s with one"
    one = f"{statistics.median(alone[1]) * 1e3:.2f} ms with one"
    return [
        Row("batch", f"{model}: two workers against one, 24 requests at a time", round(times, 2), "x", rate),
        Row("batch", f"{model}: two workers against one, a request by itself", round(slower, 2), "x", one),
    ]


def _whole(subject: Subject) -> tuple[Block, dict[TensorName, Any], tuple[CodecChoice, ...]]:
    """Return the whole model as a block, an input, and how its answer leaves."""
    graph = onnx.load(subject.model).graph
    dtypes = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.INT64: "int64"}
    specs = [
        tuple(
            TensorSpec(
                TensorName(one.name),
                dtypes[one.type.tensor_type.elem_type],
                tuple(dim.dim_param or dim.dim_value for dim in one.type.tensor_type.shape.dim),
            )
            for one in side
        )
        for side in (graph.input, graph.output)
    ]
    given = {spec.name: _some(spec) for spec in specs[0]}
    leaving = tuple(CodecChoice(spec.name, CodecName("raw")) for spec in specs[1])
    return Block(BlockIndex(0), "onnx", specs[0], specs[1], name="whole"), given, leaving


def _some(spec: TensorSpec) -> Any:
    shape = [1] + [dim if isinstance(dim, int) else 64 for dim in spec.shape[1:]]
    if spec.dtype == "int64":
        return np.ones(shape, np.int64)
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
