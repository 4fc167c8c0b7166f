"""Several requests through one range of blocks at once: which blocks may, the proof, and the walk.

Law: arrays and names. A block may run for several requests at once when the first dimension of everything it reads and
makes is one symbol, and when a batch was seen to give what each row gives by itself; whether that is worth it is
measured. Other blocks of the range (a picture's decoder, say) run request by request in between. Knows no codec and no
thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from device_agents.engine.blocks import Env, OpenBlock, Span, Timed, require
from device_agents.engine.golden import difference
from lepton_edge.core.errors import ComputeFailed, InvalidInput
from lepton_edge.core.results import Array
from partitioner.plan import Block
from partitioner.units import Seconds, TensorName

PROOFS = (2, 3)
"""Batches of so many are held against single runs: a constant in a Reshape fits one of them at most."""
TRIAL = 4
"""How many requests share a batch that is timed; measured with more, there was hardly more to gain."""
TURNS = 6


def prove_rows(one: OpenBlock, golden: Mapping[TensorName, Array], tolerance: float) -> bool:
    """Run a block on batches of the golden sample and changed copies of it; say whether rows stay by themselves.

    Some graphs mix rows (a Reshape with a constant, a mean over everything, a range that is found anew for each
    quantization); they answer otherwise, or fail. False too where the golden sample lacks an input.
    """
    if not one.block.has_rows or any(spec.name not in golden for spec in one.block.inputs):
        return False
    feeds = [
        {spec.name: changed(golden[spec.name], turn) for spec in one.block.inputs}
        for turn in range(max(PROOFS))
    ]
    if rows_of(feeds[:1]) is None:
        return False
    try:
        alone = [one.runner.run(feed) for feed in feeds]
        return all(_agrees(one, feeds[:count], alone[:count], tolerance) for count in PROOFS)
    except (ComputeFailed, InvalidInput):
        return False


def time_rows(
    one: OpenBlock,
    golden: Mapping[TensorName, Array],
    budget: Seconds,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Seconds, Seconds]:
    """Return the seconds of a request by itself and of one's share in a batch of TRIAL, each the least of a few.

    The two take turns, so that they share the machine's moods; after `budget` seconds no further turn begins.
    """
    feed = {spec.name: golden[spec.name] for spec in one.block.inputs}
    batch = {name: np.concatenate([array] * TRIAL) for name, array in feed.items()}
    alone, shared, end = math.inf, math.inf, time.perf_counter() + budget
    for turn in range(TURNS):
        if turn and time.perf_counter() > end:
            break
        alone = min(alone, _timed(one, feed, clock))
        shared = min(shared, _timed(one, batch, clock) / TRIAL)
    return Seconds(alone), Seconds(shared)


def _timed(one: OpenBlock, feed: Env, clock: Callable[[], float]) -> float:
    begin = clock()
    one.runner.run(feed)
    return clock() - begin


def changed(array: Array, turn: int) -> Array:
    """Return a copy that differs from `array`, within the values that it has: turn 0 is `array` itself.

    Floats change their scale too, lest a mean over the batch stays what it was.
    """
    if not turn:
        return array
    moved = np.roll(array, turn, axis=-1)
    if array.dtype.kind == "f":
        return np.asarray(moved * array.dtype.type(0.5**turn))
    moved = np.ascontiguousarray(moved)
    moved.reshape(-1)[:: turn + 1] = array.reshape(-1)[0] if array.size else 0
    return moved


def rows_of(envs: Iterable[Mapping[TensorName, Array]]) -> int | None:
    """Return how many rows each env has; None unless all arrays of all of them have the same."""
    counts = {array.shape[0] if array.ndim else 0 for env in envs for array in env.values()}
    count = counts.pop() if len(counts) == 1 else 0
    return count or None


def run_together(
    span: Span, given: Sequence[Mapping[TensorName, Array]], keep: frozenset[TensorName], timed: Timed
) -> list[Env]:
    """Run the blocks of `span` for several requests at once; return for each what `run_span` would.

    Arrays that come out of a batch are views of its rows. Raises InvalidInput when a tensor that a block reads is
    missing, ComputeFailed when a batch comes out with other rows than it went in.
    """
    rows = _Rows(given)
    for one, alive in zip(span.steps, span.alive_after(keep), strict=True):
        if one.by_rows and rows.alike(one.block):
            rows.take(timed(one, rows.joined(one.block)))
        else:
            for place in range(len(given)):
                env = rows.single(place, (spec.name for spec in one.block.inputs))
                require(one.block, env)
                rows.take_single(place, timed(one, env))
        rows.drop_all_but(alive)
    return [rows.single(place, keep) for place in range(len(given))]


class _Rows:
    """The tensors of several requests: those that belong together in one array, the others one by one."""

    def __init__(self, given: Sequence[Mapping[TensorName, Array]]) -> None:
        self._single: list[Env] = [dict(env) for env in given]
        self._joined: Env = {}

    def alike(self, block: Block) -> bool:
        """Whether the requests' inputs of `block` can be joined: equal in all but their values."""
        for spec in block.inputs:
            if spec.name in self._joined:
                continue
            found = {(env[spec.name].dtype, env[spec.name].shape) for env in self._single if spec.name in env}
            if len(found) != 1 or any(spec.name not in env for env in self._single):
                return False
        return rows_of([self._one(spec.name) for spec in block.inputs]) is not None

    def joined(self, block: Block) -> Env:
        """Return the inputs of `block`, all requests' rows one after the other."""
        for spec in block.inputs:
            if spec.name not in self._joined:
                self._joined[spec.name] = np.concatenate([env[spec.name] for env in self._single])
        return {spec.name: self._joined[spec.name] for spec in block.inputs}

    def take(self, made: Env) -> None:
        """Hold what a batch made."""
        for name, array in made.items():
            if not array.ndim or array.shape[0] % len(self._single):
                raise ComputeFailed(f"a batch of {len(self._single)} came out as {name} {list(array.shape)}")
        self._joined.update(made)

    def take_single(self, place: int, made: Env) -> None:
        """Hold what one request's run made."""
        self._single[place].update(made)

    def single(self, place: int, names: Iterable[TensorName]) -> Env:
        """Return those of one request's tensors that are there; what a batch made as views."""
        found: Env = {}
        for name in names:
            if name in self._single[place]:
                found[name] = self._single[place][name]
            elif name in self._joined:
                found[name] = self._part(self._joined[name], place)
        return found

    def drop_all_but(self, alive: frozenset[TensorName]) -> None:
        """Let go of what nobody reads any more."""
        self._joined = {name: array for name, array in self._joined.items() if name in alive}
        for env in self._single:
            for name in [name for name in env if name not in alive]:
                del env[name]

    def _one(self, name: TensorName) -> Env:
        return {name: self._single[0][name]} if name in self._single[0] else self.single(0, [name])

    def _part(self, array: Array, place: int) -> Array:
        count = array.shape[0] // len(self._single)
        return array[place * count : (place + 1) * count]


def _agrees(one: OpenBlock, feeds: list[Env], alone: list[Env], tolerance: float) -> bool:
    together = run_together(_span_of(one), feeds, frozenset(alone[0]), lambda step, env: step.runner.run(env))
    return all(
        difference(batch[name], single[name], tolerance) is not None
        for batch, single in zip(together, alone, strict=True)
        for name in single
    )


def _span_of(one: OpenBlock) -> Span:
    proven = OpenBlock(one.block, one.runner, by_rows=True)
    return Span((proven,), frozenset(spec.name for spec in one.block.inputs))
