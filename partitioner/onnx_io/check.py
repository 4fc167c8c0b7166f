"""Does a model answer the same when it is cut? `model check`, and the proof that cuts are right.

Law: compiles into a directory of its own and runs there; believes nothing that it has not run. Two questions
a cut: (a) against the optimised whole, both with session optimisation off and one thread: every bit equal;
(b) against the file as pushed, fully optimised: within `TOLERANCE` of the largest value of each output, or,
where operators are quantized (fusing Q/DQ flips roundings, uncut as well), within two steps of the output and
with the same top-1.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto

from partitioner.compiled import CompiledModel
from partitioner.errors import InvalidModel, ModelError, ModelTooLarge
from partitioner.graph import CostGraph, chain, down_sets, layer_inputs, live_tensors
from partitioner.onnx_io import generate, infer, runtime
from partitioner.onnx_io.compile import compile_model
from partitioner.onnx_io.cutting import COMPOSED_FILE, CutBlock, Cutter
from partitioner.onnx_io.optimise import Array, difference
from partitioner.onnx_io.quantized import is_quantized, output_steps
from partitioner.units import ModelName

TOLERANCE = 1e-5
QUANTIZED_STEPS = 2
OWN_NOISE = 2  # times what the uncut file itself moves between levels of optimisation
ENUMERATED = 20_000  # down-sets; beyond, cuts are drawn at random
DRAWN_FOR_ALL = 500  # how many are drawn when "all" are too many
EVERY_LAYER = "every layer"

Progress = Callable[[int, int], None]
Level: TypeAlias = ort.GraphOptimizationLevel


@dataclass(frozen=True)
class CutRow:
    """What one cut did to the answers.

    `cut` names the last layers before the cut; `tensors` and `bytes` are what crosses. `against_whole` and
    `against_pushed` are the largest relative difference over the outputs, (a) and (b) above; `steps` is the
    largest difference in quantization steps (0 where nothing is quantized). `problem` is empty when all is
    well.
    """

    cut: str
    layers: int
    tensors: tuple[str, ...]
    bytes: int
    against_whole: float
    against_pushed: float
    steps: float
    problem: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What `check_model` found.

    `cuts` is how many legal cuts there are (None: more than can be counted). `own_steps` is by how many
    quantization steps the uncut file itself moves when the engine optimises it (0 where nothing is
    quantized): where that is over one, the model is restless and its cuts are allowed `OWN_NOISE` times as
    much.
    """

    model: str
    operators: tuple[str, ...]
    layers: int
    cuts: int | None
    sampled: bool
    quantized: bool
    own_steps: float
    rows: tuple[CutRow, ...]

    @property
    def ok(self) -> bool:
        """Whether every cut that was run agrees."""
        return not any(row.problem for row in self.rows)


def check_model(
    source: Path,
    cuts: int | Literal["all"],
    inputs: Mapping[str, Array] | None = None,
    progress: Progress | None = None,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    seed: int = 0,
) -> CheckReport:
    """Run the model at `source` whole and split, and compare.

    `cuts` is how many legal cuts are drawn (seeded), or "all" (drawn as well where there are over 20,000; the
    report says so); beside them the model is always cut behind every layer at once. `inputs` are arrays by
    input name, else generated from `seed` in the bucket `shapes`. `progress` is called with (done, total).
    Raises ModelError when the model itself is at fault; a cut that disagrees is a row of the report.
    """
    bucket = dict(shapes or {}) | {name: array.shape for name, array in (inputs or {}).items()}
    with _enough_memory(source), tempfile.TemporaryDirectory(prefix="lepton-edge-check-") as folder:
        check = _prepared(source, Path(folder), bucket, inputs, seed)
        found, count = _choose(check.compiled.graph, cuts, random.Random(seed))
        rows = []
        for done, one in enumerate(found):
            _tell(progress, done, len(found) + 1)
            rows.append(check.cut(one))
        _tell(progress, len(found), len(found) + 1)
        rows.append(check.every_layer())
        return CheckReport(
            model=source.name,
            operators=check.compiled.operators,
            layers=len(check.compiled.graph.layers),
            cuts=count,
            sampled=count is None or len(found) < count,
            quantized=check.quantized,
            own_steps=check.own_steps,
            rows=tuple(rows),
        )


