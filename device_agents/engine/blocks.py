"""The opened blocks of one epoch, and the walk through a range of them.

Law: liveness over names. A tensor is kept while a later block of the range reads it or the caller asked for
it, and not a block longer. Knows no codec, no thread and no clock: each step is handed to `timed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from device_agents.engine.sessions import Runner
from lepton_edge.core.errors import ComputeFailed, InvalidInput
from lepton_edge.core.results import Array
from partitioner.plan import Block
from partitioner.units import Seconds, TensorName

Env = dict[TensorName, Array]
Step = Callable[[], dict[TensorName, Array]]


@dataclass(frozen=True)
class OpenBlock:
    """A block that is ready to run; `opened` is how long opening took."""

    block: Block
    runner: Runner
    opened: Seconds = Seconds(0.0)


@dataclass(frozen=True)
class OpenBlocks:
    """The blocks of one book that this device holds, by index; `fused` are runs [first, last) of them as one."""

    held: Mapping[int, OpenBlock] = field(default_factory=dict)
    fused: Mapping[tuple[int, int], OpenBlock] = field(default_factory=dict)

    @property
    def opened(self) -> tuple[Seconds, ...]:
        """Return the opening times in the order of the blocks."""
        return tuple(self.held[index].opened for index in sorted(self.held))

    def span(self, first: int, last: int) -> list[OpenBlock]:
        """Return what runs the blocks [first, last), in order; ComputeFailed when one is not held here."""
        missing = [index for index in range(first, last) if index not in self.held]
        if missing:
            raise ComputeFailed(f"blocks {missing} are not held on this device", "deploy the model again")
        steps: list[OpenBlock] = []
        while first < last:
            end = max((end for begin, end in self.fused if begin == first and end <= last), default=0)
            steps.append(self.fused[first, end] if end else self.held[first])
            first = end or first + 1
        return steps


def run_span(
    span: list[OpenBlock],
    given: Mapping[TensorName, Array],
    keep: Iterable[TensorName],
    timed: Callable[[OpenBlock, Mapping[TensorName, Array]], dict[TensorName, Array]],
) -> Env:
    """Run the blocks of `span` in order from `given` and return the tensors named by `keep`.

    `timed(block, env)` runs one block. Raises InvalidInput when a tensor that a block reads is not there.
    """
    wanted = frozenset(keep)
    env: Env = dict(given)
    needed = _needed_after(span, wanted)
    for open_block, alive in zip(span, needed, strict=True):
        _require(open_block.block, env)
        env.update(timed(open_block, env))
        env = {name: array for name, array in env.items() if name in alive}
    return {name: env[name] for name in wanted if name in env}


def inputs_of(span: Iterable[OpenBlock]) -> frozenset[TensorName]:
    """Return the tensors that the blocks read and none of them makes."""
    made: set[TensorName] = set()
    read: set[TensorName] = set()
    for one in span:
        read |= {spec.name for spec in one.block.inputs} - made
        made |= {spec.name for spec in one.block.outputs}
    return frozenset(read)


def _needed_after(span: list[OpenBlock], wanted: frozenset[TensorName]) -> list[frozenset[TensorName]]:
    needed = [wanted] * len(span)
    for position in range(len(span) - 2, -1, -1):
        later = {spec.name for spec in span[position + 1].block.inputs}
        needed[position] = needed[position + 1] | later
    return needed


def _require(block: Block, env: Mapping[TensorName, Array]) -> None:
    missing = [spec.name for spec in block.inputs if spec.name not in env]
    if missing:
        raise InvalidInput(
            f"block {block.index} needs {missing}, which the request lacks", "give every input"
        )
