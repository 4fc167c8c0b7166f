"""Predicted against measured times of random legal segments: do the costs that plans are made of come true?

    python -m bench.predict [--model NAME]... [--device full|slow4|threads2]... [--keep FOLDER] [--offline FOLDER]

For each model and device: a profile exactly as an agent makes it for the coordinator, then at least 60 segments
(half of them between down-sets of one chain, half between down-sets of random topological orders), medians of 20
runs interleaved with the whole model, twice. What is compared is a segment's time over the whole's in the same
rounds: a machine changes its speed for minutes. Repeat noise is how far the two passes lie apart.

Law: `slowK` is bench/lab/slow.py, K times slower in quarters of a millisecond (root); where it cannot be had, the
device is left out, never simulated in silence. `--keep` saves raw measurements, `--offline` predicts them anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from bench.rows import Row
from bench.segments import Cut, Job
from examples.demo import minilm, mobilenet, zoo
from lepton_edge.coordinator.artifacts import Artifacts
from lepton_edge.coordinator.jobs import PushJob, TrialJob
from lepton_edge.coordinator.pushing import push
from lepton_edge.coordinator.trials import make_trial
from partitioner.compiled import CompiledModel
from partitioner.costs import DeviceProfile
from partitioner.graph import CostGraph, chain, layer_inputs
from partitioner.nouns_json import from_json, to_json
from partitioner.onnx_io import Cutter, load_compiled
from partitioner.predict import engine_layers, estimated, segment_estimate, stage_costs
from partitioner.profile import golden
from partitioner.units import ModelName, Seconds

MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "mobilenetv2": mobilenet.build,
    "resnet50": lambda: zoo.reseeded("resnet50"),
    "densenet121": lambda: zoo.reseeded("densenet121"),
    "minilm": minilm.build,
}
SHAPES: dict[str, tuple[tuple[str, tuple[int, ...]], ...]] = {
    "minilm": tuple((name, (1, 128)) for name in ("input_ids", "attention_mask", "token_type_ids"))
}
DEVICES = ("full", "slow4")
SEGMENTS, RUNS, PASSES = 64, 20, 2
MEDIAN_GOAL, TAIL_GOAL = 0.03, 0.10
Z90 = 1.645  # of a normal distribution: half of a 90 % interval in sigmas
SLOW = Path(__file__).parent / "lab" / "slow.py"

Segment = tuple[frozenset[int], frozenset[int]]
Raw = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """A profile, and for each segment its time over the whole's: of all rounds, and of each pass."""

    graph: CostGraph
    profile: DeviceProfile
    segments: tuple[Segment, ...]
    ratios: tuple[float, ...]
    passes: tuple[tuple[float, ...], ...]
    seconds: float
    probe: Seconds


