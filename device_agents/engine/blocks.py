"""The opened blocks of one epoch, and the walk through a range of them.

Law: liveness over names. A tensor is kept while a later block of the range reads it or the caller asked for
it, and not a block longer. Knows no codec, no thread and no clock: each step is handed to `timed`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from device_agents.engine.sessions import Runner
from lepton_edge.core.errors import ComputeFailed, InvalidInput
from lepton_edge.core.results import Array
from partitioner.plan import Block
from partitioner.units import Bytes, Seconds, TensorName

Env = dict[TensorName, Array]
Step = Callable[[], dict[TensorName, Array]]
Timed = Callable[["OpenBlock", Mapping[TensorName, Array]], dict[TensorName, Array]]

LARGEST_MEMORY = 256
"""How many spans and how many liveness lists of one are remembered; a book has a handful of each."""


@dataclass(frozen=True)
class OpenBlock:
    """A block that is ready to run.

    `opened` is how long opening took. `by_rows` says that a batch through it is proven to be what its rows are, each by
    itself (None: not looked at); then `alone` and `shared` are the seconds of a request by itself and of one's share in
    a batch, here, at this device's own speed.
    """

    block: Block
    runner: Runner
    opened: Seconds = Seconds(0.0)
    by_rows: bool | None = None
    alone: Seconds = Seconds(0.0)
    shared: Seconds = Seconds(0.0)


@dataclass(frozen=True)
class Span:
    """What runs the blocks of a range, in order, and the tensors that they read and none of them makes."""

    steps: tuple[OpenBlock, ...]
    inputs: frozenset[TensorName]
    _alive: dict[frozenset[TensorName], tuple[frozenset[TensorName], ...]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def alive_after(self, wanted: frozenset[TensorName]) -> tuple[frozenset[TensorName], ...]:
        """Return, for each step, the tensors that are kept after it when `wanted` is kept to the end."""
        known = self._alive.get(wanted)
        if known is None:
            if len(self._alive) >= LARGEST_MEMORY:
                self._alive.clear()
            known = self._alive[wanted] = _needed_after(self.steps, wanted)
        return known

    @functools.cached_property
    def by_rows(self) -> bool:
        """Whether some step may run for several requests at once."""
        return any(one.by_rows for one in self.steps)

    @functools.cached_property
    def gain(self) -> float:
        """Return what part of those steps' time was saved when requests shared them; negative: it was more."""
        alone, shared = (sum(getattr(one, name) for one in self.steps) for name in ("alone", "shared"))
        return 1 - shared / alone if alone else 0.0  # both are nothing where a step may not be shared

    @functools.cached_property
    def size(self) -> Bytes:
        """Return the bytes that the largest step reads and makes, in the declared shape bucket."""
        specs = ([*one.block.inputs, *one.block.outputs] for one in self.steps)
        return Bytes(max((sum(spec.size for spec in each) for each in specs), default=0))