@contextlib.contextmanager
def _enough_memory(source: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise ModelTooLarge(
            f"{source.name} cannot be run here: {error or 'out of memory'}", "check it on a larger machine"
        ) from error


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _prepared(
    source: Path,
    directory: Path,
    bucket: Mapping[str, tuple[int, ...]],
    inputs: Mapping[str, Array] | None,
    seed: int,
) -> _Check:
    compiled = compile_model(
        source, ModelName(source.stem), directory, manifest=None, shapes=bucket, labels={}
    )
    composed = onnx.load(str(directory / COMPOSED_FILE), load_external_data=False)
    feeds = _generated(composed, bucket, seed) if inputs is None else dict(inputs)
    return _Check(source, directory, compiled, composed, feeds)


class _Check:
    """One compiled model, one input, and the two answers that every cut must give."""

    def __init__(
        self,
        source: Path,
        directory: Path,
        compiled: CompiledModel,
        composed: ModelProto,
        feeds: dict[str, Array],
    ) -> None:
        self.directory = directory
        self.compiled = compiled
        self.cutter = Cutter(directory, compiled)
        self.feeds = feeds
        self.steps = output_steps(composed, directory)
        self.quantized = is_quantized(compiled.operators)
        whole = runtime.open_session(composed, runtime.options(directory, runtime.OFF))
        self.whole = runtime.run(whole, self.feeds)
        pushed = runtime.open_session(source, runtime.options(None, runtime.FULL))
        self.pushed = runtime.run(pushed, self.feeds)
        self.restless, self.own_steps = False, 0.0
        if self.quantized:
            plain = runtime.open_session(source, runtime.options(None, runtime.OFF))
            self._judge_itself(runtime.run(plain, self.feeds))

    def _judge_itself(self, plain: Mapping[str, Array]) -> None:
        """See how far the uncut file moves between levels of optimisation: no cut can be steadier."""
        self.own_steps = self._largest_step(plain)
        self.restless = not all(_same_top1(self.pushed[name], plain[name]) for name in plain)

    def cut(self, down_set: frozenset[int]) -> CutRow:
        """Cut in two at `down_set`, run, compare."""
        everything = frozenset(range(len(self.compiled.graph.layers)))
        blocks = [self.cutter.block(0, frozenset(), down_set), self.cutter.block(1, down_set, everything)]
        live = live_tensors(self.compiled.graph, down_set)
        crossing = tuple(str(one.name) for one in live)
        name, size = _name(self.compiled.graph, down_set), sum(one.size for one in live)
        if {str(spec.name) for spec in blocks[1].block.inputs} != set(crossing):
            problem = "what the second block reads is not the frontier"
            return CutRow(name, len(down_set), crossing, size, np.inf, np.inf, 0.0, problem)
        return self._row(name, len(down_set), crossing, size, blocks)

    def every_layer(self) -> CutRow:
        """Cut behind every layer at once."""
        fences = chain(self.compiled.graph)
        pairs = zip(fences, fences[1:], strict=False)
        blocks = [self.cutter.block(index, inner, outer) for index, (inner, outer) in enumerate(pairs)]
        return self._row(EVERY_LAYER, len(fences) - 1, (), 0, blocks)

    def _row(
        self, cut: str, layers: int, crossing: tuple[str, ...], size: int, blocks: Sequence[CutBlock]
    ) -> CutRow:
        try:
            plain = self._run(blocks, runtime.OFF)
            full = self._run(blocks, runtime.FULL)
        except ModelError as error:
            return CutRow(cut, layers, crossing, size, np.inf, np.inf, 0.0, str(error))
        against_whole = 0.0 if _same_bits(self.whole, plain) else _largest(self.whole, plain) or np.inf
        against_pushed, steps = _largest(self.pushed, full), self._largest_step(full)
        problem = self._problem(against_whole, against_pushed, steps, full)
        return CutRow(cut, layers, crossing, size, against_whole, against_pushed, steps, problem)

    def _run(self, blocks: Iterable[CutBlock], level: Level) -> dict[str, Array]:
        env = dict(self.feeds)
        for one in blocks:
            session = runtime.open_session(one.file, runtime.options(self.directory, level))
            env |= runtime.run(session, _reachable(one, env))
        return {name: env[name] for name in self.whole}

    def _largest_step(self, found: Mapping[str, Array]) -> float:
        if not self.quantized:
            return 0.0
        return max((_apart(self.pushed[name], found[name]) / self._step(name) for name in found), default=0.0)

    def _step(self, name: str) -> float:
        """Return one quantization step of an output; where unknown, 1/255 of its largest value."""
        largest = float(np.abs(np.asarray(self.pushed[name], np.float64)).max(initial=0.0))
        return self.steps.get(name) or largest / 255 or 1.0

    def _problem(self, whole: float, pushed: float, steps: float, found: Mapping[str, Array]) -> str:
        if whole > 0:
            return f"differs from the whole by {whole:.3g} of the largest output; every bit must be equal"
        if not self.quantized:
            return (
                ""
                if pushed <= TOLERANCE
                else f"differs from the file as pushed by {pushed:.3g} > {TOLERANCE}"
            )
        allowed = max(QUANTIZED_STEPS, OWN_NOISE * self.own_steps)
        if steps > allowed:
            return f"differs from the file as pushed by {steps:.3g} > {allowed:.3g} quantization steps"
        if not self.restless and any(not _same_top1(self.pushed[name], found[name]) for name in found):
            return "the top-1 is another than that of the file as pushed"
        return ""


def _reachable(one: CutBlock, env: Mapping[str, Array]) -> dict[str, Array]:
    """Return what a block reads, all of which must have been given or have crossed."""
    missing = [spec.name for spec in one.block.inputs if spec.name not in env]
    if missing:
        raise InvalidModel(f"block {one.block.index} reads {', '.join(missing)}, which nobody sends")
    return {str(spec.name): env[spec.name] for spec in one.block.inputs}


def _generated(composed: ModelProto, bucket: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Array]:
    kinds = infer.declared(composed.graph, infer.bind(composed.graph, bucket))
    return generate.feeds(composed.graph, kinds, seed)


def _choose(
    graph: CostGraph, cuts: int | Literal["all"], draw: random.Random
) -> tuple[list[frozenset[int]], int | None]:
    """Return the cuts to run, and how many there are (None when they are too many to list)."""
    listed = down_sets(graph, ENUMERATED)
    if listed is not None:
        every = listed[1:-1]
        chosen = every if cuts == "all" or cuts >= len(every) else draw.sample(every, cuts)
        return chosen, len(every)
    count = DRAWN_FOR_ALL if cuts == "all" else cuts
    return list(dict.fromkeys(_drawn(graph, count, draw))), None


def _drawn(graph: CostGraph, count: int, draw: random.Random) -> Iterator[frozenset[int]]:
    """Yield down-sets grown in random topological order to a random size."""
    needs = layer_inputs(graph)
    feeds: list[list[int]] = [[] for _ in needs]
    for layer, sources in enumerate(needs):
        for source in sources:
            feeds[source].append(layer)
    for _ in range(count):
        inside: set[int] = set()
        ready = [layer for layer, sources in enumerate(needs) if not sources]
        for _ in range(draw.randrange(1, len(needs))):
            layer = ready.pop(draw.randrange(len(ready)))
            inside.add(layer)
            ready.extend(one for one in feeds[layer] if needs[one] <= inside)
        yield frozenset(inside)


def _name(graph: CostGraph, down_set: frozenset[int]) -> str:
    """Name a cut by the layers whose tensors cross it."""
    live = {one.producer for one in live_tensors(graph, down_set)}
    return " + ".join(graph.layers[index].name if index >= 0 else "input" for index in sorted(live))


def _same_bits(wanted: Mapping[str, Array], found: Mapping[str, Array]) -> bool:
    return all(
        one.dtype == found[name].dtype
        and one.shape == found[name].shape
        and one.tobytes() == found[name].tobytes()
        for name, one in wanted.items()
        if isinstance(one, np.ndarray) and one.dtype != object
    )


def _largest(wanted: Mapping[str, Array], found: Mapping[str, Array]) -> float:
    return max((difference(wanted[name], found[name]) for name in wanted), default=0.0)


def _apart(wanted: Array, found: Array) -> float:
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        return np.inf
    return float(np.abs(wanted.astype(np.float64) - found.astype(np.float64)).max(initial=0.0))


def _same_top1(wanted: Array, found: Array) -> bool:
    if wanted.ndim < 2 or not wanted.size:
        return True
    return bool(np.array_equal(wanted.argmax(-1), found.argmax(-1)))