def main() -> int:
    options = _options()
    for name in options.model or MODELS:
        with tempfile.TemporaryDirectory(prefix="lepton-bench-") as folder:
            known: dict[str, Measured] = {}
            for device in options.device or DEVICES:
                known[device] = read(_raw(name, device, Path(folder), options))
                for row in rows_of(f"{name}, {device}", known[device]):
                    row.print()
                sibling = next(iter(known))
                if sibling != device:
                    sibling_row(f"{name}, {device}", known[sibling], known[device], sibling).print()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", choices=list(MODELS), help="these only")
    parser.add_argument(
        "--device",
        action="append",
        help="full, slowK: K times slower (root), or threadsN; the first is the others' sibling",
    )
    parser.add_argument("--segments", type=int, default=SEGMENTS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--keep", type=Path, help="save raw measurements here")
    parser.add_argument("--offline", type=Path, help="measure nothing, predict what was kept here")
    return parser.parse_args()


def _raw(name: str, device: str, folder: Path, options: argparse.Namespace) -> Raw:
    if options.offline is not None:
        kept: Raw = json.loads((options.offline / f"{name}-{device}.json").read_text())
        return kept
    raw = measure(name, device, folder, options.segments, options.runs)
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        (options.keep / f"{name}-{device}.json").write_text(json.dumps(raw))
    return raw


# --- measuring -------------------------------------------------------------------------------------


def measure(name: str, device: str, folder: Path, segments: int, runs: int) -> Raw:
    """Measure in a process of its own, slowed if `device` says so; return all that is needed offline."""
    model = _pushed(name, folder)
    threads = int(device.removeprefix("threads")) if device.startswith("threads") else 1
    job = dataclasses.replace(_job(folder, model, segments, runs), threads=threads)
    (folder / "job.json").write_text(json.dumps(to_json(job)))
    words = [sys.executable, "-m", "bench.segments", str(folder / "job.json"), str(folder / "out.json")]
    print(f"[predict] {name}, {device}", file=sys.stderr, flush=True)
    with subprocess.Popen(words, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        if device.startswith("slow"):
            _slow_down(process.pid, device.removeprefix("slow"))
    if process.returncode:
        raise SystemExit(f"measuring {name} on {device} failed")
    found: Raw = json.loads((folder / "out.json").read_text())
    cuts = [{"inner": cut.inner, "outer": cut.outer} for cut in job.cuts]
    return found | {"graph": to_json(load_compiled(model).graph), "cuts": cuts}


def _slow_down(process: int, times: str) -> None:
    """Give the last processor to `process` and to what burns `times` - 1 of it beside; that ends with it."""
    cpu = (os.cpu_count() or 1) - 1
    os.sched_setaffinity(process, {cpu})
    subprocess.Popen([sys.executable, str(SLOW), str(process), str(cpu), times], stdin=subprocess.DEVNULL)


def _pushed(name: str, folder: Path) -> Path:
    """Return the folder of the compiled model; compile it when it is not there yet."""
    into = folder / "model"
    if not (into / "model.json").exists():
        artifacts = Artifacts(folder)
        artifacts.prepare()
        onnx.save(MODELS[name](), str(folder / "pushed.onnx"))
        job = PushJob(ModelName(name), str(folder / "pushed.onnx"), str(into), shapes=SHAPES.get(name, ()))
        push(job, artifacts, lambda *told: None)
    return into


def _job(folder: Path, model: Path, segments: int, runs: int) -> Job:
    compiled, artifacts = load_compiled(model), Artifacts(folder)
    command = make_trial(TrialJob(str(model), compiled.name, compiled.version), artifacts)
    cutter = Cutter(model, compiled)
    cuts = []
    for number, (inner, outer) in enumerate(random_segments(compiled.graph, segments)):
        made = cutter.block(number, inner, outer)
        artifacts.put(made.file)
        cuts.append(Cut(tuple(sorted(inner)), tuple(sorted(outer)), made.block))
    _write_golden(folder, model, compiled, [*cuts], command.whole.inputs)
    return Job(str(folder), str(model), command, str(folder / "golden.npz"), tuple(cuts), 1, runs, PASSES)


def _write_golden(
    folder: Path, model: Path, compiled: CompiledModel, cuts: Sequence[Cut], whole: Sequence[Any]
) -> None:
    specs = [*whole, *(spec for cut in cuts for spec in cut.block.inputs)]
    arrays = golden(model, compiled, sorted({spec.name for spec in specs}))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    (folder / "golden.npz").write_bytes(buffer.getvalue())


def random_segments(graph: CostGraph, count: int, seed: int = 0) -> list[Segment]:
    """Return `count` distinct pairs of nested down-sets, half on the chain, half on random orders."""
    draw = random.Random(seed)
    found: dict[Segment, None] = {}
    engine = engine_layers(graph)
    pseudo = frozenset(range(len(graph.layers))) - engine
    while len(found) < count:
        line = chain(graph) if len(found) % 2 else _random_line(graph, draw)
        first, last = sorted(draw.sample(range(len(line)), 2))
        inner, outer = line[first] | pseudo, line[last] | pseudo
        if inner != outer and outer - inner != engine:
            found[inner, outer] = None
    return list(found)


def _random_line(graph: CostGraph, draw: random.Random) -> list[frozenset[int]]:
    """Return the down-sets of a random topological order that goes deep rather than wide, or the reverse."""
    needs = layer_inputs(graph)
    line: list[frozenset[int]] = [frozenset()]
    while len(line) <= len(graph.layers):
        ready = [one for one in range(len(needs)) if one not in line[-1] and needs[one] <= line[-1]]
        line.append(line[-1] | {draw.choice(ready)})
    return line


# --- comparing -------------------------------------------------------------------------------------


def read(raw: Raw) -> Measured:
    """Return what was measured, from its raw form."""
    passes = tuple(tuple(_ratio([one]) for one in run) for run in raw["passes"])
    together = zip(*raw["passes"], strict=True)
    return Measured(
        from_json(CostGraph, raw["graph"]),
        from_json(DeviceProfile, raw["profile"]),
        tuple((frozenset(cut["inner"]), frozenset(cut["outer"])) for cut in raw["cuts"]),
        tuple(_ratio(one) for one in together),
        passes,
        raw["seconds"],
        raw["probe"],
    )


def _ratio(runs: Sequence[Raw]) -> float:
    """Return the median of a segment's runs, each over the median of the whole's in its round."""
    return float(
        np.median(
            [
                seconds / np.median(beside)
                for one in runs
                for seconds, beside in zip(one["times"], one["whole"], strict=True)
            ]
        )
    )


def repeat_noise(measured: Measured) -> float:
    """Return the median relative distance of a segment's two passes, over the root of two: that of one."""
    first, second = (np.array(one) for one in measured.passes[:2])
    return float(np.median(np.abs(first - second) / np.array(measured.ratios))) / 2**0.5


def predicted(
    measured: Measured, profile: DeviceProfile
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the predicted ratios to the whole, and their sigmas."""
    costs = stage_costs(profile, measured.graph)
    found = [segment_estimate(costs, measured.graph, *one) for one in measured.segments]
    whole = profile.whole.median
    return np.array([one.mean / whole for one in found]), np.array([one.spread / whole for one in found])


def sum_of_parts(measured: Measured) -> np.ndarray[Any, Any]:
    """Return what adding up the profile's neighbouring segments would predict, over the whole's time."""
    graph, profile = measured.graph, measured.profile
    layers = np.array(stage_costs(dataclasses.replace(profile, segments=()), graph).layers)
    line, parts = chain(graph), {one.first: one for one in reversed(profile.segments)}
    at = min(parts)
    while at in parts:  # of those that begin at one place the first is the part, the others heads and tails
        inside = sorted(line[parts[at].last] - line[parts[at].first])
        layers[inside] *= parts[at].time.median / max(layers[inside].sum(), 1e-12)
        at = parts[at].last
    sums = [layers[sorted(outer - inner)].sum() for inner, outer in measured.segments]
    return np.array(sums) / profile.whole.median


def rows_of(name: str, measured: Measured) -> Iterator[Row]:
    """Yield the goals' rows, beside the shares alone."""
    actual = np.array(measured.ratios)
    means, sigmas = predicted(measured, measured.profile)
    errors = np.abs(means - actual) / actual
    shares, _ = predicted(measured, dataclasses.replace(measured.profile, segments=()))
    others = {"shares alone": shares, "sum of separately timed parts": sum_of_parts(measured)}
    beside = {what: np.abs(one - actual) / actual for what, one in others.items()}
    noise = repeat_noise(measured)
    count = f"{name}: {len(actual)} segments"
    goal = max(MEDIAN_GOAL, noise)
    median, tail = float(np.median(errors)), float(np.quantile(errors, 0.9))
    inside = float(np.mean(np.abs(means - actual) <= Z90 * sigmas))
    alone = [
        ", ".join(f"{what} {_percent(np.quantile(one, part))}" for what, one in beside.items())
        for part in (0.5, 0.9)
    ]
    yield Row(
        "predict", f"{count}: median error", _percent(median), "%", alone[0], _percent(goal), median <= goal
    )
    yield Row("predict", f"{count}: 90th percentile", _percent(tail), "%", alone[1], 10.0, tail <= TAIL_GOAL)
    yield Row(
        "predict",
        f"{count}: inside of their 90 % intervals",
        _percent(inside),
        "%",
        "",
        90.0,
        0.85 <= inside <= 0.95,
    )
    yield Row("predict", f"{count}: repeat noise", _percent(noise), "%")
    yield Row(
        "predict", f"{name}: profiling", round(measured.seconds, 1), "s",
        f"the whole model takes {measured.profile.whole.median * 1e3:.1f} ms",
    )  # fmt: skip


def sibling_row(name: str, sibling: Measured, measured: Measured, of: str) -> Row:
    """Return by how much the whole model's time is off when it is estimated from a sibling's and two probes."""
    guess = estimated(sibling.profile, sibling.probe, measured.probe, measured.profile.device)
    error = guess.whole.median / measured.profile.whole.median - 1
    factor = measured.profile.whole.median / sibling.profile.whole.median
    what = f"{name}: the whole model's time, estimated from {of} by speed probes, is off by"
    return Row("predict", what, _percent(error), "%", f"in truth {factor:.2f} times as long")


def _percent(part: float) -> float:
    return round(100 * float(part), 2)


if __name__ == "__main__":
    sys.exit(main())