@dataclass(frozen=True)
class OpenBlocks:
    """The blocks of one book that this device holds, by index; `fused` are runs [first, last) of them as one.

    `activation` is by how much memory grew when they ran for the first time (0: not measured).
    """

    held: Mapping[int, OpenBlock] = field(default_factory=dict)
    fused: Mapping[tuple[int, int], OpenBlock] = field(default_factory=dict)
    activation: Bytes = Bytes(0)
    _spans: dict[tuple[int, int], Span] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def unproven(self) -> bool:
        """Whether it was not looked at for some of them whether they may run for several requests."""
        return any(one.by_rows is None for one in (*self.held.values(), *self.fused.values()))

    @property
    def opened(self) -> tuple[Seconds, ...]:
        """Return the opening times in the order of the blocks."""
        return tuple(self.held[index].opened for index in sorted(self.held))

    def span(self, first: int, last: int) -> Span:
        """Return what runs the blocks [first, last); ComputeFailed when one is not held here."""
        known = self._spans.get((first, last))
        if known is None:
            if len(self._spans) >= LARGEST_MEMORY:
                self._spans.clear()
            steps = tuple(self._steps(first, last))
            known = self._spans[first, last] = Span(steps, inputs_of(steps))
        return known

    def with_more(
        self, held: Mapping[int, OpenBlock], fused: Mapping[tuple[int, int], OpenBlock]
    ) -> OpenBlocks:
        """Return these blocks and others; a run as one may be batched where each of its blocks may."""
        every = {**self.held, **held}
        proven = {
            ends: _as_proven(one, [every[index] for index in range(*ends)]) for ends, one in fused.items()
        }
        return OpenBlocks(every, {**self.fused, **proven}, self.activation)

    def without(self, runs: Container[tuple[int, int]]) -> OpenBlocks:
        """Return these blocks without what runs some of them as one."""
        left = {ends: one for ends, one in self.fused.items() if ends not in runs}
        return OpenBlocks(self.held, left, self.activation)

    def without_blocks(self, blocks: Collection[int]) -> OpenBlocks:
        """Return these blocks without some, and without what runs any of them as one."""
        held = {index: one for index, one in self.held.items() if index not in blocks}
        fused = {ends: one for ends, one in self.fused.items() if not set(range(*ends)) & set(blocks)}
        return OpenBlocks(held, fused, self.activation)

    def _steps(self, first: int, last: int) -> list[OpenBlock]:
        missing = [index for index in range(first, last) if index not in self.held]
        if missing:
            raise ComputeFailed(f"blocks {missing} are not held on this device", "deploy the model again")
        steps: list[OpenBlock] = []
        while first < last:
            end = max((end for begin, end in self.fused if begin == first and end <= last), default=0)
            steps.append(self.fused[first, end] if end else self.held[first])
            first = end or first + 1
        return steps


def run_span(span: Span, given: Mapping[TensorName, Array], keep: frozenset[TensorName], timed: Timed) -> Env:
    """Run the blocks of `span` in order from `given` and return the tensors named by `keep`.

    `timed(block, env)` runs one block. Raises InvalidInput when a tensor that a block reads is not there.
    """
    env: Env = dict(given)
    for one, alive in zip(span.steps, span.alive_after(keep), strict=True):
        require(one.block, env)
        env.update(timed(one, env))
        env = {name: array for name, array in env.items() if name in alive}
    return {name: env[name] for name in keep if name in env}


def inputs_of(span: Iterable[OpenBlock]) -> frozenset[TensorName]:
    """Return the tensors that the blocks read and none of them makes."""
    made: set[TensorName] = set()
    read: set[TensorName] = set()
    for one in span:
        read |= {spec.name for spec in one.block.inputs} - made
        made |= {spec.name for spec in one.block.outputs}
    return frozenset(read)


def require(block: Block, names: Container[TensorName]) -> None:
    """Raise InvalidInput when a tensor that `block` reads is not among `names`."""
    missing = [spec.name for spec in block.inputs if spec.name not in names]
    if missing:
        raise InvalidInput(
            f"block {block.index} needs {missing}, which the request lacks", "give every input"
        )


def _as_proven(one: OpenBlock, parts: Sequence[OpenBlock]) -> OpenBlock:
    """Return a block as its parts were proven: rows that no part mixes are not mixed by all of them."""
    if not all(part.by_rows for part in parts):
        return replace(one, by_rows=False)
    alone, shared = (Seconds(sum(getattr(part, name) for part in parts)) for name in ("alone", "shared"))
    return replace(one, by_rows=True, alone=alone, shared=shared)


def _needed_after(
    steps: tuple[OpenBlock, ...], wanted: frozenset[TensorName]
) -> tuple[frozenset[TensorName], ...]:
    needed = [wanted] * len(steps)
    for position in range(len(steps) - 2, -1, -1):
        later = {spec.name for spec in steps[position + 1].block.inputs}
        needed[position] = needed[position + 1] | later
    return tuple(needed)
